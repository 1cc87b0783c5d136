"""Files that are broken, or made to break what reads them: a sentence, or a network that runs."""

import os
import re
import resource
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from resarray.golden import fast
from resarray.golden.pipeline import build_network
from resarray.spec.errors import ResarrayError

onnx = pytest.importorskip("onnx", reason="no onnx: install the extra [onnx]")

from onnx import TensorProto  # noqa: E402
from onnx.helper import make_node, make_tensor_value_info  # noqa: E402

from resarray.golden.importers.onnx_graph import reader  # noqa: E402

from .onnx_networks import SIZE, Writer, many_operators, residual  # noqa: E402

pytestmark = pytest.mark.verifies("front-ends", by="fault")

FILES = int(os.environ.get("RESARRAY_ONNX_FILES", 60))
SEED = int(os.environ.get("RESARRAY_SEED", 1))
SECONDS = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx")
    rng = np.random.default_rng(1)
    np.save(path / "images.npy", rng.normal(size=(2, 3, SIZE, SIZE)).astype(np.float32))
    return path


def run(folder: Path, data: bytes) -> str:
    """What a file ends in: a sentence, or "" where its network runs."""
    path = folder / "network.onnx"
    path.write_bytes(data)

    def late(*_: object) -> None:
        raise AssertionError(f"it takes more than {SECONDS} s")

    previous = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        network = build_network(str(path), images=str(folder / "images.npy"), count=1)
        images = network.images(network.indices)
        fast.run(network.graph, network.quantise(images))
        return ""
    except ResarrayError as error:
        return str(error)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def test_random_changes(folder):
    """A byte or some, cut off, doubled or left out."""
    sources = [
        each.SerializeToString()
        for each in (residual(1), residual(2, np.uint8, softmax=True), many_operators(3))
    ]
    ran = 0
    for number in range(FILES):
        seed = SEED + number
        rng = np.random.default_rng(seed)
        data = bytearray(sources[rng.integers(len(sources))])
        kind = rng.integers(5)
        place = int(rng.integers(len(data)))
        if kind == 0:
            data = data[:place]
        elif kind == 1:
            data[place : place + int(rng.integers(1, 40))] = b""
        elif kind == 2:
            data[place:place] = data[place : place + int(rng.integers(1, 40))]
        else:
            for _ in range(int(rng.integers(1, 4))):
                data[int(rng.integers(len(data)))] = int(rng.integers(256))
        try:
            found = run(folder, bytes(data))
        except BaseException:
            print(f"RESARRAY_SEED={seed} RESARRAY_ONNX_FILES=1")
            raise
        ran += not found
        assert "\n" not in found and len(found) < 3000, (seed, found)
    assert FILES < 20 or 0 < ran < FILES


def with_node(*nodes: onnx.NodeProto, output: str = "y", **constants: np.ndarray) -> bytes:
    """A network of these, whose last one makes ``output``."""
    w = Writer(np.random.default_rng(1))
    for name, value in constants.items():
        w.constant(name, value)
    w.nodes += nodes
    return w.model(output).SerializeToString()


def edited(change) -> bytes:
    model = residual(1, np.int8)
    change(model)
    return model.SerializeToString()


def constant_of(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    return next(each for each in model.graph.initializer if each.name == name)


def set_constant(name: str, value: np.ndarray):
    def change(model: onnx.ModelProto) -> None:
        constant_of(model, name).CopyFrom(onnx.numpy_helper.from_array(value, name))

    return change


def _loop(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = model.graph.node[-1].output[0]


def _twice(model: onnx.ModelProto) -> None:
    model.graph.node[3].output[0] = model.graph.node[2].output[0]


def _missing(model: onnx.ModelProto) -> None:
    model.graph.node[2].input[0] = "nowhere"


def _two_inputs(model: onnx.ModelProto) -> None:
    model.graph.input.append(make_tensor_value_info("more", TensorProto.FLOAT, [1, 3, 8, 8]))


def _declared(*dims):
    def change(model: onnx.ModelProto) -> None:
        model.graph.input[0].CopyFrom(make_tensor_value_info("image", TensorProto.FLOAT, dims))

    return change


def _huge_constant(model: onnx.ModelProto) -> None:
    constant_of(model, "w2.q").dims[:] = [1 << 40, 1 << 20, 3, 3]


def _outside(model: onnx.ModelProto) -> None:
    tensor = constant_of(model, "w2.q")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")


def _large_outside(model: onnx.ModelProto) -> None:
    _outside(model)
    entry = constant_of(model, "w2.q").external_data
    entry[0].value = "secret"
    entry.add(key="length", value=str(1 << 40))


def _opset(version: int):
    def change(model: onnx.ModelProto) -> None:
        model.opset_import[0].version = version

    return change


def _function(model: onnx.ModelProto) -> None:
    imports = [onnx.helper.make_opsetid("", 17)]
    body = [make_node("Relu", ["x"], ["y"])]
    model.functions.append(onnx.helper.make_function("own", "F", ["x"], ["y"], body, imports))


def _no_output(model: onnx.ModelProto) -> None:
    model.graph.ClearField("output")


BOMB = [make_node("Concat", [f"c{i}", f"c{i}"], [f"c{i + 1}"], axis=0) for i in range(60)]
BROKEN = {
    "empty": (b"", "has opset none"),
    "text": (b"not a model at all", "no ONNX file"),
    "loop": (edited(_loop), "not valid ONNX"),
    "names twice": (edited(_twice), "not valid ONNX"),
    "missing input": (edited(_missing), "not valid ONNX"),
    "two inputs": (edited(_two_inputs), "takes 2 inputs: 1 is supported"),
    "no output": (edited(_no_output), "not valid ONNX|returns nothing"),
    "old": (edited(_opset(6)), "has opset 6: 7 to"),
    "new": (edited(_opset(1000)), "has opset 1000|not valid ONNX"),
    "function": (edited(_function), "functions of its own"),
    "huge input": (edited(_declared(1, 3, 1 << 40, 1 << 20)), "input is too large"),
    "many channels": (edited(_declared(1, 1 << 20, 8, 8)), "has 1048576 channels"),
    "any channels": (edited(_declared(1, "C", 8, 8)), "any number of channels"),
    "vector": (edited(_declared(1, 3)), r"float images \[N, C, H, W\]"),
    "huge constant": (edited(_huge_constant), "not valid ONNX|cannot be read"),
    "escaping path": (edited(_outside), "not valid ONNX"),
    "too much outside": (edited(_large_outside), "bytes of weights beside it"),
    "NaN scale": (edited(set_constant("image.scale", np.float32(np.nan))), "positive and finite"),
    "zero scale": (edited(set_constant("image.scale", np.float32(0))), "positive and finite"),
    "several scales of a map": (
        with_node(
            make_node("QuantizeLinear", ["image", "s", "z"], ["q"]),
            make_node("DequantizeLinear", ["q", "t", "u"], ["d"], axis=1),
            make_node("Relu", ["d"], ["y"]),
            s=np.float32(0.1),
            z=np.int8(0),
            t=np.float32([0.1, 0.1, 0.2]),
            u=np.zeros(3, np.int8),
        ),
        "a map with several scales: one for the whole tensor is supported",
    ),
    "unsigned weights": (
        edited(
            lambda m: (
                set_constant("w2.q", np.full((8, 8, 3, 3), 9, np.uint8))(m),
                set_constant("w2.zero_point", np.full(8, 128, np.uint8))(m),
            )
        ),
        "weights of uint8 with zero point 128: int8 with zero point 0 is supported",
    ),
    "other zero point": (
        edited(set_constant("w2.zero_point", np.ones(8, np.int8))),
        "weights of int8 with zero point 1",
    ),
    "int16": (edited(set_constant("image.zero_point", np.int16(0))), "integers of type int16"),
    "NaN weight": (
        with_node(make_node("Mul", ["image", "c"], ["y"]), c=np.float32(np.nan)),
        "a constant is not finite",
    ),
    "bomb of constants": (
        with_node(*BOMB, make_node("Add", ["image", "c60"], ["y"]), c0=np.ones(4, np.float32)),
        "makes a constant of more than",
    ),
    "large fill": (
        with_node(
            make_node("ConstantOfShape", ["c"], ["z"]),
            make_node("Add", ["image", "z"], ["y"]),
            c=np.array([1 << 20, 1 << 20]),
        ),
        "makes a constant of more than",
    ),
    "large map": (
        with_node(
            make_node("Pad", ["image", "c"], ["y"]), c=np.array([0, 0, 0, 0, 0, 0, 999, 999])
        ),
        r"its result \[3, 1007, 1007\]|padding",
    ),
    "larger map": (
        with_node(
            make_node("Pad", ["image", "c"], ["x"]),
            make_node("Relu", ["x"], ["y"]),
            c=np.array([0, 1 << 40, 0, 0, 0, 0, 0, 0]),
        ),
        "at most 1023 are supported",
    ),
    "stride 0": (
        with_node(
            make_node("MaxPool", ["image"], ["y"], kernel_shape=[2, 2], strides=[0, 0]),
        ),
        "two numbers of at least 1",
    ),
    "quantised by another form": (
        with_node(
            make_node("ConvInteger", ["image", "c"], ["y"]), c=np.ones((1, 3, 1, 1), np.int8)
        ),
        "quantise to the QDQ format",
    ),
    "more parts than values": (
        with_node(make_node("Split", ["image"], ["x", "y", "z"], axis=0)),
        r"1 values into parts of \[1, 0, 0\]: each must have some",
    ),
    "chance": (
        with_node(make_node("RandomNormalLike", ["image"], ["x"]), make_node("Relu", ["x"], ["y"])),
        "operator RandomNormalLike: not supported",
    ),
    "codes of a terminal": (
        with_node(
            make_node("Pad", ["image", "c"], ["y"], mode="\x1b[31m\n" * 1000),
            c=np.zeros(8, np.int64),
        ),
        r"padding mode '\?\[31m\?\?",
    ),
    "many of one name": (
        with_node(
            make_node("Transpose", ["image"], ["x0"], perm=[2, 1, 3, 0]),
            *(make_node("Det", [f"x{i}"], [f"x{i + 1}"], name="same") for i in range(16000)),
            output="x16000",
        ),
        "node 'same', operator Det: not supported",
    ),
    "control": (
        with_node(
            make_node(
                "If",
                ["c"],
                ["y"],
                then_branch=onnx.helper.make_graph(
                    [make_node("Relu", ["image"], ["t"])],
                    "t",
                    [],
                    [make_tensor_value_info("t", TensorProto.FLOAT, [1, 3, 8, 8])],
                ),
                else_branch=onnx.helper.make_graph(
                    [make_node("Neg", ["image"], ["e"])],
                    "e",
                    [],
                    [make_tensor_value_info("e", TensorProto.FLOAT, [1, 3, 8, 8])],
                ),
            ),
            c=np.array(True),
        ),
        "control flow is not supported",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files(folder, name):
    data, message = BROKEN[name]
    (folder.parent / "secret").write_bytes(bytes(1 << 20))
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert re.search(message, found := run(folder, data)), found
    assert time.monotonic() - start < SECONDS
    assert found.isprintable() and len(found) < 3000
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 2 << 20, "KiB of memory"


def test_many_constants_together(folder, monkeypatch):
    """Each is small enough, all together are not."""
    monkeypatch.setattr(reader, "MAX_MADE", 1000)
    nodes, x = [], "image"
    for i in range(4):
        nodes += [
            make_node("ConstantOfShape", ["c"], [f"c{i}"]),
            make_node("ReduceSum", [f"c{i}"], [f"s{i}"], keepdims=0),
            make_node("Add", [x, f"s{i}"], [f"x{i}"]),
        ]
        x = f"x{i}"
    for size, message in ((200, ""), (300, "constants of more than 1,000 values are computed")):
        data = with_node(*nodes, make_node("Relu", [x], ["y"]), c=np.array([size]))
        found = run(folder, data)
        assert message in found and bool(found) == bool(message), found


def test_a_file_names_all_that_it_cannot_be_read_for(folder):
    nodes = [
        make_node("LRN", ["image"], ["a"], name="first", size=3),
        make_node("Relu", ["a"], ["b"]),
        make_node("DepthToSpace", ["b"], ["y"], name="second", blocksize=1),
    ]
    found = run(folder, with_node(*nodes))
    assert "node 'first', operator LRN: not supported; supported are: Abs" in found
    assert "also node 'second', operator DepthToSpace" in found
