"""Random float graphs that are quantised already: their scales hold, and the integer network gives
what the rounded float one gives, to a few steps.

RESARRAY_FLOAT_GRAPHS=2000 runs so many, from the seed RESARRAY_SEED on; a failure prints its seed.
"""

import os
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from resarray.golden import fast, reference
from resarray.golden.float_graph import FloatGraph, run_float
from resarray.golden.ops import FloatAvgPool, FloatConstant, FloatConv, FloatOp, FloatQuantise
from resarray.golden.ops.scales import scale_and_zero_point
from resarray.golden.passes import fuse_addition, simplify
from resarray.golden.quantise import calibrate, in_steps, quantise, unscaled
from resarray.spec.errors import ResarrayError

from .float_graphs import outputs, random_graph
from .test_random_float_graphs import check_operators

pytestmark = pytest.mark.verifies("quantiser", "operators", by="random")

SEED = int(os.environ.get("RESARRAY_SEED", "0"))
COUNT = int(os.environ.get("RESARRAY_FLOAT_GRAPHS", "24"))


def rounded(
    graph: FloatGraph, images: torch.Tensor, rng: random.Random, everything: bool
) -> FloatGraph:
    """``graph`` as a tool quantises it: weights on int8's numbers, the input and what
    ``everything`` or most operators make rounded, with the range that it has here or a part of
    it."""
    ranges: dict[str, tuple[float, float]] = {}

    def observe(name: str, value: torch.Tensor) -> None:
        ranges[name] = min(value.min().item(), 0.0), max(value.max().item(), 0.0)

    run_float(graph, images, observe)
    names: dict[str, str] = {}
    ops: list[FloatOp] = []

    def round_(name: str) -> None:
        lo, hi = (bound * rng.choice([1.0, 0.7]) for bound in ranges[name])
        names[name] = f"{name}.rounded"
        fields = scale_and_zero_point(lo, hi)
        ops.append(FloatQuantise(names[name], (name,), names[name], *fields))

    round_(graph.input)
    for op in graph.ops:
        if not isinstance(op, FloatConstant):
            op = replace(op, inputs=tuple(names.get(name, name) for name in op.inputs))
        if isinstance(op, FloatConv):
            scale = op.weight.flatten(1).abs().amax(1).double().clamp(min=1e-6) / 127
            column = scale.view(-1, 1, 1, 1)
            weight = ((op.weight / column).round() * column).float()
            op = replace(op, weight=weight, weight_scale=scale)
        ops.append(op)
        if everything or rng.random() < 0.9:
            round_(op.output)
    return graph.with_ops(ops, (names.get(name, name) for name in graph.outputs))


@pytest.mark.parametrize("seed", range(SEED, SEED + COUNT))
def test_random_quantised_graph(seed):
    graph = random_graph(seed)
    images = torch.randn(4, *graph.shape)
    everything = seed % 2 == 0
    graph = rounded(graph, images, random.Random(seed), everything)
    wanted = {(op.scale, op.zero_point) for op in graph.ops if isinstance(op, FloatQuantise)}
    simple = simplify(graph)
    assert not any(isinstance(op, FloatQuantise) for op in simple.ops)
    assert {*simple.scales.values()} <= wanted
    if everything:  # what an average of unequal windows is made of has no scale in the network
        averages = {op.name for op in graph.ops if isinstance(op, FloatAvgPool)}
        assert {name.partition("_")[0] for name in unscaled(simple)} <= averages
    try:
        integer = quantise(simple, images)
    except ResarrayError as error:
        assert "one scale" in str(error)
        pytest.skip(str(error))
    for name, scale in simple.scales.items():
        if name in integer.tensors:
            assert (integer.tensors[name].scale, integer.tensors[name].zero_point) == scale
    tensor = integer.tensors[integer.input]
    x = (images / tensor.scale).round() + tensor.zero_point
    values = fast.run(integer, x.clamp(-128, 127).to(torch.int8).numpy())
    for name, value in reference.run(integer, values[integer.input][:1]).items():
        np.testing.assert_array_equal(values[name][:1], value, err_msg=name)
    ranges = calibrate(simple, images) if unscaled(simple) else {}
    check_operators(in_steps(fuse_addition(simple), ranges)[0], integer, values)
    if not everything:  # what is not rounded there has a range of its own here
        return
    for name, expected in zip(integer.outputs, outputs(graph, images), strict=True):
        y = integer.tensors[name]
        steps = (torch.from_numpy(values[name]).double() - y.zero_point) - expected / y.scale
        assert steps.abs().mean() <= 1.5 and steps.abs().max() <= 12, name
