"""ONNX's own cases of the operators that are read: each gives its answer, or is refused by name.

``RESARRAY_ONNX_CASES=1 python -m tests.golden.importers.test_onnx_cases`` prints the table of
docs/onnx.md.
"""

import os
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch

from resarray.golden import fast, reference
from resarray.golden.float_graph import FloatGraph, run_float
from resarray.golden.importers.files import open_file
from resarray.golden.passes import simplify
from resarray.golden.quantise import quantise
from resarray.spec.errors import ResarrayError

onnx = pytest.importorskip("onnx", reason="no onnx: install the extra [onnx]")

from resarray.golden.importers.onnx_graph.operators import READERS  # noqa: E402

from .onnx_cases import Case, collected, networks  # noqa: E402

pytestmark = pytest.mark.verifies("front-ends", by="unit")

DOCS = Path(__file__).parents[3] / "docs" / "onnx.md"
# Values of all tensors up to which both references are compared: one of them is loops in Python.
SMALL = 500


# Whose cases take seconds to make, of maps with three dimensions; `test_onnx` has random ones.
SLOW = {"AveragePool", "MaxPool"}
TESTED = set(READERS) - (set() if "RESARRAY_ONNX_CASES" in os.environ else SLOW)


@cache
def outcomes() -> dict[str, tuple[str, str]]:
    """Case -> its operator, and why it is refused, or "" where it runs."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "case.onnx"
        return {
            network.name: (network.operator, outcome(network, path))
            for case in collected(TESTED)
            for network in networks(case)
        }


def outcome(case: Case, path: Path) -> str:
    """Why it is refused; "": it runs, and answers what it should."""
    path.write_bytes(case.model.SerializeToString())
    try:
        graph = open_file(path).read(case.images.shape[1:])
        simple = simplify(graph)
    except ResarrayError as error:
        return str(error)
    images = torch.from_numpy(case.images.astype(np.float32))
    for each in (graph, simple):
        for found, expected in zip(answers(each, images), case.expected, strict=True):
            check_same(case, found, expected)
    check_integers(simple, images)
    return ""


def answers(graph: FloatGraph, images: torch.Tensor) -> Iterator[np.ndarray]:
    found: dict[str, torch.Tensor] = {}
    run_float(graph, images, lambda name, value: found.update({name: value}))
    return (found[name].numpy() for name in graph.outputs)


def check_same(case: Case, found: np.ndarray, expected: np.ndarray) -> None:
    if expected.dtype in (np.int8, np.uint8):  # of QuantizeLinear: the numbers that they stand for
        scale, zero_point = (
            onnx.numpy_helper.to_array(each) for each in case.model.graph.initializer[:2]
        )
        expected = (expected.astype(np.float32) - zero_point) * scale
    expected = expected.astype(np.float32).reshape(found.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5, err_msg=case.name)


def check_integers(graph: FloatGraph, images: torch.Tensor) -> None:
    """Both references of the integer network, where they are quick and its numbers are finite."""
    values: list[torch.Tensor] = []
    run_float(graph, images, lambda _, value: values.append(value))
    if sum(value[0].numel() for value in values) > SMALL:
        return
    if not all(value.isfinite().all() for value in values):
        return
    integers = quantise(graph, images)
    rng = np.random.default_rng(0)
    x = rng.integers(-128, 128, (1, *graph.shape)).astype(np.int8)
    slow = reference.run(integers, x)
    for name, value in fast.run(integers, x).items():
        np.testing.assert_array_equal(slow[name], value, err_msg=name)


def test_every_case_runs_or_is_refused_by_name():
    for name, (operator, why) in outcomes().items():
        assert not why or len(why) > 40, (name, why)
        if why and "model '" in why and "node '" in why:
            assert f"operator {operator}" in why or "'" in why, (name, why)


# Operators of which every case is of three dimensions, of other types than floats or refused for a
# reason of its own: their tests are in test_onnx.
ELSEWHERE = {
    *(
        "Cast",
        "CastLike",
        "Concat",
        "DequantizeLinear",
        "Expand",
        "Mish",
        "Pad",
        "QuantizeLinear",
        "ReduceMax",
    ),
    *("ReduceMean", "ReduceSum", "Reshape", "Shape", "Slice", "Transpose"),
}


def test_every_other_operator_runs():
    run = {operator for operator, why in outcomes().values() if not why}
    assert TESTED - run == ELSEWHERE


def table() -> list[str]:
    """Rows of docs/onnx.md."""
    run = Counter(operator for operator, why in outcomes().values() if not why)
    refused = Counter(operator for operator, why in outcomes().values() if why)
    return [f"| {name} | {run[name]} | {refused[name]} |" for name in sorted(TESTED)]


def test_the_table_in_the_docs():
    text = DOCS.read_text()
    if f"onnx {onnx.__version__}" not in text:
        pytest.skip(f"the table is of another version than {onnx.__version__}")
    lines = text.splitlines()
    assert [row for row in table() if row not in lines] == []


if __name__ == "__main__":
    print("\n".join(table()))
