"""TFLite's files as plain records: what the flatbuffer says, checked to be there.

A flatbuffer is offsets to offsets, and those of a damaged file lead anywhere: all that reads it is
here, bounded by the file's length, so that nothing behind this has to distrust it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tflite

from resarray.spec.errors import ResarrayError

from .refused import printable

MAGIC = b"TFL3"
# Far above what fits the accelerator; a count beyond them is damage.
MAX_ITEMS = 100_000  # operators, tensors, buffers
MAX_OPERANDS = 1_000  # of an operator
MAX_DIMENSIONS = 8
NONE = -1  # an operand that is left out

# Of tensors; others stay numbers of the schema.
TYPES: dict[int, type[np.generic]] = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
    tflite.TensorType.UINT8: np.uint8,
    tflite.TensorType.INT64: np.int64,
    tflite.TensorType.INT16: np.int16,
    tflite.TensorType.INT8: np.int8,
}
# Operator -> its options and those of them that are read.
_WINDOWS = ("Padding", "StrideH", "StrideW", "FilterHeight", "FilterWidth")
_CONV = ("Padding", "StrideH", "StrideW", "DilationHFactor", "DilationWFactor")
_FUSED = ("FusedActivationFunction",)
OPTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "CONV_2D": ("Conv2DOptions", _CONV + _FUSED),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", (*_CONV, "DepthMultiplier", *_FUSED)),
    "FULLY_CONNECTED": (
        "FullyConnectedOptions",
        ("WeightsFormat", "KeepNumDims", "AsymmetricQuantizeInputs", *_FUSED),
    ),
    "AVERAGE_POOL_2D": ("Pool2DOptions", _WINDOWS + _FUSED),
    "MAX_POOL_2D": ("Pool2DOptions", _WINDOWS + _FUSED),
    "ADD": ("AddOptions", _FUSED),
    "SUB": ("SubOptions", _FUSED),
    "MUL": ("MulOptions", _FUSED),
    "CONCATENATION": ("ConcatenationOptions", ("Axis", *_FUSED)),
    "LEAKY_RELU": ("LeakyReluOptions", ("Alpha",)),
    "SOFTMAX": ("SoftmaxOptions", ("Beta",)),
    "STRIDED_SLICE": (
        "StridedSliceOptions",
        ("BeginMask", "EndMask", "EllipsisMask", "NewAxisMask", "ShrinkAxisMask", "Offset"),
    ),
    "RESIZE_NEAREST_NEIGHBOR": ("ResizeNearestNeighborOptions", ("AlignCorners",)),
}


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of the file.

    Attributes
    ----------
    index:       its number
    name:        what the file calls it
    shape:       its sizes, batch first, channels last
    signature:   the same with -1 where any size goes; empty: as ``shape``
    kind:        what its values are, of the schema's `TensorType`
    scale:       float64 of real = scale * (q - zero_point), one or one for each slice of ``axis``;
                 None: it is not quantised
    zero_point:  int64, as many
    axis:        the dimension that has several scales
    data:        its values where they are in the file, of ``shape``; None: an operator makes them
    fault:       why it cannot be read; "": it can
    """

    index: int
    name: str
    shape: tuple[int, ...]
    signature: tuple[int, ...]
    kind: int
    scale: np.ndarray | None
    zero_point: np.ndarray
    axis: int
    data: np.ndarray | None
    fault: str


@dataclass(frozen=True, eq=False)
class Operator:
    """An operator of the file: tensors by their numbers (`NONE`: left out), and those of its
    options that `OPTIONS` names."""

    index: int
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any]
    fault: str


@dataclass(frozen=True, eq=False)
class Model:
    """A file's one graph."""

    name: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_model(path: Path) -> Model:
    """The records of a file; `ResarrayError` where it is none, or damaged."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ResarrayError(f"model '{path}' cannot be read: {error.strerror}") from error
    if raw[4:8] != MAGIC:
        raise ResarrayError(
            f"model '{path}' is no TFLite file, which has {MAGIC.decode()} as its bytes 4 to 7: "
            "give one as TensorFlow's converter writes it"
        )
    try:
        return _Parser(raw, path.stem).model()
    except ResarrayError as error:
        raise ResarrayError(f"model '{path}': {error}") from error
    except Exception as error:  # flatbuffers raises what it comes upon
        raise ResarrayError(
            f"model '{path}' is damaged: it points outside of itself; copy or convert it again"
        ) from error


class _Parser:
    """Reads ``raw``, the bytes of a file."""

    def __init__(self, raw: bytes, name: str):
        self.raw = raw
        self.name = name
        self.root = tflite.Model.GetRootAs(raw, 0)

    def model(self) -> Model:
        graphs = self._count("graphs", self.root.SubgraphsLength())
        if graphs != 1:
            raise ResarrayError(
                f"it has {graphs} graphs: a network with one is supported, without control flow"
            )
        graph = self.root.Subgraphs(0)
        counts = graph.TensorsLength(), graph.OperatorsLength(), self.root.OperatorCodesLength()
        tensors, operators, codes = map(self._count, ("tensors", "operators", "codes"), counts)
        kinds = [self._kind(self.root.OperatorCodes(i)) for i in range(codes)]
        found = [self._tensor(i, graph.Tensors(i)) for i in range(tensors)]
        numbers = range(len(found))
        return Model(
            self.name,
            tuple(found),
            tuple(self._operator(i, graph.Operators(i), kinds, numbers) for i in range(operators)),
            self._operands(graph.InputsLength(), graph.InputsAsNumpy, numbers),
            self._operands(graph.OutputsLength(), graph.OutputsAsNumpy, numbers),
        )

    def _count(self, what: str, count: int) -> int:
        if count > min(MAX_ITEMS, len(self.raw)):
            raise ResarrayError(f"it is damaged: {count:,} {what}; copy or convert it again")
        return count

    def _kind(self, code: Any) -> str:
        number = max(code.DeprecatedBuiltinCode(), code.BuiltinCode())
        if number == tflite.BuiltinOperator.CUSTOM:
            return f"CUSTOM '{_text(code.CustomCode())}'"
        return tflite.BUILTIN_OPCODE2NAME.get(number, f"number {number}")

    def _tensor(self, index: int, tensor: Any) -> Tensor:
        name = _text(tensor.Name()) or f"tensor {index}"
        shape = _integers(tensor.ShapeLength(), tensor.ShapeAsNumpy, MAX_DIMENSIONS)
        signature = _integers(
            tensor.ShapeSignatureLength(), tensor.ShapeSignatureAsNumpy, MAX_DIMENSIONS
        )
        kind, fault, data = tensor.Type(), "", None
        if tensor.Sparsity() is not None:
            fault = f"tensor '{name}' is sparse: convert the network with dense weights"
        elif tensor.IsVariable():
            fault = f"tensor '{name}' is a state that lasts from image to image"
        elif (content := self._content(tensor.Buffer())).size:
            data, fault = _values(name, kind, shape, content)
        scale, zero_point, axis = self._scale(tensor.Quantization())
        return Tensor(index, name, shape, signature, kind, scale, zero_point, axis, data, fault)

    def _content(self, number: int) -> np.ndarray:
        """uint8 of a buffer; empty where it holds nothing."""
        if number >= self._count("buffers", self.root.BuffersLength()):
            raise ResarrayError(f"it is damaged: no buffer {number}; copy or convert it again")
        buffer = self.root.Buffers(number)
        if buffer.Offset() > 1:  # behind the flatbuffer, in files of several gigabytes
            raise ResarrayError("its weights lie behind its graph: only smaller files are read")
        return np.zeros(0, np.uint8) if buffer.DataIsNone() else buffer.DataAsNumpy()

    def _scale(self, found: Any) -> tuple[np.ndarray | None, np.ndarray, int]:
        if found is None or not found.ScaleLength():
            return None, np.zeros(0, np.int64), 0
        self._count("scales", found.ScaleLength())
        self._count("zero points", found.ZeroPointLength())
        scale = found.ScaleAsNumpy().astype(np.float64)
        if found.ZeroPointLength():
            zero_point = found.ZeroPointAsNumpy().astype(np.int64)
        else:
            zero_point = np.zeros(1, np.int64)
        if len(zero_point) not in (1, len(scale)):
            raise ResarrayError("it is damaged: scales and zero points differ in number")
        return scale, np.broadcast_to(zero_point, scale.shape), found.QuantizedDimension()

    def _operator(self, index: int, operator: Any, kinds: list[str], numbers: range) -> Operator:
        code = operator.OpcodeIndex()
        if code >= len(kinds):
            raise ResarrayError(f"it is damaged: no operator code {code}; copy or convert it again")
        kind = kinds[code]
        inputs = self._operands(operator.InputsLength(), operator.InputsAsNumpy, numbers)
        outputs = self._operands(operator.OutputsLength(), operator.OutputsAsNumpy, numbers)
        options, fault = {}, ""
        if kind in OPTIONS:
            name, fields = OPTIONS[kind]
            table = operator.BuiltinOptions()
            if table is None or operator.BuiltinOptionsType() != getattr(
                tflite.BuiltinOptions, name
            ):
                fault = f"its options are missing, or not {name}"
            else:
                record = getattr(tflite, name)()
                record.Init(table.Bytes, table.Pos)
                options = {field: getattr(record, field)() for field in fields}
        return Operator(index, kind, inputs, outputs, options, fault)

    def _operands(
        self, count: int, values: Callable[[], np.ndarray], numbers: range
    ) -> tuple[int, ...]:
        found = _integers(count, values, MAX_OPERANDS)
        for number in found:
            if number != NONE and number not in numbers:
                raise ResarrayError(f"it is damaged: no tensor {number}; copy or convert it again")
        return found


def _values(
    name: str, kind: int, shape: Iterable[int], content: np.ndarray
) -> tuple[np.ndarray | None, str]:
    """A constant of these bytes, and why it is none."""
    if kind not in TYPES:
        return None, f"tensor '{name}' has values of type {type_name(kind)}, which are not read"
    dtype = np.dtype(TYPES[kind]).newbyteorder("<")
    sizes = tuple(shape)
    wanted = dtype.itemsize
    for size in sizes:
        wanted *= size
    if min(sizes, default=1) < 0 or wanted != len(content):
        return None, f"tensor '{name}' of shape {list(sizes)} has {len(content):,} bytes"
    return content.view(dtype).reshape(sizes), ""


def _integers(count: int, values: Callable[[], np.ndarray], most: int) -> tuple[int, ...]:
    """A vector of the file, of at most so many numbers."""
    if count > most:
        raise ResarrayError(
            f"it is damaged: a list of {count:,} numbers, at most {most}; copy or convert it again"
        )
    return tuple(int(value) for value in values()) if count else ()


def _text(value: bytes | None) -> str:
    """A name as it can stand in a sentence and in a report."""
    text = (value or b"").decode("utf-8", "replace")
    return printable(text[:200])


def type_name(kind: int) -> str:
    """What the schema calls a type of values."""
    names = {number: name for name, number in vars(tflite.TensorType).items() if name.isupper()}
    return names.get(kind, f"number {kind}")
