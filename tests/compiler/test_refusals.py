"""Graphs that hardware cannot compute exactly are refused before anything is built from them."""

import dataclasses

import numpy as np
import pytest

from resarray.compiler.compile import compile_graph
from resarray.compiler.functional import run_image
from resarray.golden import fast
from resarray.spec.errors import ResarrayError
from resarray.spec.presets import preset

from .reference import Builder, mismatches

pytestmark = pytest.mark.verifies("compiler", by="unit")

CONFIG = preset("tiny")
INT32 = (1 << 31) - 1


def conv(zero_point: int = 0, equal: int = 127, **fields) -> Builder:
    """One convolution of 4 channels, all weights ``equal``."""
    b = Builder(1, (4, 3, 3))
    b.graph.tensors["x"] = dataclasses.replace(b.graph.tensors["x"], zero_point=zero_point)
    b.conv("x", 4, (1, 1), relu=False)
    op = b.graph.ops[0]
    fields = {"weight": np.full_like(op.weight, equal)} | fields
    b.graph.ops[0] = dataclasses.replace(op, **fields)
    return b


# x - zp reaches from -128 - zp to 127 - zp; four weights of 127.
EDGES = [
    (-128, 127, INT32 - 4 * 127 * 255, None),
    (-128, 127, INT32 - 4 * 127 * 255 + 1, "can reach 2147483648"),
    (127, 127, -INT32 - 1 + 4 * 127 * 255, None),
    (127, 127, -INT32 - 2 + 4 * 127 * 255, "can reach -2147483649"),
    (0, -127, INT32 - 4 * 127 * 128, None),
    (0, -127, INT32 - 4 * 127 * 128 + 1, "can reach 2147483648"),
]


@pytest.mark.parametrize("element", ["pair", "mac"])
@pytest.mark.parametrize("zero_point, weight, bias, message", EDGES)
def test_accumulator_plus_bias(zero_point, weight, bias, message, element):
    """Exact up to the last value that fits, refused from the next on."""
    b = conv(zero_point, weight, bias=np.full(4, bias, np.int64))
    config = dataclasses.replace(CONFIG, element=element)
    if message is not None:
        with pytest.raises(ResarrayError, match=f"accumulator plus bias {message}"):
            compile_graph(b.graph, config)
        return
    image = compile_graph(b.graph, config)
    for value in (-128, 127):
        x = np.full((1, 4, 3, 3), value, np.int8)
        values = {name: v[0] for name, v in fast.run(b.graph, x).items()}
        assert not mismatches(image, run_image(image, x), [values])


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"mult": np.full(4, 1 << 17)}, "a factor's mantissa is 131072, 0 to 131071 is allowed"),
        ({"mult": np.full(4, -1)}, "a factor's mantissa is -1"),
        ({"mult": np.full(4, 1.5)}, "mantissa is float64, integers are needed"),
        ({"shift": np.full(4, 64)}, "a factor's shift is 64, 0 to 63 is allowed"),
        ({"shift": np.zeros(3, int)}, r"shift has shape \[3\], \[4\] is needed"),
        ({"weight": np.full((4, 4, 1, 1), -128, np.int8)}, "a weight is -128"),
        ({"weight": np.ones((4, 4, 1, 1), np.int16)}, "weights are int16 of 4 dimensions"),
        ({"lo": 5, "hi": 4}, r"clamp \[5, 4\]"),
        ({"lo": -129}, r"clamp \[-129, 127\]"),
        ({"padding": (0, 16, 0, 0)}, "at most 15 on each of four sides"),
        ({"stride": (0, 1)}, r"stride \(0, 1\), 1 to 16 is allowed"),
        ({"stride": (1, 17)}, r"stride \(1, 17\), 1 to 16"),
        ({"dilation": (0, 1)}, r"dilation \(0, 1\), 1 to 127 is allowed"),
        ({"stride": (2, 1)}, r"declared as \[4, 3, 3\], its operands give \[4, 2, 3\]"),
        ({"residual": "x", "res_mult": 1 << 17}, "a residual factor's mantissa is 131072"),
        ({"residual": "x", "res_shift": 64}, "a residual factor's shift is 64"),
        ({"residual": "y"}, "tensor 'y' is not in the graph"),
        ({"bias": np.full(4, np.nan)}, "bias is float64, integers are needed"),
        ({"weight": np.ones((4, 4, 0, 1), np.int8)}, r"weights of \[4, 4, 0, 1\] are empty"),
    ],
)
def test_values_that_no_field_holds(fields, message):
    with pytest.raises(ResarrayError, match=message):
        compile_graph(conv(**fields).graph, CONFIG)


def test_a_residual_of_another_shape():
    b = Builder(2, (4, 3, 3))
    y = b.conv("x", 4, (1, 1), (2, 2))
    b.add(y, y)
    b.graph.ops[1] = dataclasses.replace(b.graph.ops[1], residual="x")
    with pytest.raises(ResarrayError, match=r"adds a tensor of \[4, 3, 3\] to one of \[4, 2, 2\]"):
        compile_graph(b.graph, CONFIG)


@pytest.mark.parametrize(
    "fields, what",
    [
        ({"kernel": (2, 4)}, r"kernel \(2, 4\), 1 to 3"),
        ({"stride": (4, 2)}, r"stride \(4, 2\), 1 to 3"),
        ({"padding": (0, 2, 0, 0)}, "less than the kernel"),
        ({"padding": (0, 0, 2, 0)}, "less than the kernel"),
        ({"padding": (0, 0, 0, -1)}, "less than the kernel"),
    ],
)
def test_pools_that_the_stage_does_not_know(fields, what):
    b = Builder(3, (4, 8, 8))
    b.max_pool("x", 2, 0)
    b.graph.ops[0] = dataclasses.replace(b.graph.ops[0], **fields)
    with pytest.raises(ResarrayError, match=what):
        compile_graph(b.graph, CONFIG)


def test_an_average_of_more_pixels_than_its_sum_holds():
    b = Builder(4, (1, 1024, 1024))
    b.average("x")
    with pytest.raises(ResarrayError, match="1024x1024 pixels, at most 1048575 are allowed"):
        compile_graph(b.graph, CONFIG)


def test_more_layers_than_profile_records():
    """Refused when compiling, not after the simulation; one fewer compiles."""
    b = Builder(5, (4, 2, 2))
    x = "x"
    for _ in range(CONFIG.profile_marks):
        x = b.conv(x, 4, (1, 1))
    compile_graph(b.graph, CONFIG)
    b.conv(x, 4, (1, 1))
    with pytest.raises(ResarrayError, match=r"has 65 layers, configuration 'tiny' profiles 64"):
        compile_graph(b.graph, CONFIG)


def test_graphs_that_do_not_hang_together():
    b = Builder(6, (4, 8, 8))
    b.conv(b.max_pool(b.conv("x", 4, (3, 3)), 2, 0), 4, (1, 1))
    ops = b.graph.ops
    same = dataclasses.replace(b.graph, ops=[*ops[:2], dataclasses.replace(ops[2], name="pool1")])
    for graph, message in (
        (same, "layer 'pool1': another operator has the same name"),
        (
            dataclasses.replace(b.graph, outputs=(ops[0].output, "x")),
            "no operator makes its output 'x'",
        ),
        (dataclasses.replace(b.graph, ops=ops[::-1]), "nothing before it makes its operand"),
        (
            dataclasses.replace(b.graph, ops=[*ops, dataclasses.replace(ops[0], name="again")]),
            "is there already",
        ),
    ):
        with pytest.raises(ResarrayError, match=message):
            compile_graph(graph, CONFIG)
    b = Builder(7, (4, 3, 3))
    b.add("x", "x")
    b.graph.ops[0] = dataclasses.replace(b.graph.ops[0], residual=None)
    with pytest.raises(ResarrayError, match="it has no second operand"):
        compile_graph(b.graph, CONFIG)
