"""The integer graph: what the quantiser makes, the references compute and the compiler lowers.

Tensors are named; each is int8 [C][H][W] per image with one scale and zero point. Operators list
their inputs by name and write one output. The list of operators is in execution order.

Every operator's arithmetic is defined by `resarray.spec.numerics`.
"""

import hashlib
import json
from dataclasses import dataclass, field, fields

import numpy as np


@dataclass(frozen=True)
class QTensor:
    """A quantised tensor: shape [C, H, W] of one image; real = scale * (q - zero_point)."""

    name: str
    shape: tuple[int, int, int]
    scale: float
    zero_point: int


@dataclass(frozen=True)
class QConv:
    """out = requantise(sum (x - zp_x) * weight + bias, mult, shift [, residual]), then clamp.

    weight: int8 [Cout][Cin][kh][kw] in [-127, 127]; bias: int32 [Cout] in accumulator units,
    without the input's zero point; mult, shift: int [Cout]. Padding is (top, bottom, left,
    right) pixels of the input's zero point, each at most 15. A fully connected layer is a 1x1
    convolution on a 1x1 map. ``residual`` names a tensor of the output's shape.
    """

    name: str
    input: str
    output: str
    weight: np.ndarray
    bias: np.ndarray
    mult: np.ndarray
    shift: np.ndarray
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    lo: int = -128
    hi: int = 127
    residual: str | None = None
    res_mult: int = 0
    res_shift: int = 0
    op: str = "conv"  # "conv" or "linear", for reports


@dataclass(frozen=True)
class QMaxPool:
    """Exact maximum, kernel 2 or 3, stride 2, ``padding`` on all sides (0, or 1 with kernel 3).

    Output size floor((size + 2 * padding - kernel) / 2) + 1; scale and zero point of its input.
    """

    name: str
    input: str
    output: str
    kernel: int
    padding: int
    op: str = "max_pool"


@dataclass(frozen=True)
class QGlobalAvgPool:
    """out = requantise(sum of x, -pixels * zp_x, mult, shift, zp_out, -128, 127), [C][1][1]."""

    name: str
    input: str
    output: str
    mult: int
    shift: int
    op: str = "avg_pool"


@dataclass(frozen=True)
class QAdd:
    """out = requantise(a - zp_a, 0, mult, shift, residual = b): an addition that no convolution
    could take in."""

    name: str
    input: str
    residual: str
    output: str
    mult: int
    shift: int
    res_mult: int
    res_shift: int
    lo: int = -128
    hi: int = 127
    op: str = "add"


QOp = QConv | QMaxPool | QGlobalAvgPool | QAdd


@dataclass
class QGraph:
    """A quantised network; ``input`` and ``output`` name tensors."""

    name: str
    input: str
    output: str
    tensors: dict[str, QTensor] = field(default_factory=dict)
    ops: list[QOp] = field(default_factory=list)

    def macs(self, op: QOp) -> int:
        """Useful multiply-accumulates of one operator for one image; 0 for pools and additions."""
        if not isinstance(op, QConv):
            return 0
        _, height, width = self.tensors[op.output].shape
        return op.weight.size * height * width


# What calibration decides; the weights do not depend on it, nor does the rest.
_WEIGHTS = {"weight"}
_RANGES = {
    "scale",
    "zero_point",
    "bias",
    "mult",
    "shift",
    "res_mult",
    "res_shift",
    "lo",
    "hi",
}


def digest(graph: QGraph) -> dict[str, str]:
    """SHA-256 in hex of what a graph computes: equal ones give equal tensors for equal inputs.

    "graph" is of every field of every operator and tensor; "weights" of the operators' int8
    weights; "structure" of all that neither the weights nor the calibration decide. The graph's
    own name, which is for messages, is in none of them.
    """
    parts = [*(graph.tensors[name] for name in sorted(graph.tensors)), *graph.ops]
    known = {field.name for part in parts for field in fields(part)}

    def of(names: set[str]) -> str:
        content = [graph.input, graph.output] + [
            [
                type(part).__name__,
                {
                    name: _plain(getattr(part, name))
                    for name in sorted(names)
                    if hasattr(part, name)
                },
            ]
            for part in parts
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    return {
        "graph": of(known),
        "structure": of(known - _WEIGHTS - _RANGES),
        "weights": of(_WEIGHTS),
    }


def _plain(value: object) -> object:
    """A field as JSON, whatever its width and byte order in memory; floats to the last bit."""
    if isinstance(value, np.ndarray):
        data = np.ascontiguousarray(value).astype("<i8", casting="safe").tobytes()
        return {"shape": value.shape, "sha256": hashlib.sha256(data).hexdigest()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return value.hex() if isinstance(value, float) else value
