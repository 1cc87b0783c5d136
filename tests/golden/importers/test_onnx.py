"""ONNX files against ONNX Runtime, which reads them by itself."""

import warnings

import numpy as np
import pytest
import torch

from resarray.golden import fast
from resarray.golden.float_graph import run_float
from resarray.golden.importers.files import open_file
from resarray.golden.inspection import operators
from resarray.golden.models import load_model
from resarray.golden.passes import simplify
from resarray.golden.pipeline import build_network
from resarray.spec.errors import ResarrayError

onnx = pytest.importorskip("onnx", reason="no onnx: install the extra [onnx]")
runtime = pytest.importorskip("onnxruntime", reason="no onnxruntime: install the extra [dev]")

from onnx.helper import make_node  # noqa: E402

from .onnx_networks import CLASSES, SIZE, Writer, many_operators, residual  # noqa: E402

pytestmark = pytest.mark.verifies("front-ends", by="unit")

FLOAT = onnx.TensorProto.FLOAT


def theirs(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    """[N][values] as ONNX Runtime computes the file as it is written."""
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = runtime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"image": x})[0].reshape(len(x), -1)


def ours(model: onnx.ModelProto, x: np.ndarray, path) -> np.ndarray:
    """[N][values] of the operators that are read, before and after the passes; `ResarrayError`."""
    onnx.save(model, path)
    graph = open_file(path).read(x.shape[1:])
    found = [run_float(each, torch.from_numpy(x)) for each in (graph, simplify(graph))]
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-4)
    return found[0].flatten(1).numpy()


def images(seed: int, count: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 3, SIZE, SIZE)).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_float_networks(tmp_path, seed):
    for model in (residual(seed), many_operators(seed)):
        x = images(seed)
        np.testing.assert_allclose(
            ours(model, x, tmp_path / "a.onnx"), theirs(model, x), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("kind", [np.int8, np.uint8])
def test_quantised_networks(tmp_path, kind):
    """The scales are the file's, and the integers ONNX Runtime's but for a step of rounding."""
    path = tmp_path / "small.onnx"
    model, x = residual(1, kind), images(2, 200)
    onnx.save(model, path)
    np.save(tmp_path / "x.npy", x)
    network = build_network(str(path), images=str(tmp_path / "x.npy"))
    graph = network.graph
    assert not network.warnings and graph.output in network.float_graph.scales
    tensor, weights = graph.tensors[graph.output], [op.weight for op in graph.ops[:2]]
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
    for name, weight in zip(("w1", "w2"), weights, strict=True):
        np.testing.assert_array_equal(weight, constants[f"{name}.q"])
    assert tensor.scale == float(constants["gemm25.scale"])
    expected = np.rint(theirs(model, x) / tensor.scale) + tensor.zero_point
    found = fast.run(graph, network.quantise(network.images(network.indices)))[graph.output]
    difference = np.abs(found.reshape(expected.shape) - expected)
    assert difference.max() <= 1 and (difference == 0).mean() > 0.97
    assert (found[:, :, 0, 0].argmax(1) == expected.argmax(1)).mean() >= 0.99


def test_a_softmax_at_the_end_is_left_out(tmp_path):
    path = tmp_path / "small.onnx"
    np.save(tmp_path / "x.npy", images(1))
    for kind in (None, np.int8):
        onnx.save(residual(1, kind, softmax=True), path)
        network = build_network(str(path), images=str(tmp_path / "x.npy"))
        assert "ends in Softmax, which does not change the class" in network.warnings[-1]
        found = network.float_logits(network.images(network.indices))
        step = 0 if kind is None else 6 / 255
        np.testing.assert_allclose(found, theirs(residual(1, kind), images(1)), atol=1e-5 + step)
    middle = residual(1, softmax=True)
    middle.graph.node.append(make_node("Neg", [middle.graph.output[0].name], ["y"]))
    middle.graph.output[0].name = "y"
    with pytest.raises(ResarrayError, match="operator Softmax: supported at the end alone"):
        ours(middle, images(1), path)


@pytest.mark.parametrize("softmax", [False, True])
def test_outputs_without_a_shape(tmp_path, softmax):
    """ONNX Runtime takes them; which softmax goes along the classes onnx finds out."""
    model = residual(1, softmax=softmax)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    expected = theirs(residual(1), images(1))
    np.testing.assert_allclose(theirs(model, images(1)).argmax(1), expected.argmax(1))
    found = ours(model, images(1), tmp_path / "a.onnx")
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_the_scales_of_a_transposed_weight(tmp_path):
    """Of each output, as without the transposition."""
    w = Writer(np.random.default_rng(1), np.int8)
    x = w.node("Flatten", w.quantised("image", -2.5, 2.5))
    weight = w.node("Transpose", w.weight("w", CLASSES, 3 * SIZE * SIZE), perm=[1, 0])
    path = tmp_path / "a.onnx"
    onnx.save(w.model(w.quantised(w.node("MatMul", x, weight), -3.0, 3.0)), path)
    (linear,) = (op for op in open_file(path).read((3, SIZE, SIZE)).ops if "weight" in vars(op))
    scales = next(each for each in w.constants if each.name == "w.scale")
    np.testing.assert_array_equal(linear.weight_scale, onnx.numpy_helper.to_array(scales))


def test_what_pytorch_exports(tmp_path):
    """By way of a file a network is the same."""
    model, path = load_model("resnet8", 10), tmp_path / "a.onnx"
    x = images(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (torch.from_numpy(x),),
            str(path),
            dynamo=False,
            input_names=["image"],
            dynamic_axes={"image": {0: "N", 2: "H", 3: "W"}},
        )
    file = open_file(path)
    assert (file.name, file.channels, file.size) == ("a", 3, None)
    found = ours(onnx.load(path), x, path)
    with torch.inference_mode():
        np.testing.assert_allclose(found, model(torch.from_numpy(x)), rtol=1e-4, atol=1e-4)


# -- windows, against ONNX Runtime ---------------------------------------------------------------


def _window(rng: np.random.Generator, op: str) -> dict:
    kernel = [int(k) for k in rng.integers(1, 5, 2)]
    found = {"kernel_shape": kernel, "strides": [int(s) for s in rng.integers(1, 4, 2)]}
    mode = rng.choice(["NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"])
    if mode == "NOTSET":
        found["pads"] = [int(rng.integers(0, kernel[i % 2])) for i in range(4)]
    else:
        found["auto_pad"] = str(mode)
    if op != "MaxPool" and rng.random() < 0.3 and mode == "NOTSET":
        found["dilations"] = [int(d) for d in rng.integers(1, 3, 2)]
    if op != "Conv" and mode == "NOTSET":
        found["ceil_mode"] = int(rng.integers(2))
    if op == "AveragePool":
        found["count_include_pad"] = int(rng.integers(2))
    return found


@pytest.mark.parametrize("op", ["Conv", "MaxPool", "AveragePool"])
def test_windows(tmp_path, op):
    ran = 0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        w = Writer(rng)
        attributes = _window(rng, op)
        inputs = ["image"]
        if op == "Conv":
            groups = int(rng.choice([1, 3]))
            inputs.append(w.weight("w", 6, 3 // groups, *attributes["kernel_shape"]))
            attributes["group"] = groups
        model, x = w.model(w.node(op, *inputs, **attributes), opset=22), images(seed)
        try:
            found = ours(model, x, tmp_path / "a.onnx")
        except ResarrayError as error:
            assert "window" in str(error) or "empty" in str(error), (seed, attributes, error)
            continue
        try:
            expected = theirs(model, x)
        except Exception as error:  # with windows that leave pixels out, that is what it cannot
            assert "padding values must be non-negative" in str(error)
            continue
        ran += 1
        np.testing.assert_allclose(
            found, expected, rtol=1e-4, atol=1e-5, err_msg=f"{seed}, {attributes}"
        )
    assert ran > 15


def test_upsampling(tmp_path):
    """Every way to find the nearest neighbour: refused, or as ONNX Runtime has it."""
    ran = 0
    places = ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners")
    for place in places:
        for rounding in ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil"):
            for factor in (2, 3):
                w = Writer(np.random.default_rng(0))
                scales = w.constant("scales", np.array([1, 1, factor, 2], np.float32))
                x = w.node("Neg", "image")
                modes = {"coordinate_transformation_mode": place, "nearest_mode": rounding}
                model = w.model(w.node("Resize", x, "", scales, **modes))
                try:
                    found = ours(model, images(1), tmp_path / "a.onnx")
                except ResarrayError as error:
                    assert "coordinates" in str(error)
                    continue
                ran += 1
                np.testing.assert_array_equal(found, theirs(model, images(1)))
    assert ran >= 8


def test_forms_of_older_files(tmp_path):
    """What are inputs today were attributes."""
    w = Writer(np.random.default_rng(1))
    x = w.node("Conv", "image", w.weight("w", 8, 3, 3, 3))
    x = w.node("Clip", x, min=-1.0, max=2.0)
    x = w.node("Slice", x, starts=[1, 0], ends=[7, 5], axes=[1, 2])
    x = w.node("Pad", x, pads=[0, 0, 1, 1, 0, 0, 0, 1])
    x = w.node("Conv", x, w.weight("v", 8, 6, 2, 2))
    x = w.node("Upsample", x, scales=[1.0, 1.0, 2.0, 2.0])
    x = w.node("Dropout", x, ratio=0.5)
    x = w.node("ReduceMean", x, axes=[2, 3], keepdims=1)
    x = w.node("Squeeze", x, axes=[2, 3])
    weight = w.constant("fc", np.ones((8, CLASSES), np.float32))
    bias = w.constant("b", np.zeros(CLASSES, np.float32))
    model = w.model(w.node("Gemm", x, weight, bias), opset=7)
    np.testing.assert_allclose(
        ours(model, images(1), tmp_path / "a.onnx"), theirs(model, images(1)), rtol=1e-4, atol=1e-5
    )


def test_a_channel_shuffle_that_is_written_out(tmp_path):
    w = Writer(np.random.default_rng(1))
    x = w.node("Conv", "image", w.weight("w", 12, 3, 3, 3))
    x = w.node("Reshape", x, w.constant("s", np.array([-1, 3, 4, 6, 6])))
    x = w.node("Transpose", x, perm=[0, 2, 1, 3, 4])
    x = w.node("Reshape", x, w.constant("t", np.array([-1, 12, 6, 6])))
    model = w.model(w.node("Conv", x, w.weight("v", 4, 12, 1, 1)))
    np.testing.assert_allclose(
        ours(model, images(1), tmp_path / "a.onnx"), theirs(model, images(1)), rtol=1e-4, atol=1e-5
    )


def test_all_refusals_behind_what_is_no_map(tmp_path):
    w = Writer(np.random.default_rng(1))
    x = w.node("Conv", "image", w.weight("w", 4, 3, 3, 3))
    x = w.node("Reshape", x, w.constant("s", np.array([1, 4, 36])))
    x = w.node("LayerNormalization", x, w.constant("g", np.ones(36, np.float32)))
    x = w.node("Reshape", x, w.constant("t", np.array([1, 4, 6, 6])))
    x = w.node("Conv", w.node("Det", x), w.weight("v", 4, 4, 1, 1))
    onnx.save(w.model(x), tmp_path / "a.onnx")
    found = operators(open_file(tmp_path / "a.onnx").read((3, SIZE, SIZE)))
    assert [op.operator for op in found if op.refusal] == ["LayerNormalization", "Det"]


def refused(w: Writer, output: str, path) -> list[tuple[str, str]]:
    """Name and operator of each that cannot run."""
    model = w.model(output)
    domains = {node.domain for node in w.nodes if node.domain}
    model.opset_import.extend(onnx.helper.make_opsetid(domain, 1) for domain in domains)
    onnx.save(model, path / "a.onnx")
    found = operators(open_file(path / "a.onnx").read((3, SIZE, SIZE)))
    return [(op.name, op.operator) for op in found if op.refusal]


def test_shapes_behind_what_is_no_map_are_computed(tmp_path):
    """As exporters write a view, which is computed where the shape is that of a map."""
    w = Writer(np.random.default_rng(1))
    x = w.node("Transpose", "image", perm=[2, 1, 3, 0])
    first = w.node("Gather", w.node("Shape", x), w.constant("zero", np.array([0])))
    wanted = w.node("Concat", first, w.constant("rest", np.array([-1])), axis=0)
    known = w.node("Equal", wanted, w.constant("open", np.array([-1])))
    wanted = w.node("Where", known, wanted, wanted)
    assert refused(w, w.node("Reshape", x, wanted), tmp_path) == [("transpose0", "Transpose")]


def test_constants_behind_what_is_no_map(tmp_path):
    """What cannot be computed of constants is named; what reads a left out input reads no map."""
    w = Writer(np.random.default_rng(1))
    halves = [np.ones((1, 8, 8), np.float32), np.ones((1, 8, 2), np.float32)]
    halves = [w.constant(f"r{i}", value) for i, value in enumerate(halves)]
    w.nodes.append(make_node("LSTM", ["image", *halves], ["", "x"], name="lstm", hidden_size=2))
    three = w.constant("three", np.float32(3))
    w.nodes.append(make_node("Clip", ["three", "", "three"], ["clipped"], name="clip"))
    value = w.node("Mod", "clipped", three, fmod=1)
    scaled = make_node("DequantizeLinear", ["q", "s"], ["d"], name="own", domain="com.microsoft")
    w.constant("q", np.int8(3)), w.constant("s", np.float32(1))
    w.nodes.append(scaled)
    places = w.node("Cast", w.node("NonZero", w.constant("ones", np.ones(1))), to=1)
    x = w.node("Add", w.node("Add", w.node("Add", "x", value), "d"), places)
    assert refused(w, x, tmp_path) == [
        ("lstm", "LSTM"),
        ("own", "com.microsoft.DequantizeLinear"),
        ("nonzero4", "NonZero"),
    ]


def test_operators_of_integers_of_other_domains(tmp_path):
    w = Writer(np.random.default_rng(1))
    names = [w.constant(f"q{i}", np.float32(1)) for i in range(4)]
    node = make_node("QLinearSoftmax", ["image", *names], ["y"], name="q", domain="com.microsoft")
    w.nodes.append(node)
    refused(w, "y", tmp_path)
    (op,) = operators(open_file(tmp_path / "a.onnx").read((3, SIZE, SIZE)))
    assert op.refusal.startswith("operators of integers: quantise to the QDQ format")


def test_nodes_of_one_name(tmp_path):
    """Each has its own verdict."""
    w = Writer(np.random.default_rng(1))
    x = w.node("Conv", "image", w.weight("w1", 3, 3, 1, 1))
    x = w.node("Conv", x, w.weight("w2", 3, 3, 1, 1), strides=[17, 17])
    x = w.node("LRN", w.node("LRN", x, size=3), size=3)
    for node in w.nodes:
        node.name = "same"
    assert refused(w, x, tmp_path) == [("same", "Conv"), ("same", "LRN"), ("same", "LRN")]
    found = operators(open_file(tmp_path / "a.onnx").read((3, SIZE, SIZE)))
    assert [op.refusal is None for op in found] == [True, False, False, False]


def _ones(w: Writer, *shape: int) -> str:
    return w.constant(f"ones{len(w.constants)}", w.rng.normal(size=shape).astype(np.float32))


def _ints(w: Writer, *numbers: int) -> str:
    return w.constant(f"ints{len(w.constants)}", np.array(numbers))


# Each of a map x of 8 channels with 6x6 pixels.
FORMS = {
    "sum of rows": lambda w, x: w.node("ReduceSum", x, _ints(w, 2)),
    "sum of all pixels": lambda w, x: w.node("ReduceSum", x, _ints(w, 2, 3), keepdims=0),
    "mean of columns": lambda w, x: w.node("ReduceMean", x, axes=[3]),
    "mean of what is left": lambda w, x: w.node(
        "ReduceMean", w.node("Reshape", x, _ints(w, 0, 8, 36)), axes=[-1]
    ),
    "maximum": lambda w, x: w.node("ReduceMax", x, axes=[2, 3]),
    "slopes": lambda w, x: w.node("PRelu", x, _ones(w, 8, 1, 1)),
    "slopes of pixels": lambda w, x: w.node("PRelu", x, _ones(w, 8, 6, 6)),
    "expanded": lambda w, x: w.node("Expand", w.node("GlobalMaxPool", x), _ints(w, 1, 1, 6, 6)),
    "moved": lambda w, x: w.node("Transpose", w.node("GlobalAveragePool", x), perm=[0, 2, 3, 1]),
    "same type": lambda w, x: w.node("CastLike", w.node("Cast", x, to=FLOAT), _ones(w, 1)),
    "mish": lambda w, x: w.node("Mish", x),
    "padded": lambda w, x: w.node(
        "Conv", w.node("Pad", x, _ints(w, 1, 2), "", _ints(w, 3)), w.weight("v", 4, 8, 3, 3)
    ),
    "padded channels": lambda w, x: w.node("Pad", x, _ints(w, 0, 1, 0, 0, 0, 2, 0, 0)),
    "split": lambda w, x: w.node("Concat", *_halves(w, x), axis=-3),
    "constant in between": lambda w, x: w.node("Concat", x, _ones(w, 1, 2, 6, 6), x, axis=1),
    "rows": lambda w, x: w.node("Slice", x, _ints(w, -5), _ints(w, 99), _ints(w, 2), _ints(w, 2)),
    "scaled pixels": lambda w, x: w.node("Mul", x, _ones(w, 6, 6)),
    "scaled channels": lambda w, x: w.node("Div", x, _ones(w, 1, 8, 1, 1)),
    "from a number": lambda w, x: w.node("Sub", w.constant("n", np.float32(2)), x),
    "one map from another": lambda w, x: w.node("Sub", x, w.node("Relu", x)),
    "one for each channel": lambda w, x: w.node("Add", w.node("GlobalMaxPool", x), x),
    "by another": lambda w, x: w.node("Div", x, w.node("Softplus", x)),
    "bounds": lambda w, x: w.node(
        "Min", w.node("Max", x, _ones(w, 1)), w.constant("m", np.ones((1, 1), np.float32))
    ),
    "of a number": lambda w, x: w.node("Pow", w.constant("n", np.float32(2)), x),
    "with a factor": lambda w, x: w.node(
        "Gemm", w.node("Flatten", x), _ones(w, 288, 3), _ones(w, 3), alpha=0.5, beta=-2.0
    ),
    "normalised values": lambda w, x: w.node(
        "BatchNormalization",
        w.node("Flatten", x),
        *(w.constant(f"n{i}", np.full(288, v, np.float32)) for i, v in enumerate((2, 1, 3, 4))),
    ),
}


def _halves(w: Writer, x: str) -> tuple[str, str]:
    w.nodes.append(make_node("Split", [x, _ints(w, 3, 5)], ["low", "high"], axis=1))
    return "high", "low"


def test_forms_of_operators(tmp_path):
    for number, (name, form) in enumerate(FORMS.items()):
        w = Writer(np.random.default_rng(number))
        model = w.model(form(w, w.node("Conv", "image", w.weight("w", 8, 3, 3, 3))), opset=18)
        if "axes" in {a.name for node in model.graph.node for a in node.attribute}:
            model.opset_import[0].version = 13
        x = images(number, 1)
        found = ours(model, x, tmp_path / "a.onnx")
        np.testing.assert_allclose(found, theirs(model, x), rtol=1e-4, atol=1e-4, err_msg=name)


# -- as a model ----------------------------------------------------------------------------------


def test_options_that_do_not_fit(tmp_path):
    path = tmp_path / "small.onnx"
    model = residual(1)
    for axis, size in ((2, 8), (3, 8)):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = size
    onnx.save(model, path)
    np.save(tmp_path / "x.npy", images(1))
    options = {"images": str(tmp_path / "x.npy")}
    assert build_network(str(path), **options).input_size == (8, 8)
    with pytest.raises(ResarrayError, match="give it without --weights"):
        build_network(str(path), "w.pth", **options)
    with pytest.raises(ResarrayError, match="leave out --input-size"):
        build_network(str(path), input_size=16, **options)


def test_weights_beside_the_file(tmp_path):
    """In a file of their own, in the same folder."""
    x = images(1)
    expected = ours(residual(1), x, tmp_path / "a.onnx")
    onnx.save(residual(1), tmp_path / "b.onnx", save_as_external_data=True, size_threshold=0)
    assert len([*tmp_path.iterdir()]) > 2
    graph = open_file(tmp_path / "b.onnx").read((3, SIZE, SIZE))
    found = run_float(graph, torch.from_numpy(x)).flatten(1).numpy()
    np.testing.assert_array_equal(found, expected)
