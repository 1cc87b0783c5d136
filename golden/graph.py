"""The integer graph: what the quantiser makes, the references compute and the compiler lowers.

Tensors are named; each is int8 [C][H][W] per image with one scale and zero point. Operators
list their inputs by name and write one output; they are in execution order. `ops` has the records.
"""

import hashlib
import json
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from .ops import QOp, QTensor


@dataclass
class QGraph:
    """A quantised network; ``input`` and ``outputs`` name tensors. The first output is what classes
    are read from; a tensor may be there twice."""

    name: str
    input: str
    outputs: tuple[str, ...]
    tensors: dict[str, QTensor] = field(default_factory=dict)
    ops: list[QOp] = field(default_factory=list)

    @property
    def output(self) -> str:
        """The first output."""
        return self.outputs[0]

    def macs(self, op: QOp) -> int:
        """Useful multiply-accumulates of one operator for one image; 0 for pools and additions."""
        return op.macs(self.tensors)


# What calibration decides; the weights do not depend on it, nor does the rest.
_WEIGHTS = {"weight"}
_RANGES = {
    "value",
    "scale",
    "zero_point",
    "bias",
    "table",
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
    parts: list[Any] = [*(graph.tensors[name] for name in sorted(graph.tensors)), *graph.ops]
    known = {field.name for part in parts for field in fields(part)}
    plain = [
        {name: _plain(getattr(part, name)) for name in known if hasattr(part, name)}
        for part in parts
    ]

    def of(names: set[str]) -> str:
        content = [graph.input, *graph.outputs] + [
            [
                type(part).__name__,
                {name: value for name, value in values.items() if name in names},
            ]
            for part, values in zip(parts, plain, strict=True)
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
