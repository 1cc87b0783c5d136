"""The front end for ONNX: a file of operators, read node by node. Nothing in it is executed."""

import math
from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx.external_data_helper import load_external_data_for_model, uses_external_data

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import Shape
from resarray.spec.errors import ResarrayError, reason
from resarray.spec.pixels import Size

from .files import MAX_BYTES, ModelFile
from .onnx_graph.operators import read_node, unreadable
from .onnx_graph.reader import MAX_NAME, Reader
from .onnx_graph.values import MAX_CHANNELS
from .refused import shown

# From here on sums and products spread their operands as they do today.
MIN_OPSET = 7
MAX_NODES = 100_000
_FLOATS = (
    onnx.TensorProto.FLOAT,
    onnx.TensorProto.FLOAT16,
    onnx.TensorProto.DOUBLE,
)
# What changes nothing but how the answer is read, and what may stand around it.
_CLASSES = {"ArgMax", "LogSoftmax", "Softmax"}
_AROUND = {"Cast", "DequantizeLinear", "Identity", "QuantizeLinear"}


def open_file(path: Path) -> ModelFile:
    """The network in an ONNX file; `ResarrayError` where it cannot be read."""
    model = _loaded(path)
    opset = _opset(path, model)
    _check(path, model)
    given = _input(path, model)
    dims = [dim.dim_value if dim.HasField("dim_value") else 0 for dim in given]
    batch, channels, height, width = dims
    if not 1 <= channels <= MAX_CHANNELS:
        raise ResarrayError(
            f"model '{path}': its input has {channels or 'any number of'} channels: from 1 to "
            f"{MAX_CHANNELS:,} are supported, and the file must say how many"
        )
    outputs, warnings = _outputs(path, model)

    def read(shape: Shape) -> FloatGraph:
        for size, fixed in zip(shape, dims[1:], strict=True):
            if fixed > 0 and size != fixed:
                raise ResarrayError(
                    f"model '{path}': input {list(shape)} does not fit that of the file, "
                    f"{dims[1:]} (0: any): give a fitting --input-size"
                )
        return Reader(model, opset, shape, batch, outputs).read(read_node, unreadable, path.stem)

    size: Size | None = (height, width) if min(height, width) > 0 else None
    quantised = any(node.op_type == "QuantizeLinear" for node in model.graph.node)
    return ModelFile(path.stem, channels, size, read, quantised, warnings)


def _loaded(path: Path) -> onnx.ModelProto:
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # the reader of protocol buffers raises what it likes
        raise ResarrayError(
            f"model '{path}' is no ONNX file that can be read: {reason(error)}"
        ) from error
    if not all(isinstance(name, str) for name in _names(model.graph)):
        raise ResarrayError(f"model '{path}' is damaged: a name in it is no text")
    if len(model.graph.node) > MAX_NODES:
        raise ResarrayError(f"model '{path}' has more than {MAX_NODES:,} nodes")
    if model.functions:
        name = shown(model.functions[0].name, MAX_NAME)
        raise ResarrayError(
            f"model '{path}' has functions of its own ('{name}'): write them out with "
            "onnx.inliner.inline_local_functions"
        )
    if model.graph.sparse_initializer:
        raise ResarrayError(f"model '{path}' has sparse weights: make them dense")
    return model


def _names(graph: onnx.GraphProto) -> Iterator[str | bytes]:
    """All that is read as text; bytes where it is none."""
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        for attribute in node.attribute:
            yield attribute.name
    for each in (*graph.initializer, *graph.input, *graph.output, *graph.value_info):
        yield each.name
    for tensor in graph.initializer:
        for entry in tensor.external_data:
            yield from (entry.key, entry.value)


def _check(path: Path, model: onnx.ModelProto) -> None:
    """`ResarrayError` where the file breaks ONNX's rules; reads the weights that lie beside it, and
    finds the shapes of outputs that have none."""
    external = [each for each in model.graph.initializer if uses_external_data(each)]
    total = sum(_external_bytes(path, each) for each in external)
    if total > MAX_BYTES:
        raise ResarrayError(
            f"model '{path}' has {total:,} bytes of weights beside it: at most {MAX_BYTES:,} are "
            "read; give a smaller network"
        )
    outputs = [each for each in model.graph.output if each.type.HasField("tensor_type")]
    bare = [each for each in outputs if not each.type.tensor_type.HasField("shape")]
    try:
        load_external_data_for_model(model, str(path.parent))
        for each in bare:  # ONNX wants a shape, its runtimes do not
            each.type.tensor_type.shape.SetInParent()
        onnx.checker.check_model(model)
    except Exception as error:
        raise ResarrayError(f"model '{path}' is not valid ONNX: {reason(error)}") from error
    if bare:
        _find_shapes(model, bare)


def _find_shapes(model: onnx.ModelProto, outputs: list[onnx.ValueInfoProto]) -> None:
    """Give outputs the shapes that onnx finds for them; a shape without dimensions where it finds
    none."""
    for each in outputs:
        each.type.tensor_type.ClearField("shape")
    try:
        inferred = onnx.shape_inference.infer_shapes(model).graph.output
    except Exception:
        inferred = []
    found = {each.name: each.type.tensor_type.shape for each in inferred}
    for each in outputs:
        each.type.tensor_type.shape.SetInParent()
        if each.name in found:
            each.type.tensor_type.shape.CopyFrom(found[each.name])


def _external_bytes(path: Path, tensor: onnx.TensorProto) -> int:
    """What is read for a tensor from a file beside the model's."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    length = entries.get("length", "")
    if length.isdecimal():
        return int(length)
    try:
        return (path.parent / entries.get("location", "")).stat().st_size
    except (OSError, ValueError):
        return 0  # onnx says so


def _opset(path: Path, model: onnx.ModelProto) -> int:
    found = [each.version for each in model.opset_import if each.domain in ("", "ai.onnx")]
    newest = onnx.defs.onnx_opset_version()
    if len(found) != 1 or not MIN_OPSET <= found[0] <= newest:
        raise ResarrayError(
            f"model '{path}' has opset {found[0] if found else 'none'}: {MIN_OPSET} to {newest} "
            "are supported; export it again, or convert it with onnx.version_converter"
        )
    return found[0]


def _input(path: Path, model: onnx.ModelProto) -> list[onnx.TensorShapeProto.Dimension]:
    """The dimensions of its one input that is not a constant."""
    constants = {each.name for each in model.graph.initializer}
    inputs = [each for each in model.graph.input if each.name not in constants]
    if len(inputs) != 1:
        raise ResarrayError(f"model '{path}' takes {len(inputs)} inputs: 1 is supported")
    kind = inputs[0].type.tensor_type
    dims = list(kind.shape.dim)
    if kind.elem_type not in _FLOATS or len(dims) != 4:
        known = onnx.TensorProto.DataType.items()
        name = next((n for n, number in known if number == kind.elem_type), "none").lower()
        raise ResarrayError(
            f"model '{path}' takes {name} of {len(dims)} dimensions: float images [N, C, H, W] are "
            "supported"
        )
    if math.prod(max(1, dim.dim_value) for dim in dims[1:]) > MAX_BYTES:
        raise ResarrayError(f"model '{path}': its input is too large: give smaller images")
    return dims


def _outputs(path: Path, model: onnx.ModelProto) -> tuple[list[str], tuple[str, ...]]:
    """The tensors to return, and what a user should know about them."""
    makers = {name: node for node in model.graph.node for name in node.output if name}
    outputs, warnings = [], []
    for each in model.graph.output:
        dropped, source = _before_classes(makers, each)
        outputs.append(source)
        if dropped:
            warnings.append(
                f"model '{path}' ends in {dropped}, which does not change the class and is left "
                "out: its answers are the logits in front of it"
            )
    return outputs, tuple(warnings)


def _before_classes(
    makers: dict[str, onnx.NodeProto], output: onnx.ValueInfoProto
) -> tuple[str, str]:
    """The operator at the end of the network that is left out, and the tensor in front of it."""
    name, rank = output.name, len(output.type.tensor_type.shape.dim)
    dropped, found, seen = "", name, set()
    while (node := makers.get(name)) and node.op_type in _CLASSES | _AROUND and name not in seen:
        seen.add(name)
        name = node.input[0] if node.input else ""
        if node.op_type in _CLASSES:
            attributes = {a.name: a.i for a in node.attribute}
            best = node.op_type == "ArgMax"
            rank += best and not attributes.get("keepdims", 1)
            if attributes.get("axis", 0 if best else -1) not in (1, 1 - rank):
                break  # it does not go along the classes
            dropped, found = node.op_type, name
    return dropped, found
