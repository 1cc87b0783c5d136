"""The fast reference equals the readable one on whole networks; `ops` has the operators alone."""

import numpy as np
import pytest

from resarray.golden import fast, reference

from .graphs import check_references, residual_network

pytestmark = pytest.mark.verifies("operators", by="unit")


@pytest.mark.parametrize("seed", range(6))
def test_network_with_residuals(seed):
    check_references(residual_network(seed))


def test_reference_notices_a_wrong_rounding():
    """The comparison can fail: one more bias step changes some output."""
    builder = residual_network(0)
    inputs = builder.inputs(2)
    expected = reference.run(builder.graph, inputs)
    builder.graph.ops[0].bias[:] += 400
    result = fast.run(builder.graph, inputs)
    assert any((result[name] != expected[name]).any() for name in expected)


def test_outputs_alone():
    """One that an operator reads is kept, the others are not."""
    builder = residual_network(1)
    builder.graph.outputs = (builder.graph.ops[-1].output, builder.graph.ops[0].output)
    inputs = builder.inputs(2)
    everything = fast.run(builder.graph, inputs)
    outputs = fast.run(builder.graph, inputs, keep_all=False)
    assert tuple(outputs) == builder.graph.outputs
    for name, value in outputs.items():
        np.testing.assert_array_equal(value, everything[name])
