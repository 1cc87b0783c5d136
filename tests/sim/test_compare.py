"""Comparison and the result that is reported."""

import numpy as np
import pytest

from resarray.sim.compare import compare
from resarray.spec.errors import ResarrayError

pytestmark = pytest.mark.verifies("simulation", by="unit")


def test_equal_and_different():
    expected = {"a": np.zeros((2, 3, 4, 5), np.int8), "b": np.ones((2, 1, 1, 1), np.int8)}
    got = {name: values.copy() for name, values in expected.items()}
    got["a"][1, 2, 0, 3] = 7
    got["a"][1, 2, 1, 0] = -1
    checks = compare(got, expected)
    assert checks["b"].mismatches == 0
    assert checks["a"].mismatches == 2
    assert checks["a"].describe() == (
        "a: 2 of 120 values differ, first at [image, c, h, w] = [1, 2, 0, 3]: expected 0, got 7"
    )


def test_stored_tensor_that_golden_lacks():
    with pytest.raises(ResarrayError, match="stored tensor 'x', which the golden model does not"):
        compare({"x": np.zeros((1, 1, 1, 1), np.int8)}, {})


def test_other_shape():
    with pytest.raises(ResarrayError, match=r"'x' has shape \[1, 1, 1, 1\].* \[1, 2, 1, 1\]"):
        compare({"x": np.zeros((1, 1, 1, 1), np.int8)}, {"x": np.zeros((1, 2, 1, 1), np.int8)})
