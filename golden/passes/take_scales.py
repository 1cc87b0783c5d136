"""Of a network that is quantised already: the scales become those of its tensors."""

from dataclasses import replace

from resarray.golden.float_graph import FloatGraph, Scale
from resarray.golden.ops import FloatConstant, FloatConv, FloatOp, FloatQuantise
from resarray.golden.ops.scales import range_of, scale_and_zero_point

from .copied import copied


def take_scales(graph: FloatGraph) -> FloatGraph:
    """Each quantisation goes, and the tensor that it rounds has its scale and zero point; a tensor
    that has others already, or that is read as it is too, goes through a 1x1 convolution with
    weights of one. So do operands whose scale is not that of what is pooled or concatenated of
    them."""
    if not any(isinstance(op, FloatQuantise) for op in graph.ops):
        return graph
    return _agreed(_absorbed(graph))


def _absorbed(graph: FloatGraph) -> FloatGraph:
    scales: dict[str, Scale] = dict(graph.scales)
    made: dict[str, FloatQuantise] = {}  # by the tensor that got its scale from it
    names: dict[str, str] = {}
    # A constant only names the input.
    others = (op for op in graph.ops if not isinstance(op, FloatQuantise | FloatConstant))
    as_it_is = {*graph.outputs, *(name for op in others for name in op.inputs)}
    ops: list[FloatOp] = []
    for op in graph.ops:
        source = op.inputs[0]
        op = replace(op, inputs=tuple(names.get(name, name) for name in op.inputs))
        if not isinstance(op, FloatQuantise):
            ops.append(op)
            continue
        if not op.valid:
            raise graph.error(op, str(op.refusal()))
        (read,) = op.inputs
        scale = op.scale, op.zero_point
        has_scale = source in names or (read in scales and read not in made)
        if has_scale or source in as_it_is:
            channels = graph.shapes[op.output][0]
            ops.append(copied(op.name, read, op.output, channels, op))
            scales[op.output] = scale
        elif read in scales and scales[read] != scale:
            first = made[read]
            raise graph.error(
                op,
                f"tensor '{read}' is quantised twice, with scale {first.scale:g} and zero point "
                f"{first.zero_point} by {first.place}, and with {op.scale:g} and {op.zero_point} "
                "here: quantise it once",
            )
        else:
            names[op.output] = read
            scales[read] = scale
            made[read] = op
    outputs = (names.get(name, name) for name in graph.outputs)
    return replace(graph.with_ops(ops, outputs), scales=scales)


def _agreed(graph: FloatGraph) -> FloatGraph:
    """The operands of what keeps a scale have that of its result."""
    found = _as_they_come(graph)
    uses = graph.uses()
    scales = dict(graph.scales)
    ops: list[FloatOp] = []
    for op in reversed(graph.ops):
        copies: list[FloatOp] = []
        scale = found.get(op.output) if op.keeps_scale else None
        if isinstance(op, FloatConv) and scale not in (None, found.get(op.inputs[0], scale)):
            op = replace(op, own_range=True)  # it selects, and rounds what it selects
        elif scale is not None:
            inputs = list(op.inputs)
            for number, name in enumerate(inputs):
                if found.get(name, scale) == scale or (uses[name] == 1 and _hands_on(graph, name)):
                    found[name] = scale
                    continue
                inputs[number] = f"{op.output}.scaled{number}"
                channels = graph.shapes[name][0]
                copies.append(copied(f"{op.name}.scaled", name, inputs[number], channels, op))
                scales[inputs[number]] = scale
            op = replace(op, inputs=tuple(inputs))
        ops += [op, *copies]
    return replace(graph.with_ops(reversed(ops)), scales=scales)


def _as_they_come(graph: FloatGraph) -> dict[str, Scale]:
    """Tensor -> its scale: its own, or one for all numbers of the operands of what makes it and
    keeps scales."""
    found = dict(graph.scales)
    for op in graph.ops:
        known = [found[name] for name in op.inputs if name in found]
        if op.keeps_scale and op.output not in found and known:
            found[op.output] = _for_all(known)
    return found


def _for_all(scales: list[Scale]) -> Scale:
    """The one that has the numbers of all, or a wider one."""
    ranges = [range_of(*scale) for scale in scales]
    lo, hi = min(r[0] for r in ranges), max(r[1] for r in ranges)
    for scale, its in zip(scales, ranges, strict=True):
        if its == (lo, hi):
            return scale
    return scale_and_zero_point(lo, hi)


def _hands_on(graph: FloatGraph, name: str) -> bool:
    """Whether a tensor has the scale that it comes with, not one of its own."""
    maker = graph.producers.get(name)
    return name not in graph.scales and maker is not None and maker.keeps_scale
