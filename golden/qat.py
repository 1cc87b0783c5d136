"""Quantisation-aware training: the forward pass has the values of the integer graph, exactly; the
gradients are those of the float graph between them (straight through).

The graph is read of the module once. Its weights are the module's own parameters, so that each
step's passes, which fold batch norms with their running statistics, are part of the gradient, and
what is trained are weights that the module loads.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from resarray.spec.numerics import INT8_MAX, INT8_MIN

from .float_graph import FloatGraph
from .importers.torch_export import read_model
from .ops import FloatOp, QTensor, Range, Shape
from .passes import fuse_addition, simplify
from .quantise import calibrate, quantised_tensors


class FakeQuantised(nn.Module):
    """``module`` as its integer graph computes it, on images [N][C][H][W] of ``shape`` [C, H, W];
    `settle` first."""

    def __init__(self, module: nn.Module, shape: Shape, name: str):
        super().__init__()
        self.module = module
        self.raw = _with_parameters(read_model(module, shape, name), module)
        self.ranges: Mapping[str, Range] = {}

    def settle(self, images: Tensor) -> None:
        """Measure the ranges on float images [N][C][H][W], for the parameters as they are."""
        self.ranges = calibrate(_detached(simplify(self.raw)), images)

    def forward(self, x: Tensor) -> Tensor:
        """The first output [N][values], the real values of its int8 ones."""
        graph = fuse_addition(simplify(self.raw))
        constant = _detached(graph)
        tensors = quantised_tensors(constant, self.ranges)
        with torch.no_grad():
            tensor = tensors[graph.input]
            q = (x.double() / tensor.scale + 0.5).floor() + tensor.zero_point
            integers = {graph.input: q.clamp(INT8_MIN, INT8_MAX).to(torch.int8)}
        values = {graph.input: _real(integers[graph.input], tensor)}
        for op, fixed in zip(graph.ops, constant.ops, strict=True):
            tensor = tensors[op.output]
            with torch.no_grad():
                made = fixed.quantise(tensor, *(tensors[name] for name in op.inputs))
                # The integer operator's order of inputs, which may be another.
                integers[op.output] = made.fast(tensors, *(integers[n] for n in made.inputs))
                value = _real(integers[op.output], tensor)
            y = op.compute(*(values[name] for name in op.inputs))
            lo, hi = (tensor.scale * (q - tensor.zero_point) for q in (INT8_MIN, INT8_MAX))
            y = y.clamp(lo, hi)  # no gradient of what is saturated
            values[op.output] = value + (y - y.detach())
        return values[graph.output].flatten(1)


def _real(q: Tensor, tensor: QTensor) -> Tensor:
    return (q.float() - tensor.zero_point) * tensor.scale


def _with_parameters(graph: FloatGraph, module: nn.Module) -> FloatGraph:
    """``graph``, whose tensors are without gradient, with the module's parameters that they share
    their memory with."""
    known = {(p.data_ptr(), p.shape): p for p in module.parameters()}

    def live(value: Any) -> Any:
        return known.get((value.data_ptr(), value.shape), value)

    return _mapped(graph, live)


def _detached(graph: FloatGraph) -> FloatGraph:
    return _mapped(graph, lambda value: value.detach())


def _mapped(graph: FloatGraph, change: Any) -> FloatGraph:
    """``graph`` with every tensor of its operators changed."""

    def changed(op: FloatOp) -> FloatOp:
        own = {f.name: getattr(op, f.name) for f in fields(op)}
        found: dict[str, Any] = {k: change(v) for k, v in own.items() if isinstance(v, Tensor)}
        return replace(op, **found)

    return graph.with_ops([changed(op) for op in graph.ops])
