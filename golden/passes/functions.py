"""Functions of one value each are one table, however they are written."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import (
    FloatActivation,
    FloatAdd,
    FloatAffine,
    FloatFunction,
    FloatMultiply,
    FloatOp,
)

from .rewrite import Rewrite

Function = Callable[[Tensor], Tensor]


def product_to_function(graph: FloatGraph) -> FloatGraph:
    """A product of two functions of one tensor, as x * sigmoid(x), is a function of it; so is a
    sum, if one of its terms is not made of activations and constants alone."""
    ops: dict[str, FloatOp] = {}
    for op in graph.ops:
        ops[op.output] = _as_function(ops, op)
    uses = graph.with_ops(ops.values()).uses()
    for op in reversed([*ops.values()]):
        if not uses[op.output] and _function(op) is not None:
            del ops[op.output]
            uses[op.inputs[0]] -= 1
    return graph.with_ops(ops.values())


def _as_function(ops: Mapping[str, FloatOp], op: FloatOp) -> FloatOp:
    if not isinstance(op, FloatMultiply | FloatAdd):
        return op
    a, b = (list(_sources(ops, name)) for name in op.inputs)
    both = ((f, g) for f in a for g in b if f.name == g.name)
    if (found := next(both, None)) is None:
        return op
    f, g = found
    if isinstance(op, FloatAdd) and not (f.curved or g.curved):
        return op

    def apply(x: Tensor) -> Tensor:
        return op.compute(f.apply(x), g.apply(x))

    return FloatFunction(op.name, (f.name,), op.output, "function", apply, origin=op.origin)


@dataclass(frozen=True)
class _Source:
    """A tensor, the function of it that another is, and whether that is more than activations and
    constants."""

    name: str
    apply: Function
    curved: bool


def _sources(ops: Mapping[str, FloatOp], name: str) -> Iterator[_Source]:
    """The tensors of which ``name`` is a function, itself first."""
    source = _Source(name, lambda x: x, False)
    yield source
    while (op := ops.get(source.name)) and (function := _function(op)):
        curved = source.curved or isinstance(op, FloatFunction)
        source = _Source(op.inputs[0], _composed(function, source.apply), curved)
        yield source


def compose_functions(graph: FloatGraph) -> FloatGraph:
    """A function that alone reads another, or a constant factor and offset, becomes one with it; so
    do constants and activations that alone read a function."""
    rewrite = Rewrite(graph)
    for op in map(rewrite.read, graph.ops):
        before = rewrite.producer(op)
        f, g = _function(before), _function(op)
        if f is None or g is None or before is None or not rewrite.alone(op):
            rewrite.keep(op)
        elif isinstance(before, FloatFunction):
            name = f"{before.function}+{op.function}" if isinstance(op, FloatFunction) else ""
            function = name or before.function
            rewrite.merge(op, replace(before, function=function, apply=_composed(f, g)))
        elif isinstance(before, FloatAffine) and isinstance(op, FloatFunction):
            apply = _composed(f, g)
            rewrite.merge(op, replace(op, inputs=before.inputs, output=before.output, apply=apply))
        else:
            rewrite.keep(op)
    return rewrite.result()


def _composed(f: Function, g: Function) -> Function:
    """First ``f``, then ``g``."""
    return lambda x: g(f(x))


def _function(op: FloatOp | None) -> Function | None:
    """What ``op`` does with each value; None where that depends on others, or on the channel."""
    if isinstance(op, FloatFunction):
        return op.apply
    if isinstance(op, FloatActivation):
        lo, hi = op.lo, op.hi
        return lambda x: x.clamp(lo, hi)
    if isinstance(op, FloatAffine):
        factors, offsets = op.factors
        factor, offset = factors[0].item(), offsets[0].item()
        if (factors == factor).all() and (offsets == offset).all():
            return lambda x: x * factor + offset
    return None
