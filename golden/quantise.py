"""Post-training quantisation: float graph and calibration images to the integer graph.

Weights are symmetric per output channel, activations asymmetric per tensor with a zero point, so
that zero (padding, ReLU) is exact. Additions are taken in by the convolution before them. How an
operator is quantised is in its file of `ops`.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from resarray.spec.errors import ResarrayError
from resarray.spec.pixels import quantise_pixels
from resarray.spec.progress import Progress, silent

from .float_graph import FloatGraph, Scale, run_float
from .graph import QGraph
from .ops import FloatOp, QTensor, Range
from .ops.scales import scale_and_zero_point, tensor_of_range
from .passes import fuse_addition
from .passes.copied import copied

CALIBRATION_BATCH = 16
# Of a calibration batch: 16 images of 512x512.
MAX_BATCH_PIXELS = 1 << 22
SAMPLES_PER_BATCH = 8192
# Until scales that depend on each other no longer grow; what passes it would without end.
MAX_ROUNDS = 64
MAX_SCALE = 1e30


def quantise(graph: FloatGraph, calibration: Tensor, progress: Progress = silent) -> QGraph:
    """The integer graph of ``graph``; ``calibration``: float [N][C][H][W], normalised images, which
    give ranges to the tensors that have no scale yet."""
    ranges = calibrate(graph, calibration, progress) if unscaled(graph) else {}
    result = QGraph(graph.name, graph.input, graph.outputs)
    tensors = result.tensors
    graph, found = in_steps(fuse_addition(graph), ranges)
    tensors.update(found)
    for op in graph.ops:
        inputs = [tensors[name] for name in op.inputs]
        result.ops.append(op.quantise(tensors[op.output], *inputs))
    return result


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


# -- scales ----------------------------------------------------------------------------------


class _TooFine(Exception):
    """The scale that a tensor has already is smaller than what its operator can make."""

    def __init__(self, op: FloatOp, scale: float, given: Scale):
        super().__init__(op, scale)
        self.op, self.scale, self.given = op, scale, given


def in_steps(
    graph: FloatGraph, ranges: Mapping[str, Range]
) -> tuple[FloatGraph, dict[str, QTensor]]:
    """``graph`` and its tensors. Where an operator cannot make the scale that its result has
    already, it makes a larger one, and a 1x1 convolution with weights of one the other: a step of
    its sums is more than one of either, so that nothing is lost."""
    steps = dict(graph.scales)
    while True:
        try:
            return graph, quantised_tensors(graph, ranges)
        except _TooFine as fault:
            op, scale = fault.op, fault.scale
            wide = f"{op.output}.wide"
            if wide in graph.shapes:
                raise ResarrayError(
                    f"model '{graph.name}': layer '{op.name}' needs a scale of its result of at "
                    f"least {scale:.4g}, and the network has {fault.given[0]:.4g} there: "
                    "quantise it with a wider range"
                ) from None
            steps[wide] = scale, fault.given[1]
            both = (
                replace(op, output=wide),
                copied(f"{op.name}.scaled", wide, op.output, graph.shapes[op.output][0], op),
            )
            ops = chain.from_iterable(both if each is op else (each,) for each in graph.ops)
            graph = replace(graph.with_ops(ops), scales=dict(steps))


def quantised_tensors(graph: FloatGraph, ranges: Mapping[str, Range]) -> dict[str, QTensor]:
    """Every tensor by name, with its scale and zero point.

    Those that share a scale have the one that one of them has already, or that of the union of
    their makers' ``ranges``, and all of them a larger scale where the factors of one maker need it.
    """
    groups = shared_scales(graph)
    given = {groups[name]: graph.scales[name] for name in graph.shapes if name in graph.scales}
    bounds: dict[str, Range] = {}
    for name in graph.shapes:
        maker = graph.producers.get(name)
        if groups[name] in given:
            continue
        if maker is None or not maker.keeps_scale or name in graph.outputs:
            lo, hi = bounds.get(groups[name], ranges[name])
            bounds[groups[name]] = min(lo, ranges[name][0]), max(hi, ranges[name][1])
    least = dict.fromkeys(bounds, 0.0)

    def tensor(name: str) -> QTensor:
        group = groups[name]
        if group in given:
            return QTensor(name, graph.shapes[name], *given[group])
        return tensor_of_range(name, graph.shapes[name], bounds[group], least[group])

    for _ in range(MAX_ROUNDS):
        before = dict(least)
        grown = {}  # Layer -> its least scale, as a multiple of those that it reads.
        for op in graph.ops:
            inputs = [tensor(name) for name in op.inputs]
            group, scale = groups[op.output], op.min_scale(*inputs)
            if group in given:
                if scale > given[group][0]:
                    raise _TooFine(op, scale, given[group])
                continue
            if scale > least[group]:
                least[group] = scale
                grown[op.name] = scale / max(x.scale for x in inputs)
        if least == before:
            return {name: tensor(name) for name in graph.shapes}
        if max(least.values(), default=0.0) > MAX_SCALE:
            break
    worst = max(grown, key=lambda name: grown[name])
    raise ResarrayError(
        f"model '{graph.name}': layer '{worst}' makes values much larger than those that it reads, "
        "and a concatenation gives both one scale: use smaller weights there"
    )


def unscaled(graph: FloatGraph) -> list[str]:
    """The tensors whose scale is still to be measured, but for those that share one, or that the
    fused addition behind them leaves none of."""
    graph = fuse_addition(graph)
    groups = shared_scales(graph)
    given = {groups[name] for name in graph.shapes if name in graph.scales}
    missing = {groups[name]: name for name in graph.shapes if groups[name] not in given}
    return list(missing.values())


def shared_scales(graph: FloatGraph) -> dict[str, str]:
    """Tensor name -> one name for all tensors that share its scale: what concatenations, slices
    and max pools connect."""
    groups = {name: name for name in graph.shapes}

    def find(name: str) -> str:
        while groups[name] != name:
            name = groups[name]
        return name

    for op in graph.ops:
        if op.keeps_scale:
            for name in op.inputs:
                groups[find(op.output)] = find(name)
    return {name: find(name) for name in groups}


# -- calibration -----------------------------------------------------------------------------


def calibrate(graph: FloatGraph, images: Tensor, progress: Progress = silent) -> dict[str, Range]:
    """Tensor name -> (lowest, highest) real value to represent; lowest <= 0 <= highest.

    The range is the observed one, shrunk where that lowers the mean squared quantisation error;
    that of an output is not shrunk, since of logits the largest decide.
    """
    samples: dict[str, list[Tensor]] = {}
    limits: dict[str, Range] = {}
    generator = torch.Generator().manual_seed(0)

    def observe(name: str, value: Tensor) -> None:
        flat = value.flatten()
        lo, hi = limits.get(name, (0.0, 0.0))
        # Of these, unlike Python's, a NaN is not lost.
        lowest, highest = np.minimum(lo, flat.min().item()), np.maximum(hi, flat.max().item())
        limits[name] = float(lowest), float(highest)
        if len(flat) > SAMPLES_PER_BATCH:
            flat = flat[torch.randint(len(flat), (SAMPLES_PER_BATCH,), generator=generator)]
        samples.setdefault(name, []).append(flat)

    done = 0
    for batch in batches(images):
        progress(done / len(images), f"quantising: {done} of {len(images)} images seen")
        run_float(graph, batch, observe)
        done += len(batch)
    for name, (lo, hi) in limits.items():
        if not np.isfinite((lo, hi)).all():
            raise ResarrayError(
                f"model '{graph.name}': tensor '{name}' is not finite on the calibration images; "
                "check the weights"
            )
    return {
        name: limits[name]
        if name in graph.outputs
        else best_range(torch.cat(values), *limits[name])
        for name, values in samples.items()
    }


def batches(images: Tensor) -> tuple[Tensor, ...]:
    """Parts of float [N][C][H][W] small enough to run at once."""
    height, width = images.shape[2:]
    return images.split(max(1, min(CALIBRATION_BATCH, MAX_BATCH_PIXELS // (height * width))))


def best_range(values: Tensor, lo: float, hi: float) -> Range:
    """The fraction of [lo, hi] with the least mean squared error over ``values``."""
    best, best_error = (lo, hi), float("inf")
    for fraction in np.linspace(1.0, 0.4, 25):
        scale, zero_point = scale_and_zero_point(lo * fraction, hi * fraction)
        q = torch.clamp(torch.round(values / scale) + zero_point, -128, 127)
        error = torch.mean(((q - zero_point) * scale - values) ** 2).item()
        if error < best_error:
            best, best_error = (lo * fraction, hi * fraction), error
    return best
