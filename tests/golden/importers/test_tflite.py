"""Networks from TFLite files: LiteRT's answers and ours, the RTL, and what is refused."""

import os

import numpy as np
import pytest
import torch

pytest.importorskip("tflite", reason="no package tflite: pip install -e '.[tflite]'")
pytest.importorskip("ai_edge_litert", reason="no package ai-edge-litert: pip install -e '.[dev]'")

from resarray.cli.main import run as run_command
from resarray.golden.float_graph import run_float
from resarray.golden.importer import import_model
from resarray.golden.importers.files import open_file
from resarray.golden.inspection import operators
from resarray.golden.models import load_model
from resarray.golden.passes import simplify
from resarray.golden.pipeline import build_network
from resarray.spec.errors import ResarrayError
from tests.golden.shared import SHARED_DATA, needs

from .tflite_networks import written
from .tflite_writer import RELU, SAME, VALID, Writer, difference, load, run, run_litert, schema

pytestmark = pytest.mark.verifies("front-ends", by="unit")

# Images of the trained network: docs/models.md has the figures of 500.
IMAGES = int(os.environ.get("RESARRAY_TFLITE_IMAGES", "40"))


@needs("resnet20-12fca82f.th", "cifar10_test_jpeg.npz", "cifar10_train_jpeg.npz")
def test_a_trained_resnet_answers_as_litert_does(tmp_path):
    """ResNet-20 on CIFAR-10: shortcuts by STRIDED_SLICE and PAD, strides behind PAD."""
    test, train = (str(SHARED_DATA / f"cifar10_{part}_jpeg.npz") for part in ("test", "train"))
    weights = str(SHARED_DATA / "resnet20-12fca82f.th")
    network = build_network("resnet20", weights, train, count=64)
    raw = written(network.float_graph, network.inputs(network.images(network.indices)))
    path = tmp_path / "resnet20.tflite"
    path.write_bytes(raw)
    read = build_network(str(path), images=test, count=IMAGES, mean=network.mean, std=network.std)
    assert not read.warnings
    images = read.images(read.indices)
    x = read.quantise(images).transpose(0, 2, 3, 1)
    ours, theirs = run(read.graph, x)[0].reshape(len(x), -1), run_litert(raw, x)[0]
    steps, same = np.abs(ours.astype(int) - theirs).max(), ours.argmax(1) == theirs.argmax(1)
    print(f"{len(x)} images: {same.mean():.2%} the same class, at most {steps} steps")
    print(*(f"{(y.argmax(1) == images.labels).mean():.2%} right" for y in (ours, theirs)))
    assert steps <= 3
    assert same.mean() >= (0.99 if len(x) >= 500 else 0.95)


def test_a_network_on_the_rtl(tmp_path, monkeypatch, capsys):
    """From the file to every tensor of it, with a softmax at the end."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resnet8.tflite").write_bytes(small_resnet())
    np.save("x.npy", np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype(np.float32))
    options = ["--images", "x.npy", "--preset", "tiny", "--json", "a.json"]
    assert run_command(["sim", "--model", "resnet8.tflite", *options]) == 0
    said = " ".join("".join(capsys.readouterr()).split())
    assert "SOFTMAX at its end is left out" in said


def small_resnet() -> bytes:
    torch.manual_seed(0)
    graph = import_model(load_model("resnet8").eval(), (3, 8, 8), "resnet8")
    return written(graph, torch.randn(8, 3, 8, 8), softmax=True)


# -- forms of a file -----------------------------------------------------------------------------


def network(kind=np.int8, **weights) -> tuple[Writer, int]:
    """A writer behind a convolution of an input [1, 6, 6, 3]; ``weights``: how they are made."""
    rng = np.random.default_rng(0)
    writer = Writer()
    quantised = kind != np.float32
    scale = 0.05 if quantised else None
    x = writer.tensor((1, 6, 6, 3), scale, 3, kind=kind, name="x")
    if quantised:
        values = rng.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8)
        bias = rng.integers(-500, 500, 4).astype(np.int32)
    else:
        values = rng.normal(size=(4, 3, 3, 3)).astype(np.float32)
        bias = rng.normal(size=4).astype(np.float32)
    given = {"scale": 0.004 if quantised else None, "zero_point": 0, "data": values} | weights
    weight = writer.tensor(given["data"].shape, name="w", **given)
    y = writer.tensor((1, 6, 6, 4), scale and 0.04, 0, kind=kind, name="conv/Conv2D;conv/Relu")
    inputs = (x, weight, writer.tensor((4,), scale and 0.0002, data=bias))
    return writer, writer.operator("CONV_2D", inputs, (y,), convolution(padding=SAME))


def convolution(**options):
    fields = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    return schema.Conv2DOptionsT(**fields | {"fusedActivationFunction": RELU} | options)


def images(count=4, shape=(6, 6, 3), seed=1):
    return np.random.default_rng(seed).integers(-128, 128, (count, *shape)).astype(np.int8)


def test_layers_are_called_as_their_first_tensor(tmp_path):
    writer, y = network()
    graph = load(tmp_path / "a.tflite", writer.finish((y,)))
    assert [op.name for op in graph.ops] == ["conv/Conv2D"]


def test_scales_of_the_file_hold(tmp_path):
    writer, y = network()
    graph = load(tmp_path / "a.tflite", writer.finish((y,)), torch.randn(4, 3, 6, 6))
    found = {name: (tensor.scale, tensor.zero_point) for name, tensor in graph.tensors.items()}
    scales = [float(np.float32(scale)) for scale in (0.05, 0.04)]
    assert found == {"input": (scales[0], 3), "conv/Conv2D": (scales[1], 0)}


@pytest.mark.parametrize("kind", [np.float32, np.uint8])
def test_quantise_and_dequantise_at_the_ends(tmp_path, kind):
    """The network inside is the same; LiteRT gets and gives the other type."""
    writer = Writer()
    shape, scale = (1, 6, 6, 3), None if kind == np.float32 else 0.05
    x = writer.tensor(shape, scale, 131, kind=kind)
    inside = writer.operator(
        "QUANTIZE", (x,), (writer.tensor(shape, 0.05, 3),), schema.QuantizeOptionsT()
    )
    pooled = writer.tensor((1, 3, 3, 3), 0.05, 3)
    options = schema.Pool2DOptionsT(
        padding=VALID, filterHeight=2, filterWidth=2, strideH=2, strideW=2
    )
    writer.operator("MAX_POOL_2D", (inside,), (pooled,), options)
    relu = writer.operator("RELU", (pooled,), (writer.tensor((1, 3, 3, 3), 0.05, 3),))
    if kind == np.float32:
        y = writer.tensor((1, 3, 3, 3), kind=kind)
        writer.operator("DEQUANTIZE", (relu,), (y,), schema.DequantizeOptionsT())
    else:
        y = writer.tensor((1, 3, 3, 3), 0.05, 131, kind=kind)
        writer.operator("QUANTIZE", (relu,), (y,), schema.QuantizeOptionsT())
    raw = writer.finish((y,))
    graph = load(tmp_path / "a.tflite", raw)
    q = images()
    given = (q.astype(np.float32) - 3) * 0.05 if kind == np.float32 else (q ^ -128).view(np.uint8)
    ours, theirs = run(graph, q)[0].astype(int), run_litert(raw, given)[0]
    real = (ours - 3) * 0.05 if kind == np.float32 else ours + 128
    np.testing.assert_allclose(theirs.astype(float), real, atol=1e-6)


@pytest.mark.parametrize("half", [False, True])
def test_a_network_of_floats(tmp_path, half):
    """Also with weights of float16, which DEQUANTIZE makes floats."""
    writer, y = network(np.float32)
    if half:
        weight = writer.operators[0].inputs[1]
        data = np.random.default_rng(2).normal(size=(4, 3, 3, 3)).astype(np.float16)
        source = writer.tensor(data.shape, data=data)
        writer.tensors[weight].buffer = 0
        writer.operator("DEQUANTIZE", (source,), (weight,), schema.DequantizeOptionsT())
        for made in (writer.operators, writer.codes):
            made.reverse()
        for number, operator in enumerate(writer.operators):
            operator.opcodeIndex = number
    flat = writer.tensor((1, 144), kind=np.float32)
    writer.operator("RESHAPE", (y, writer.integers([1, 144])), (flat,), schema.ReshapeOptionsT())
    weight = np.random.default_rng(3).normal(size=(5, 144)).astype(np.float32)
    numbers = flat, writer.tensor(weight.shape, data=weight)
    out = writer.tensor((1, 5), kind=np.float32)
    writer.operator("FULLY_CONNECTED", (*numbers, -1), (out,), schema.FullyConnectedOptionsT())
    raw = writer.finish((out,))
    path = tmp_path / "a.tflite"
    path.write_bytes(raw)
    graph = simplify(open_file(path).read((3, 6, 6)))
    assert not graph.scales
    x = np.random.default_rng(4).normal(size=(3, 6, 6, 3)).astype(np.float32)
    ours = run_float(graph, torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))
    np.testing.assert_allclose(ours[:, :, 0, 0], run_litert(raw, x)[0], rtol=1e-3, atol=1e-4)


def test_a_flat_input_that_becomes_a_map(tmp_path):
    """As of spectra that a network reshapes first."""
    writer = Writer()
    x = writer.tensor((1, 12), 0.05, 3)
    shape = (1, 4, 3, 1)
    options = schema.ReshapeOptionsT()
    reshaped = writer.tensor(shape, 0.05, 3)
    writer.operator("RESHAPE", (x, writer.integers(shape)), (reshaped,), options)
    y = writer.operator("LOGISTIC", (reshaped,), (writer.tensor(shape, 1 / 256, -128),))
    raw = writer.finish((y,))
    graph = load(tmp_path / "a.tflite", raw)
    assert graph.tensors["input"].shape == (1, 4, 3)
    assert difference(graph, raw, images(shape=(4, 3, 1))) <= 1


def test_a_difference_whose_second_map_begins_at_zero(tmp_path):
    """Its negative has the zero point 127, and its lowest value is still there."""
    writer = Writer()
    shape, options = (1, 6, 6, 3), schema.SubOptionsT()
    x = writer.tensor(shape, 0.05, -128)
    second = writer.operator("RELU", (x,), (writer.tensor(shape, 0.05, -128),))
    y = writer.operator("SUB", (x, second), (writer.tensor(shape, 0.1, 0),), options)
    raw = writer.finish((y, second))
    assert difference(load(tmp_path / "a.tflite", raw), raw, images()) <= 1


def test_several_outputs(tmp_path):
    writer, y = network()
    second = writer.operator("RELU6", (y,), (writer.tensor((1, 6, 6, 4), 0.04, 0),))
    raw = writer.finish((second, y))
    assert difference(load(tmp_path / "a.tflite", raw), raw, images()) <= 1


@pytest.mark.parametrize(("scale", "std"), [(1.0, 0.00392157), (1 / 255, 1.0)])
def test_pixels_less_128(tmp_path, scale, std):
    """As MLPerf Tiny's networks take them; with the numbers that docs/network.md gives."""
    writer, y = network()
    made = writer.tensors[0].quantization
    made.scale, made.zeroPoint = np.array([scale], np.float32), np.array([-128])
    (tmp_path / "a.tflite").write_bytes(writer.finish((y,)))
    pixels = np.arange(256, dtype=np.uint8)[:108].reshape(1, 6, 6, 3)
    pixels = np.concatenate([pixels, 255 - pixels])
    np.save(tmp_path / "x.npy", pixels)
    model, given = str(tmp_path / "a.tflite"), str(tmp_path / "x.npy")
    read = build_network(model, images=given, mean=0.0, std=std)
    x = read.quantise(read.images(read.indices))
    np.testing.assert_array_equal(x.transpose(0, 2, 3, 1), pixels.astype(int) - 128)


# -- what is refused -----------------------------------------------------------------------------


def _behind(operator, options=None, shape=(1, 6, 6, 4), operands=(), **tensor):
    """One more operator behind the convolution."""

    def make():
        writer, y = network()
        given = {"scale": 0.04, "zero_point": 0} | tensor
        made = writer.tensor(shape, name="last", **given)
        inputs = (y, *(writer.integers(values) for values in operands))
        custom = "Mine" if operator == "CUSTOM" else None
        return writer.finish((writer.operator(operator, inputs, (made,), options, custom),))

    return make


def _weights(**how):
    def make():
        writer, y = network(**how)
        return writer.finish((y,))

    return make


def _edited(edit):
    def make():
        writer, y = network()
        edit(writer)
        return writer.finish((y,))

    return make


def _two_inputs():
    writer, y = network()
    return writer.finish((y,), inputs=(0, writer.tensor((1, 2), 0.1)))


def _graphs():
    writer, y = network()
    return writer.finish((y,), graphs=2)


def _input(shape):
    def edit(writer):
        writer.tensors[0].shapeSignature = np.array(shape, np.int32)

    return edit


def _sparse(writer):
    writer.tensors[1].sparsity = schema.SparsityParametersT()


def _unscaled(writer):
    writer.tensors[2].quantization = None


def _cycle(writer):
    (operator,) = writer.operators
    operator.inputs[0] = operator.outputs[0]


def _shape(shape):
    def edit(writer):
        writer.tensors[0].shape = np.array(shape, np.int32)

    return edit


def _softmax_inside():
    writer, y = network()
    soft = writer.tensor((1, 6, 6, 4), 1 / 256, -128)
    writer.operator("SOFTMAX", (y,), (soft,), schema.SoftmaxOptionsT(beta=1.0))
    made = writer.tensor((1, 6, 6, 4), 1 / 256, -128)
    return writer.finish((writer.operator("LOGISTIC", (soft,), (made,)),))


HUGE = 1 << 30
REFUSALS = {
    "huge padding": (
        _behind(
            "PAD",
            schema.PadOptionsT(),
            (1, 6, 6, HUGE),
            operands=([[0, 0], [0, 0], [0, 0], [0, HUGE]],),
        ),
        f"its result [{HUGE + 4}, 6, 6]: at most 16384 channels",
    ),
    "large sizes": (
        _behind(
            "RESIZE_NEAREST_NEIGHBOR",
            schema.ResizeNearestNeighborOptionsT(),
            (1, 1200, 6, 4),
            operands=([1200, 6],),
        ),
        "its result [4, 1200, 6]: at most 16384 channels, 1023 rows and columns",
    ),
    "huge input": (
        _edited(_shape([1, HUGE, HUGE, 3])),
        f"has the shape [1, {HUGE}, {HUGE}, 3]: at most 1023 rows",
    ),
    "many dimensions": (_edited(_shape([1] * 9)), "it is damaged: a list of 9 numbers, at most 8"),
    "cycle": (_edited(_cycle), "its operand 0, 'conv/Conv2D;conv/Relu', must be computed"),
    "uint8 weights": (
        _weights(data=np.full((4, 3, 3, 3), 7, np.uint8), zero_point=3),
        "weights 'w' are uint8, with a zero point: convert the network to int8",
    ),
    "hybrid": (
        _weights(data=np.ones((4, 3, 3, 3), np.float32), scale=None),
        "'w' is float32 where maps are quantised",
    ),
    "weights with a zero point": (_weights(zero_point=1), "weights 'w' have a zero point"),
    "scales along another dimension": (
        _weights(scale=[0.1] * 3, axis=3),
        "weights 'w' have 3 scales along dimension 3: one, or one for each of 4",
    ),
    "weights without a scale": (_weights(scale=None), "weights 'w' are int8 and have no scale"),
    "int16": (_behind("TANH", kind=np.int16), "tensor 'last' is int16: int8, uint8 and float32"),
    "no scale": (_edited(_unscaled), "is quantised and has no scale"),
    "sparse": (_edited(_sparse), "tensor 'w' is sparse: convert the network with dense weights"),
    "two inputs": (_two_inputs, "it takes 2 inputs: 1 is supported"),
    "several graphs": (_graphs, "it has 2 graphs: a network with one is supported"),
    "any size": (_edited(_input([1, -1, -1, 3])), "which is not fixed: convert the network for"),
    "custom": (_behind("CUSTOM"), "operator CUSTOM 'Mine': not supported; supported are: CONV_2D"),
    "other": (_behind("COS"), "node 'last', operator COS: not supported"),
    "options": (_behind("LEAKY_RELU"), "its options are missing, or not LeakyReluOptions"),
    "softmax in front of a sigmoid": (
        _softmax_inside,
        "operator SOFTMAX: only at the end of the network",
    ),
    "softmax of negatives": (
        _behind("SOFTMAX", schema.SoftmaxOptionsT(beta=-1.0)),
        "operator SOFTMAX: only at the end of the network",
    ),
    "fused": (
        _edited(lambda w: setattr(w.operators[0].builtinOptions, "fusedActivationFunction", 4)),
        "its fused activation TANH: RELU, RELU6 and RELU_N1_TO_1 are supported",
    ),
    "reshape": (
        _behind("RESHAPE", shape=(1, 12, 3, 4), operands=([1, 12, 3, 4],)),
        "its result is [1, 6, 6, 4], and [1, 12, 3, 4] in the file: only flattening",
    ),
    "view with another scale": (
        _behind("RESHAPE", shape=(1, 144), operands=([1, 144],), scale=0.1),
        "its result 'last' has another scale than what it is a view of",
    ),
    "axis": (
        _behind("MEAN", shape=(1, 6, 6, 1), operands=([3],)),
        "dimensions [3]: only height, width, or both",
    ),
    "padding": (
        _behind("MIRROR_PAD", schema.MirrorPadOptionsT(), operands=([[0, 0]] * 4,)),
        "operator MIRROR_PAD: not supported",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(name, tmp_path):
    make, message = REFUSALS[name]
    with pytest.raises(ResarrayError) as caught:
        load(tmp_path / "a.tflite", make())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_refusals_at_once(tmp_path):
    writer, y = network()
    for kind in ("COS", "TANH", "ABS"):
        made = writer.tensor((1, 6, 6, 4), 1 / 128, 0, name=kind.lower())
        y = writer.operator(kind, (y,), (made,))
    with pytest.raises(ResarrayError, match=r"'cos', .*; also node 'abs', operator ABS"):
        load(tmp_path / "a.tflite", writer.finish((y,)))


def test_all_refusals_behind_what_is_no_map(tmp_path):
    writer, y = network()
    options = schema.ReshapeOptionsT()
    for kind, shape in (
        ("RESHAPE", (1, 36, 4)),
        ("COS", None),
        ("RESHAPE", (1, 6, 6, 4)),
        ("ABS", None),
    ):
        to, size = (), (1, 6, 6, 4) if kind == "ABS" else (1, 36, 4)
        if shape is not None:
            to, size = (writer.integers(list(shape)),), shape
        made = writer.tensor(size, 0.04, 0, name=kind.lower())
        y = writer.operator(kind, (y, *to), (made,), options if to else None)
    (tmp_path / "a.tflite").write_bytes(writer.finish((y,)))
    found = operators(open_file(tmp_path / "a.tflite").read((3, 6, 6)))
    assert [op.operator for op in found if op.refusal] == ["RESHAPE", "COS", "ABS"]
    assert [op.name for op in found if op.refusal] == ["reshape", "cos", "abs"]


def _told(writer: Writer, outputs: tuple[int, ...], path) -> list[tuple[str, tuple | None, str]]:
    """Operator, shape and first words of the reason of each that cannot run."""
    (path / "a.tflite").write_bytes(writer.finish(outputs))
    found = operators(open_file(path / "a.tflite").read((3, 6, 6)))
    return [(op.operator, op.shape, op.refusal.split(";")[0]) for op in found if op.refusal]


def test_reading_goes_on_behind_many_channels(tmp_path):
    writer, y = network()
    made = writer.tensor((1, 1280), 0.04, name="made")
    y = writer.operator("COS", (y,), (made,))
    y = writer.operator("ABS", (y,), (writer.tensor((1, 1280), 0.04),))
    assert _told(writer, (y,), tmp_path) == [
        ("COS", (1280, 1, 1), "not supported"),
        ("ABS", (1280, 1, 1), "not supported"),
    ]


def test_a_result_that_is_too_large_of_what_cannot_run(tmp_path):
    writer, y = network()
    made = writer.tensor((1, 1000, 1000, 1000), 0.04, name="made")
    y = writer.operator("COS", (y,), (made,))
    y = writer.operator("ADD", (y, y), (writer.tensor((1, 1000, 1000, 1000), 0.04),))
    assert _told(writer, (y,), tmp_path) == [
        ("COS", None, "not supported"),
        ("ADD", None, "its options are missing, or not AddOptions"),
    ]


def test_what_reaches_no_output_is_left_out(tmp_path):
    writer, y = network()
    made = writer.tensor((1, 36, 4), 0.05)
    sizes = writer.integers([1, 36, 4])
    writer.operator("RESHAPE", (y, sizes), (made,), schema.ReshapeOptionsT())
    writer.operator("ABS", (made,), (writer.tensor((1, 36, 4), 0.05),))
    y = writer.operator("RELU", (y,), (writer.tensor((1, 6, 6, 4), 0.04),))
    raw = writer.finish((y,))
    assert difference(load(tmp_path / "a.tflite", raw), raw, images()) <= 1


def test_a_result_that_is_left_out(tmp_path):
    writer, y = network()
    made = writer.tensor((1, 6, 6, 4), 0.04)
    writer.operator("RELU", (y,), (-1, made))
    y = writer.operator("COS", (made,), (writer.tensor((1, 6, 6, 4), 0.04),))
    assert [why for *_, why in _told(writer, (y,), tmp_path)] == [
        "it makes nothing",
        "not supported",
    ]


def test_several_results_of_what_cannot_run(tmp_path):
    """It is named once."""
    writer, y = network()
    made = [writer.tensor((1, 6, 6, 2), 0.04, name=name) for name in ("values", "places")]
    writer.operator("TOPK_V2", (y, writer.integers([2])), made)
    y = writer.operator("COS", made[1:], (writer.tensor((1, 6, 6, 2), 0.04),))
    assert [kind for kind, *_ in _told(writer, (y,), tmp_path)] == ["TOPK_V2", "COS"]
    found = operators(open_file(tmp_path / "a.tflite").read((3, 6, 6)))
    assert [op.operator for op in found].count("TOPK_V2") == 1
    with pytest.raises(ResarrayError) as caught:
        load(tmp_path / "a.tflite", writer.finish((y,)))
    assert str(caught.value).count("TOPK_V2") == 1


def test_operators_of_one_name(tmp_path):
    """Each has its own verdict."""
    writer, y = network()
    for kind in ("RELU", "COS", "COS"):
        made = writer.tensor((1, 6, 6, 4), 0.04, name="same;" + kind)
        y = writer.operator(kind, (y,), (made,))
    assert [kind for kind, *_ in _told(writer, (y,), tmp_path)] == ["COS", "COS"]


@pytest.mark.parametrize("raw", [b"", b"TFL3", b"\x00" * 64, b"\x1c\x00\x00\x00TFL3"])
def test_no_file_of_this_kind(raw, tmp_path):
    with pytest.raises(ResarrayError, match=r"no TFLite file|damaged"):
        load(tmp_path / "a.tflite", raw)
