"""The digest of an integer graph."""

import copy
import os
import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest

from resarray.golden.graph import QGraph, digest
from resarray.golden.ops import (
    QAdd,
    QConcat,
    QConstant,
    QConv,
    QFunction,
    QGlobalAvgPool,
    QMaxPool,
    QMultiply,
    QSlice,
    QTensor,
    QUpsample,
)

pytestmark = pytest.mark.verifies("operators", by="unit")


def graph() -> QGraph:
    """One operator of each kind; built anew, it must have the same digest."""
    ones = np.arange(16, dtype=np.int8).reshape(4, 4, 1, 1)
    ops = [
        QConv("a", "x", "y", ones, np.arange(4, dtype=np.int32), np.arange(4), np.arange(8)),
        QMaxPool("b", "y", "z", (3, 3), (2, 2), (1, 1, 1, 1)),
        QAdd("c", "y", "y", "w", 5, 6, 7, 8),
        QGlobalAvgPool("d", "w", "v", 9, 10),
        QFunction("e", "v", "u", np.arange(256).astype(np.int8)),
        QMultiply("f", "u", "v", "t", 11, 12, 13, 14),
        QConcat("g", "s", ("t", "t")),
        QSlice("h", "s", "r", 4),
        QConstant("i", "x", "q", np.arange(4).astype(np.int8)),
        QUpsample("j", "r", "p", (2, 3)),
    ]
    tensors = {name: QTensor(name, (4, 8, 8), 0.1, -3) for name in "xyzwvutsrqp"}
    return QGraph("net", "x", ("v",), tensors, ops)


def other(value):
    """Something else of the same type."""
    if isinstance(value, np.ndarray):
        value = value.copy()
        value.reshape(-1)[-1] += 1
        return value
    if isinstance(value, tuple):
        return (*value[:-1], other(value[-1]))
    if isinstance(value, float):
        return float(np.nextafter(value, 1))
    return f"{value}x" if isinstance(value, str) or value is None else value + 1


def test_equal_graphs_have_equal_digests():
    first, second = graph(), copy.deepcopy(graph())
    conv = second.ops[0]
    # Other widths, other layouts in memory, numpy's scalars: the same numbers.
    second.ops[0] = replace(
        conv, weight=np.asfortranarray(conv.weight), bias=conv.bias.astype(">i4"), lo=np.int64(-128)
    )
    second.name = "as it is called elsewhere"
    assert digest(first) == digest(second)


@pytest.mark.parametrize("number", range(9))
def test_every_field_of_every_operator_counts(number):
    known = digest(graph())
    for field in fields(graph().ops[number]):
        changed = graph()
        op = changed.ops[number]
        changed.ops[number] = replace(op, **{field.name: other(getattr(op, field.name))})
        found = digest(changed)
        assert found["graph"] != known["graph"], field.name
        assert (found["weights"] != known["weights"]) == (field.name == "weight"), field.name
        structural = field.name in (
            "name",
            "input",
            "output",
            "stride",
            "dilation",
            "ceil",
            "padding",
            "residual",
            "groups",
            "kernel",
            "op",
            "factor",
            "operands",
            "first",
        )
        assert (found["structure"] != known["structure"]) == structural, field.name


def test_tensors_and_order_count():
    known = digest(graph())["graph"]
    for field in fields(QTensor):
        changed = graph()
        tensor = changed.tensors["y"]
        changed.tensors["y"] = replace(tensor, **{field.name: other(getattr(tensor, field.name))})
        assert digest(changed)["graph"] != known, field.name
    changed = graph()
    changed.ops.reverse()
    assert digest(changed)["graph"] != known
    changed = graph()
    changed.outputs = ("w",)
    assert digest(changed)["graph"] != known


def test_every_process_finds_the_same_digest():
    """Python gives each its own order of sets."""
    code = f"from {__name__} import graph; from resarray.golden.graph import digest\n"
    code += "print(digest(graph()))"
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
        assert run.stdout.decode().strip() == str(digest(graph())), run.stderr.decode()
