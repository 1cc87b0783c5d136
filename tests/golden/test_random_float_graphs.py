"""Random float graphs of all operators: passes keep what they compute, and each integer operator is
within half a step of the float one.

RESARRAY_FLOAT_GRAPHS=2000 runs so many, from the seed RESARRAY_SEED on; a failure prints its seed.
"""

import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from resarray.golden import fast, reference
from resarray.golden.float_graph import FloatGraph
from resarray.golden.graph import QGraph
from resarray.golden.ops import FloatConv, QConcat, QMaxPool, QSlice, QTensor, QUpsample
from resarray.golden.ops.conv import quantise_weights
from resarray.golden.passes import fuse_addition, simplify
from resarray.golden.quantise import quantise

from .float_graphs import check_same, random_graph

pytestmark = pytest.mark.verifies("quantiser", "operators", by="random")

SEED = int(os.environ.get("RESARRAY_SEED", "0"))
COUNT = int(os.environ.get("RESARRAY_FLOAT_GRAPHS", "40"))


@pytest.mark.parametrize("seed", range(SEED, SEED + COUNT))
def test_random_graph(seed):
    graph = random_graph(seed)
    simple = simplify(graph)
    check_same(graph, simple, exact=False)
    images = torch.randn(4, *graph.shape)
    integer = quantise(simple, images)
    tensor = integer.tensors[integer.input]
    x = (images / tensor.scale).round() + tensor.zero_point
    x = x.clamp(-128, 127).to(torch.int8).numpy()
    values = fast.run(integer, x)
    for name, value in reference.run(integer, x[:1]).items():
        np.testing.assert_array_equal(values[name][:1], value, err_msg=name)
    check_operators(fuse_addition(simple), integer, values)


def check_operators(graph: FloatGraph, integer: QGraph, values: dict[str, np.ndarray]) -> None:
    """Each operator alone, of the real values of its integer inputs."""
    for op, made in zip(graph.ops, integer.ops, strict=True):
        x, y = integer.tensors[op.inputs[0]], integer.tensors[op.output]
        if isinstance(made, QConcat | QSlice | QMaxPool | QUpsample):
            tensors = [integer.tensors[name] for name in (*made.inputs, made.output)]
            assert len({(tensor.scale, tensor.zero_point) for tensor in tensors}) == 1, op.name
        if isinstance(op, FloatConv):
            weight, bias, scale = quantise_weights(op, x.scale)
            real = weight * scale[:, None, None, None], bias * scale * x.scale
            op = replace(op, weight=torch.tensor(real[0]), bias=torch.tensor(real[1]))
        expected = op.compute(*(_real(integer.tensors[n], values[n]) for n in op.inputs))
        expected = (expected / y.scale + y.zero_point).clamp(-128, 127)
        error = (torch.from_numpy(values[op.output]) - expected).abs().max().item()
        # The clamp's bounds are rounded to half a step, too.
        assert error <= 0.51, f"{op.name}: {error} steps"


def _real(tensor: QTensor, value: np.ndarray) -> torch.Tensor:
    return tensor.scale * (torch.from_numpy(value).double() - tensor.zero_point)
