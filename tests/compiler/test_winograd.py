"""Winograd's tiles in the compiler: which layers have them, and that they are exact."""

from dataclasses import replace

import numpy as np
import pytest

from resarray.compiler.compile import compile_graph
from resarray.compiler.functional import ScheduleError, run_image
from resarray.compiler.placement import complete
from resarray.golden import fast
from resarray.spec import isa, winograd
from resarray.spec.config import PRESETS, Config
from resarray.spec.isa import Engine
from resarray.spec.layout import from_dict
from resarray.spec.presets import preset
from resarray.verification.fuzz import cases

from .reference import Builder
from .test_checks import instructions, run

pytestmark = pytest.mark.verifies("compiler", by="unit")

TINY = preset("tiny")
CONFIGS = {
    "tiny": TINY,
    "mac": replace(TINY, name="mac", element="mac"),
    "small": preset("small"),
    "wide": Config(name="wide", rows=16, columns=16, lanes=1, input_words=4096),
}


def methods(image) -> list[str]:
    return [layer["method"] for layer in image.manifest["layers"]]


def mismatches(b: Builder, config: Config, x: np.ndarray) -> int:
    """Values of all tensors in which the functional model differs from the golden one."""
    with cases.tiled():
        image = compile_graph(b.graph, config, batch=len(x))
    assert any(method == "Winograd" for method in methods(image)), methods(image)
    golden = complete(b.graph, config, fast.run(b.graph, x))
    memory = run_image(image, x)
    wrong = 0
    for entry in image.manifest["tensors"]:
        layout = from_dict(entry["layout"])
        found = layout.unpack(memory[entry["addr"] : entry["addr"] + layout.size].view(np.int8))
        wrong += int((found != golden[entry["name"]][entry["image"]]).sum())
    return wrong


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("width", range(3, 12))
def test_every_width(name, width):
    """Of rows, and with it how many outputs the last tile of a row has."""
    config = CONFIGS[name]
    b = Builder(width, (2 * config.rows, 5, width), "net")
    b.conv("x", config.columns + 1, (3, 3), padding=(1, 1, 1, 1))
    x = np.stack([b.input(), b.input()])
    assert mismatches(b, config, x) == 0


@pytest.mark.parametrize("kernel, stride", [((1, 3), 1), ((5, 3), 1), ((3, 3), 2), ((2, 3), 3)])
@pytest.mark.parametrize("padding", [(0, 0, 0, 0), (1, 0, 2, 1), (0, 2, 0, 15)])
def test_heights_strides_and_padding(kernel, stride, padding):
    b = Builder(1, (8, 11, 9), "net")
    b.conv("x", 8, kernel, (stride, 1), padding)
    assert mismatches(b, TINY, b.input()[None]) == 0


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("sign", [-1, 1])
def test_extremes(name, sign):
    """Activations and weights at their ends, signs as the transforms' largest sums want them."""
    config = CONFIGS[name]
    b = Builder(3, (4 * config.rows, 6, 14), "net")
    b.conv("x", config.columns, (3, 3), padding=(1, 1, 1, 1))
    op = b.graph.ops[0]
    rng = np.random.default_rng(3)
    for pattern in ([1, -1, 1], [1, 1, 1], [1, -1, -1], None):
        signs = rng.choice([-1, 1], op.weight.shape) if pattern is None else np.array(pattern)
        op.weight[:] = np.broadcast_to(127 * sign * signs, op.weight.shape)
        x = b.input()
        x[:] = np.where(np.arange(x.shape[2]) % 2, -128, 127)
        x[:, ::2] = rng.choice([-128, 127], x[:, ::2].shape)
        assert mismatches(b, config, x[None]) == 0


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_layer_beyond_the_bound_is_direct_and_says_so(sign):
    b = Builder(4, (8, 12, 16), "net")
    b.conv("x", 8, (3, 3), padding=(1, 1, 1, 1))
    op = b.graph.ops[0]
    zero = b.graph.tensors["x"].zero_point
    # The furthest sum on this side: each product has the sign.
    weight = sign * op.weight[0].astype(int)
    most = np.maximum(weight, 0).sum() * (127 - zero)
    most -= np.minimum(weight, 0).sum() * (128 + zero)
    limit = 1 << (winograd.SUM_BITS - 1)
    last = limit - 1 if sign > 0 else -limit
    beyond = f"direct: sums to {last + sign} exceed 29 bits"
    for over, expected in ((0, "Winograd"), (1, beyond)):
        op.bias[0] = last - sign * most + sign * over
        with cases.tiled():
            image = compile_graph(b.graph, TINY)
        assert methods(image) == [expected]
        x = b.input()[None]
        golden = fast.run(b.graph, x)
        entry = image.manifest["tensors"][0]
        layout = from_dict(entry["layout"])
        memory = run_image(image, x)[entry["addr"] : entry["addr"] + layout.size]
        assert (layout.unpack(memory.view(np.int8)) == golden[entry["name"]][0]).all()


def test_the_cheaper_method_is_taken():
    """A long row has tiles, a few pixels have none, and nobody has against the user's will or on a
    core without."""
    b = Builder(5, (16, 16, 64), "net")
    y = b.conv("x", 16, (3, 3), padding=(1, 1, 1, 1))
    b.conv(y, 16, (3, 3), (1, 16), padding=(1, 1, 1, 1))
    config = preset("small")
    assert methods(compile_graph(b.graph, config)) == ["Winograd", "direct"]
    assert methods(compile_graph(b.graph, config, winograd=False)) == ["direct", "direct"]
    without = replace(config, name="without", winograd=False)
    assert methods(compile_graph(b.graph, without)) == ["direct", "direct"]
    assert without.hash != config.hash
    b = Builder(6, (64, 3, 3), "net")
    b.conv("x", 64, (3, 3), padding=(1, 1, 1, 1))
    assert methods(compile_graph(b.graph, config)) == ["direct: fewer cycles"]


def test_a_row_that_only_fits_as_pixels_is_direct():
    """Nine pixels are three tiles, 18 accumulators; a pool needs the whole row."""
    b = Builder(8, (4, 9, 9), "net")
    b.max_pool(b.conv("x", 4, (3, 3), padding=(1, 1, 1, 1)), 2)
    with cases.tiled():
        image = compile_graph(b.graph, replace(TINY, name="short", acc_depth=16))
    assert methods(image) == ["direct: no room for a row of tiles"]


def test_tiles_are_never_slower():
    """By the prediction, a program with tiles is never slower than that without."""
    for seed in range(12):
        b = Builder(seed, (8, 3 + 2 * seed, 5 + 3 * seed), "net")
        y = b.conv("x", 8 + 4 * seed, (3, 3), padding=(1, 1, 1, 1))
        b.conv(y, 16, (1, 3), padding=(0, 0, 1, 1))
        for name in PRESETS:
            config = preset(name)
            cycles = [
                sum(layer["predicted_cycles"] for layer in image.manifest["layers"])
                for image in (compile_graph(b.graph, config, winograd=w) for w in (True, False))
            ]
            assert cycles[0] <= cycles[1], (seed, name)


@pytest.fixture(scope="module")
def image():
    b = Builder(7, (4, 6, 6), "net")
    b.conv("x", 4, (3, 3), padding=(1, 1, 1, 1))
    with cases.tiled():
        return compile_graph(b.graph, TINY)


@pytest.mark.parametrize(
    "engine, change, message",
    [
        (Engine.DRAIN, {"width": 7}, "not sure to be loaded"),
        (Engine.DRAIN, {"width": 5}, "output FIFO"),
        (Engine.DRAIN, {"winograd": 0}, "pixels are not"),
        (Engine.COMPUTE, {"n_k2": 2, "k_tiles": 6}, "third k loop"),
        (Engine.COMPUTE, {"s_m2": 4}, "third k loop"),
        (Engine.COMPUTE, {"base": 1}, "between words"),
        (Engine.COMPUTE, {"winograd": 0}, "of tiles as pixels"),
    ],
)
def test_broken_programs_are_found(image, engine, change, message):
    program = instructions(image)
    run(image, program)
    for other, fields in program:
        if other == engine:
            fields.update(change)
    with pytest.raises(ScheduleError, match=message):
        run(image, program)


def test_tiles_on_a_core_without(image):
    config = replace(TINY, name="without", winograd=False)
    with pytest.raises(ScheduleError, match="that are not there"):
        run(image, instructions(image), config)


def test_the_last_instructions_bit_is_the_flag():
    """Programs of pixels have the same bits with and without the new flag's place."""
    for engine in (Engine.COMPUTE, Engine.DRAIN):
        assert isa.LAYOUTS[engine][-1].name == "winograd"
