"""Concatenation and slice of channels: the references move the same values."""

import numpy as np
import pytest

from resarray.golden import reference

from ..graphs import Builder, check_references

pytestmark = pytest.mark.verifies("operators", by="unit")


def test_concatenation_of_slices():
    builder = Builder(3, 5, 3, 4)
    first = builder.slice(0, 2)
    builder.head = "input"
    last = builder.slice(4, 1)
    builder.concat(last, "input", first, last)
    check_references(builder)
    x = builder.inputs(1)
    y = reference.run(builder.graph, x)[builder.graph.output]
    np.testing.assert_array_equal(y, x[:, [4, 0, 1, 2, 3, 4, 0, 1, 4]])
    assert builder.graph.ops[-1].inputs == ("slice1", "input", "slice0", "slice1")
    assert builder.graph.ops[-1].input == "slice1"
