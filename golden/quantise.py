"""Post-training quantisation: float graph and calibration images to the integer graph.

Weights are symmetric per output channel, activations asymmetric per tensor with a zero point, so
that zero (padding, ReLU) is exact. Additions are taken in by the convolution before them.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from resarray.spec import numerics
from resarray.spec.errors import ResarrayError
from resarray.spec.pixels import quantise_pixels
from resarray.spec.progress import Progress, silent

from .float_graph import (
    FloatAdd,
    FloatConv,
    FloatGlobalAvgPool,
    FloatGraph,
    FloatMaxPool,
    FloatOp,
    run_float,
)
from .graph import QGraph
from .ops import QAdd, QConv, QGlobalAvgPool, QMaxPool, QTensor

CALIBRATION_BATCH = 16
# Of a calibration batch: 16 images of 512x512.
MAX_BATCH_PIXELS = 1 << 22
SAMPLES_PER_BATCH = 8192
# Largest factors in use, a little below what `quantise_factor` takes.
MAX_FACTOR = 1.999
MAX_RESIDUAL_FACTOR = 31.99
# |x - zero_point| <= 255 and |weight| <= 127.
MAX_PRODUCT = 255 * numerics.WEIGHT_MAX
MAX_BIAS = 1 << 29


def quantise(graph: FloatGraph, calibration: Tensor, progress: Progress = silent) -> QGraph:
    """The integer graph of ``graph``; ``calibration``: float [N][C][H][W], normalised images."""
    return _Quantiser(graph, calibrate(graph, calibration, progress)).run()


def quantise_input(
    tensor: QTensor, pixels: np.ndarray, mean: tuple[float, ...], std: tuple[float, ...]
) -> np.ndarray:
    """uint8 [N][H][W][C] pixels to the network's int8 input [N][C][H][W]."""
    return quantise_pixels(pixels, mean, std, tensor.scale, tensor.zero_point)


def normalise(pixels: np.ndarray, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """uint8 [N][H][W][C] pixels to the float input [N][C][H][W]."""
    count, height, width, channels = pixels.shape
    # Made by PyTorch: numpy's strides of a single channel could be read as channels last, in which
    # every convolution behind it would then answer.
    x = torch.empty(count, channels, height, width)
    x.copy_(torch.from_numpy(pixels).permute(0, 3, 1, 2)).div_(255)
    return x.sub_(torch.tensor(mean).view(1, -1, 1, 1)).div_(torch.tensor(std).view(1, -1, 1, 1))


# -- calibration -----------------------------------------------------------------------------


def calibrate(
    graph: FloatGraph, images: Tensor, progress: Progress = silent
) -> dict[str, tuple[float, float]]:
    """Tensor name -> (lowest, highest) real value to represent; lowest <= 0 <= highest.

    The range is the observed one, shrunk where that lowers the mean squared quantisation error;
    that of the logits is not shrunk, since the largest decide.
    """
    samples: dict[str, list[Tensor]] = {}
    limits: dict[str, tuple[float, float]] = {}
    generator = torch.Generator().manual_seed(0)

    def observe(name: str, value: Tensor) -> None:
        flat = value.flatten()
        lo, hi = limits.get(name, (0.0, 0.0))
        limits[name] = (min(lo, flat.min().item()), max(hi, flat.max().item()))
        if len(flat) > SAMPLES_PER_BATCH:
            flat = flat[torch.randint(len(flat), (SAMPLES_PER_BATCH,), generator=generator)]
        samples.setdefault(name, []).append(flat)

    height, width = images.shape[2:]
    size = max(1, min(CALIBRATION_BATCH, MAX_BATCH_PIXELS // (height * width)))
    for number, batch in enumerate(images.split(size)):
        done = number * size
        progress(done / len(images), f"quantising: {done} of {len(images)} images seen")
        run_float(graph, batch, observe)
    for name, (lo, hi) in limits.items():
        if not np.isfinite((lo, hi)).all():
            raise ResarrayError(
                f"model '{graph.name}': tensor '{name}' is not finite on the calibration images; "
                "check the weights"
            )
    return {
        name: limits[name] if name == graph.output else best_range(torch.cat(values), *limits[name])
        for name, values in samples.items()
    }


def best_range(values: Tensor, lo: float, hi: float) -> tuple[float, float]:
    """The fraction of [lo, hi] with the least mean squared error over ``values``."""
    best, best_error = (lo, hi), float("inf")
    for fraction in np.linspace(1.0, 0.4, 25):
        scale, zero_point = scale_and_zero_point(lo * fraction, hi * fraction)
        q = torch.clamp(torch.round(values / scale) + zero_point, -128, 127)
        error = torch.mean(((q - zero_point) * scale - values) ** 2).item()
        if error < best_error:
            best, best_error = (lo * fraction, hi * fraction), error
    return best


def scale_and_zero_point(lo: float, hi: float, min_scale: float = 0.0) -> tuple[float, int]:
    """Scale (at least ``min_scale``) and int8 zero point that represent [lo, hi] and 0 exactly."""
    scale = max((hi - lo) / 255, min_scale)
    if scale == 0:  # a tensor that is always 0
        scale = 1 / 127
    zero_point = numerics.clamp(round(-128 - lo / scale), numerics.INT8_MIN, numerics.INT8_MAX)
    return scale, zero_point


# -- the graph -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Step:
    """One operator of the integer graph: ``op``, with ``residual`` added where it is a convolution
    that takes an addition in."""

    op: FloatOp
    output: str
    relu: bool = False
    residual: str | None = None


def plan(graph: FloatGraph) -> list[_Step]:
    """Operators in execution order, each addition fused into one convolution where possible.

    Of the operands that are convolutions nothing else reads, the one with the longest sums takes
    the addition: its drain hides best behind its computation. It moves to the addition's place.
    """
    producers = {op.output: op for op in graph.ops}
    uses = graph.uses()
    fused: dict[str, tuple[FloatConv, str]] = {}
    for op in graph.ops:
        if not isinstance(op, FloatAdd) or op.a == op.b:
            continue
        candidates = [
            (conv, other)
            for conv, other in ((producers.get(op.a), op.b), (producers.get(op.b), op.a))
            if isinstance(conv, FloatConv) and not conv.relu and uses[conv.output] == 1
        ]
        if candidates:
            fused[op.output] = max(candidates, key=lambda c: c[0].weight[0].numel())
    taken = {conv.output for conv, _ in fused.values()}
    steps = []
    for op in graph.ops:
        if op.output in fused:
            conv, residual = fused[op.output]
            steps.append(_Step(conv, op.output, op.relu, residual))
        elif op.output not in taken:
            steps.append(_Step(op, op.output, getattr(op, "relu", False)))
    return steps


class _Quantiser:
    def __init__(self, graph: FloatGraph, ranges: dict[str, tuple[float, float]]):
        self.float_graph = graph
        self.ranges = ranges
        self.graph = QGraph(graph.name, graph.input, graph.output)

    def run(self) -> QGraph:
        self.tensor(self.float_graph.input)
        for step in plan(self.float_graph):
            if isinstance(step.op, FloatConv):
                op = self.conv(step)
            elif isinstance(step.op, FloatMaxPool):
                op = self.max_pool(step)
            elif isinstance(step.op, FloatGlobalAvgPool):
                op = self.global_avg_pool(step)
            else:
                op = self.add(step)
            self.graph.ops.append(op)
        return self.graph

    def tensor(self, name: str, min_scale: float = 0.0, like: QTensor | None = None) -> QTensor:
        """Register ``name``: with the scale and zero point of ``like``, or from its range."""
        if like is None:
            scale, zero_point = scale_and_zero_point(*self.ranges[name], min_scale)
        else:
            scale, zero_point = like.scale, like.zero_point
        tensor = QTensor(name, self.float_graph.shapes[name], scale, zero_point)
        self.graph.tensors[name] = tensor
        return tensor

    def conv(self, step: _Step) -> QConv:
        op = step.op
        x = self.graph.tensors[op.input]
        weight, bias, weight_scale = quantise_weights(op, x.scale)
        residual = self.graph.tensors[step.residual] if step.residual else None
        if op.selects and residual is None:
            y = self.tensor(step.output, like=x)
        else:
            min_scale = x.scale * weight_scale.max() / MAX_FACTOR
            if residual:
                min_scale = max(min_scale, residual.scale / MAX_RESIDUAL_FACTOR)
            y = self.tensor(step.output, min_scale)
        factors = [numerics.quantise_factor(x.scale * s / y.scale) for s in weight_scale]
        res_mult, res_shift = 0, 0
        if residual:
            res_mult, res_shift = _residual_factor(residual, y)
        return QConv(
            name=op.name,
            input=op.input,
            output=step.output,
            weight=weight,
            bias=bias,
            mult=np.array([mult for mult, _ in factors], np.int64),
            shift=np.array([shift for _, shift in factors], np.int64),
            stride=op.stride,
            padding=op.padding,
            lo=_relu_floor(step.relu, y),
            residual=step.residual,
            res_mult=res_mult,
            res_shift=res_shift,
            op=op.op,
        )

    def max_pool(self, step: _Step) -> QMaxPool:
        op = step.op
        self.tensor(step.output, like=self.graph.tensors[op.input])
        return QMaxPool(op.name, op.input, step.output, op.kernel, op.padding)

    def global_avg_pool(self, step: _Step) -> QGlobalAvgPool:
        op = step.op
        x = self.graph.tensors[op.input]
        pixels = x.shape[1] * x.shape[2]
        y = self.tensor(step.output, x.scale / pixels / MAX_FACTOR)
        mult, shift = numerics.quantise_factor(x.scale / pixels / y.scale)
        return QGlobalAvgPool(op.name, op.input, step.output, mult, shift)

    def add(self, step: _Step) -> QAdd:
        op = step.op
        # The residual's factor may be larger than the input's.
        x, residual = sorted(
            (self.graph.tensors[op.a], self.graph.tensors[op.b]), key=lambda t: t.scale
        )
        min_scale = max(x.scale / MAX_FACTOR, residual.scale / MAX_RESIDUAL_FACTOR)
        y = self.tensor(step.output, min_scale)
        mult, shift = numerics.quantise_factor(x.scale / y.scale)
        res_mult, res_shift = _residual_factor(residual, y)
        return QAdd(
            name=op.name,
            input=x.name,
            residual=residual.name,
            output=step.output,
            mult=mult,
            shift=shift,
            res_mult=res_mult,
            res_shift=res_shift,
            lo=_relu_floor(step.relu, y),
        )


def quantise_weights(
    op: FloatConv, input_scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(weight int8, bias int32, scale float64 [Cout])``.

    A channel's scale is its largest magnitude / 127, or more where its bias would not fit: then
    |sum| + |bias| < 2**31, since 65,536 products of at most 255 * 127 leave 2.5e7 for the bias.
    """
    weight = op.weight.double().numpy()
    bias = op.bias.double().numpy()
    dot_length = weight[0].size
    max_bias = min(MAX_BIAS, (1 << 31) - 1 - MAX_PRODUCT * dot_length)
    if max_bias <= 0:
        raise ResarrayError(
            f"layer '{op.name}' adds {dot_length} products, more than the 32-bit accumulator "
            "holds: use fewer channels or a smaller kernel"
        )
    largest = np.abs(weight).reshape(len(weight), -1).max(1)
    scale = np.maximum(largest / numerics.WEIGHT_MAX, np.abs(bias) / (input_scale * max_bias))
    scale[scale == 0] = 1.0
    q = np.rint(weight / scale[:, None, None, None])
    q_bias = np.clip(np.rint(bias / (input_scale * scale)), -max_bias, max_bias)
    return q.astype(np.int8), q_bias.astype(np.int32), scale


def _residual_factor(residual: QTensor, y: QTensor) -> tuple[int, int]:
    return numerics.quantise_factor(residual.scale / y.scale, numerics.RESIDUAL_HEADROOM)


def _relu_floor(relu: bool, y: QTensor) -> int:
    return max(numerics.INT8_MIN, y.zero_point) if relu else numerics.INT8_MIN
