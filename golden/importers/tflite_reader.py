"""Walks the operators of a TFLite file; `tflite_ops` knows them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from resarray.golden.float_graph import FloatGraph, Scale
from resarray.golden.ops import (
    FloatOp,
    FloatPad,
    FloatQuantise,
    FloatSlice,
    FloatUnsupported,
    Origin,
    Shape,
)
from resarray.spec.errors import ResarrayError
from resarray.spec.pixels import MAX_SIDE

from .refused import Refused
from .tflite_model import NONE, TYPES, Model, Operator, type_name
from .tflite_model import Tensor as FileTensor

INPUT = "input"
# What changes no value: views, and a quantisation behind what is left out.
PASSING = {"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "DEQUANTIZE", "QUANTIZE"}
# Left out at the end, since the largest value stays the largest.
AT_THE_END = {"SOFTMAX", "LOG_SOFTMAX"}
# Of a map; with more, a damaged file could ask for any amount of memory.
MAX_CHANNELS = 1 << 14
MAX_VALUES = 1 << 26
# Of real values; beyond them their products are no numbers.
SCALES = 1e-20, 1e20
FLOATS = (np.float32, np.float16)


def input_shape(model: Model) -> Shape:
    """[C, H, W] of a network's one input; `ResarrayError` where it has none such."""
    if len(model.inputs) != 1:
        raise ResarrayError(f"it takes {len(model.inputs)} inputs: 1 is supported")
    tensor = model.tensors[model.inputs[0]]
    if NONE in tensor.signature[1:] or min(tensor.shape, default=0) < 1:
        raise ResarrayError(
            f"its input '{tensor.name}' has the shape {list(tensor.signature or tensor.shape)}, "
            "which is not fixed: convert the network for one size of its input"
        )
    shape = _mapped(model, tensor)
    if len(shape) == 2:
        shape = (shape[0], 1, 1, shape[1])
    if len(shape) != 4 or shape[0] != 1:
        raise ResarrayError(
            f"its input '{tensor.name}' has the shape {list(shape)}: [1, height, width, channels] "
            "or [1, channels] is supported"
        )
    _, height, width, channels = shape
    if max(height, width) > MAX_SIDE or channels > MAX_CHANNELS:
        raise ResarrayError(
            f"its input '{tensor.name}' has the shape {list(shape)}: at most {MAX_SIDE} rows and "
            f"columns and {MAX_CHANNELS} channels are supported"
        )
    return channels, height, width


def _mapped(model: Model, tensor: FileTensor) -> tuple[int, ...]:
    """The shape of a tensor, or that of the map that all its readers make of it first."""
    shape = tensor.shape
    readers = [op for op in model.operators if tensor.index in op.inputs]
    if len(shape) != 4 and len(readers) == 1 and readers[0].kind == "RESHAPE":
        (result,) = readers[0].outputs[:1] or (NONE,)
        seen = model.tensors[result].shape
        if result != NONE and len(seen) == 4 and math.prod(seen) == math.prod(shape):
            return seen
    return shape


def live(model: Model) -> Model:
    """``model`` with the operators alone that reach an output."""
    wanted, found = set(model.outputs), []
    for op in reversed(model.operators):
        if wanted.intersection(op.outputs):
            found.append(op)
            wanted.update(op.inputs)
    return replace(model, operators=tuple(found[::-1]))


def left_out(model: Model) -> list[Operator]:
    """The softmax at each output, which the network is read without."""
    inner: set[int] = set()  # tensors that something counts on
    found = []
    for op in reversed(model.operators):
        at_the_end = not inner.intersection(op.outputs)
        if op.kind in AT_THE_END and at_the_end and op.options.get("Beta", 1.0) > 0:
            found.append(op)
        if op.kind not in PASSING or not at_the_end:
            inner.update(op.inputs)
    return found


class Reader:
    """Reads a file operator by operator into a float graph.

    A tensor of the graph is [C][H][W] always: a vector [1, H * W * C] is the map that it was
    flattened from, and how an operator sees it is in the file's own shape.
    """

    def __init__(self, model: Model, shape: Shape):
        self.model = model
        self.shapes: dict[str, Shape] = {INPUT: shape}
        self.values: dict[int, str] = {}  # number of the file's tensor -> tensor of the graph
        self.grids: dict[str, Scale] = {}  # of what is quantised
        self.ops: dict[str, FloatOp] = {}
        self.dropped: set[int] = set()  # results of a softmax that is left out
        self.left_out = set(left_out(model))
        self.folded: dict[int, np.ndarray] = {}  # constants that an operator makes of others

    def read(
        self,
        read_operator: Callable[["Reader", Operator], list[str]],
        unreadable: Callable[[Operator], str | None],
    ) -> FloatGraph:
        """The graph; ``read_operator`` makes of an operator its results, or raises `Refused`.
        Behind a result that is no map or vector only those are named that are ``unreadable``
        whatever they are given, with why."""
        try:
            (number,) = self.model.inputs
            self.values[number] = self._quantised(INPUT, self.model.tensors[number])
            for place, op in enumerate(self.model.operators):
                if not self._read(op, read_operator):
                    end = self._behind(self.model.operators[place:], unreadable)
                    return self._graph((end,))
            return self._graph(self._outputs())
        except Refused as error:
            self._end((INPUT,), str(error))
        return self._graph(("end",))

    # -- for those that read an operator -----------------------------------------------------

    def tensor(self, op: Operator, index: int) -> FileTensor:
        """Operand ``index`` as the file has it."""
        if index >= len(op.inputs) or op.inputs[index] == NONE:
            raise Refused(f"its operand {index} is missing")
        tensor = self.model.tensors[op.inputs[index]]
        if tensor.fault:
            raise Refused(tensor.fault)
        return tensor

    def is_map(self, op: Operator, index: int) -> bool:
        """Whether the network computes operand ``index``, map or vector."""
        return self.tensor(op, index).index in self.values

    def any_tensor(self, op: Operator, index: int = 0) -> str:
        """The map or vector that operand ``index`` is."""
        tensor = self.tensor(op, index)
        if tensor.index not in self.values:
            raise Refused(f"its operand {index}, '{tensor.name}', must be computed of the input")
        return self.values[tensor.index]

    def feature_map(self, op: Operator, index: int = 0) -> str:
        """The map [1, H, W, C] that operand ``index`` is."""
        name, tensor = self.any_tensor(op, index), self.tensor(op, index)
        if len(tensor.shape) != 4:
            raise Refused(
                f"its operand {index} has the shape {list(tensor.shape)}: a feature map [1, "
                "height, width, channels] is needed"
            )
        return name

    def data(self, tensor: FileTensor) -> np.ndarray | None:
        """The values of a constant; None: it is none."""
        return self.folded.get(tensor.index, tensor.data)

    def numbers(self, op: Operator, index: int) -> list[int]:
        """A constant operand of integers, as axes and sizes."""
        data = self.tensor(op, index).data
        if data is None or data.dtype not in (np.int32, np.int64):
            raise Refused(f"its operand {index} must be a constant of integers")
        return [int(value) for value in data.reshape(-1)]

    def constant(self, op: Operator, index: int) -> np.ndarray:
        """A constant operand in real numbers, float64 of its shape in the file."""
        tensor, data = self.constant_tensor(op, index)
        if tensor.scale is None or data.dtype in FLOATS:
            values = data.astype(np.float64)
        elif len(tensor.scale) != 1:
            raise Refused(f"constant '{tensor.name}' has {len(tensor.scale)} scales: 1 is needed")
        else:
            scale, zero_point = self.scale_of(tensor)
            values = scale * (data.astype(np.float64) - zero_point - _offset(tensor))
        return finite(values, tensor.name)

    def constant_tensor(self, op: Operator, index: int) -> tuple[FileTensor, np.ndarray]:
        """A constant operand of real numbers, as it lies in the file: floats in a network of
        floats, else int8."""
        tensor = self.tensor(op, index)
        data = self.data(tensor)
        if data is None:
            raise Refused(f"its operand {index}, '{tensor.name}', must be a constant")
        is_float = data.dtype in FLOATS
        if is_float == (self.grid(op) is not None):
            raise Refused(
                f"'{tensor.name}' is {type_name(tensor.kind).lower()} where maps are "
                f"{'quantised' if is_float else 'floats'}: convert all of the network to integers, "
                "or to floats"
            )
        if not is_float and data.dtype not in (np.int8, np.uint8):
            raise Refused(f"'{tensor.name}' is {type_name(tensor.kind).lower()}: int8 is supported")
        return tensor, data

    def grid(self, op: Operator, index: int = -1) -> Scale | None:
        """Scale and zero point of operand ``index`` (-1: the first that is computed), of int8;
        None: it is a map of floats."""
        if index < 0:
            numbers = [number for number in op.inputs if number in self.values]
            if not numbers:
                raise Refused("its operands are constants alone: let the converter fold them")
            tensor = self.model.tensors[numbers[0]]
        else:
            tensor = self.tensor(op, index)
        return None if TYPES.get(tensor.kind) in FLOATS else self.scale_of(tensor)

    def scale_of(self, tensor: FileTensor) -> Scale:
        """The one scale and zero point, as of int8, that a quantised tensor has."""
        if TYPES.get(tensor.kind) not in (np.int8, np.uint8):
            raise Refused(
                f"tensor '{tensor.name}' is {type_name(tensor.kind).lower()}: int8, uint8 and "
                "float32 are supported"
            )
        if tensor.scale is None:
            raise Refused(f"tensor '{tensor.name}' is quantised and has no scale")
        if len(tensor.scale) != 1:
            raise Refused(f"tensor '{tensor.name}' has {len(tensor.scale)} scales: 1 is supported")
        scale, zero_point = float(tensor.scale[0]), int(tensor.zero_point[0]) - _offset(tensor)
        check_scale(scale, tensor.name)
        return scale, zero_point

    def emit(
        self, op: Operator, kind: type[FloatOp], *inputs: str, part: str = "", **fields: Any
    ) -> str:
        """Append the operator ``kind`` with these inputs and fields; the name of its output.
        ``part``: it is this part of the file's operator."""
        label = self._label(op)
        name = f"{label}.{part}" if part else label
        output = f"{op.index}.{len(self.ops)}"
        made = kind(
            name, inputs, output, **fields, origin=Origin(label, "", op.kind, number=op.index)
        )
        shape = made.shape(*(self.shapes[name] for name in inputs))
        if _too_large(shape):
            raise Refused(
                f"its result {list(shape)}: at most {MAX_CHANNELS} channels, {MAX_SIDE} rows and "
                f"columns, and {MAX_VALUES} values are supported"
            )
        if min(shape) < 1:
            raise Refused(f"its result {list(shape)} is empty")
        self.ops[output], self.shapes[output] = made, shape
        return output

    def quantise(self, op: Operator, name: str, grid: Scale | None, part: str = "") -> str:
        """``name`` on a grid of int8; as it is without one."""
        if grid is None:
            return name
        scale, zero_point = grid
        result = self.emit(op, FloatQuantise, name, part=part, scale=scale, zero_point=zero_point)
        self.grids[result] = grid
        return result

    # -- the file ----------------------------------------------------------------------------

    def _read(self, op: Operator, read_operator: Callable[["Reader", Operator], list[str]]) -> bool:
        """Read one operator; whether what follows can be read."""
        try:
            if why := _makes_nothing(op):
                raise Refused(why)
            if self._passed(op) or self._folds(op):
                return True
            results = read_operator(self, op)
            if len(results) != len(op.outputs):
                raise Refused(f"it has {len(op.outputs)} results: {len(results)} are supported")
            for number, result in zip(op.outputs, results, strict=True):
                self.values[number] = self._result(op, result, self.model.tensors[number])
        except Refused as error:
            return self._refuse(op, str(error))
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError):
            # With operands of another kind than a network of feature maps has.
            return self._refuse(op, "its operands are not supported in this form")
        return True

    def _passed(self, op: Operator) -> bool:
        """Whether it is left out, since a softmax is, or this one is."""
        behind = op.kind in PASSING and op.inputs[:1] and op.inputs[0] in self.dropped
        if not behind and op not in self.left_out:
            return False
        self.values[op.outputs[0]] = self.any_tensor(op)
        self.dropped.add(op.outputs[0])
        return True

    def _folds(self, op: Operator) -> bool:
        """Whether it makes floats of weights that the file has as float16."""
        if op.kind != "DEQUANTIZE" or (data := self.tensor(op, 0).data) is None:
            return False
        if data.dtype != np.float16:
            raise Refused("weights that become floats again are read of float16 alone")
        self.folded[op.outputs[0]] = data.astype(np.float32)
        return True

    def _result(self, op: Operator, name: str, tensor: FileTensor) -> str:
        """``name`` as the file's ``tensor``, of its shape and quantised as it is."""
        if tensor.data is not None or tensor.index in self.values:
            raise Refused(f"its result '{tensor.name}' is a constant, or made twice")
        if not _fits(self.shapes[name], tensor.shape):
            channels, height, width = self.shapes[name]
            raise Refused(
                f"its result is {[1, height, width, channels]}, and {list(tensor.shape)} in the "
                "file: only flattening to [1, all values] is a view"
            )
        return self._quantised(name, tensor, op)

    def _quantised(self, name: str, tensor: FileTensor, op: Operator | None = None) -> str:
        if tensor.fault:
            raise Refused(tensor.fault)
        if TYPES.get(tensor.kind) == np.float32:
            return name
        grid = self.scale_of(tensor)
        if self.grids.get(name) == grid:
            return name
        if op is None:
            op = Operator(NONE, "input", (), (tensor.index,), {}, "")
        elif op.kind in PASSING and op.kind != "QUANTIZE":
            raise Refused(f"its result '{tensor.name}' has another scale than what it is a view of")
        return self.quantise(op, name, grid)

    def _refuse(self, op: Operator, why: str) -> bool:
        """Put an operator that says why in place of ``op``; whether its results are maps."""
        read = tuple(self.values[number] for number in op.inputs if number in self.values)
        outputs = [number for number in op.outputs if number != NONE]
        shapes = [_shape_of(self.model.tensors[number].shape) for number in outputs]
        if not read or not shapes or None in shapes:
            self._end(read or (INPUT,), why, op)
            return False
        for number, shape in zip(outputs, shapes, strict=True):
            self.values[number] = self.emit(op, FloatUnsupported, *read, why=why, result=shape)
        return True

    def _end(self, read: Sequence[str], why: str, op: Operator | None = None) -> None:
        name = "output" if op is None else self._label(op)
        origin = None if op is None else Origin(name, "", op.kind, number=op.index)
        self.ops["end"] = FloatUnsupported(name, tuple(read), "end", why, origin=origin)
        self.shapes["end"] = (1, 1, 1)

    def _behind(self, ops: Sequence[Operator], unreadable: Callable[[Operator], str | None]) -> str:
        """An operator behind the end for each ``unreadable`` one behind the first; the last."""
        end = "end"
        for op in ops[1:]:
            why = _makes_nothing(op) or unreadable(op)
            if why and op not in self.left_out:
                end = self.emit(op, FloatUnsupported, end, why=why)
        return end

    def _outputs(self) -> tuple[str, ...]:
        """The tensors that the network returns."""
        names = []
        for number in self.model.outputs:
            name = self.values.get(number, INPUT)
            source = name
            while isinstance(op := self.ops.get(source), FloatSlice | FloatPad | FloatQuantise):
                source = op.inputs[0]
            if source == INPUT:
                raise Refused("returns its input or a constant: it must return what it computes")
            names.append(name)
        if not names:
            raise Refused("returns nothing")
        return tuple(names)

    def _graph(self, outputs: tuple[str, ...]) -> FloatGraph:
        """Of what reaches an output, or is refused."""
        wanted = set(outputs)
        ops = []
        for op in reversed(self.ops.values()):
            if op.output in wanted or isinstance(op, FloatUnsupported):
                wanted.update(op.inputs)
                ops.append(op)
        return FloatGraph(self.model.name, INPUT, outputs, self.shapes[INPUT], tuple(ops[::-1]))

    def _label(self, op: Operator) -> str:
        """What a layer is called: as the first of the names of its result, which the converter
        joins where it fuses."""
        numbers = [number for number in op.outputs if number != NONE]
        name = self.model.tensors[numbers[0]].name if numbers else ""
        return name.split(";")[0].strip()[-80:] or f"{op.kind.lower()} {op.index}"


def _makes_nothing(op: Operator) -> str:
    """Why an operator has no results that could be read; "": it has."""
    return "it makes nothing" if not op.outputs or NONE in op.outputs else ""


def check_scale(scale: float, name: str) -> None:
    if not SCALES[0] < scale < SCALES[1]:
        raise Refused(f"tensor '{name}' has a scale of {scale:g}: a scale is a positive number")


def finite(values: np.ndarray, name: str) -> np.ndarray:
    if not np.isfinite(values).all():
        raise Refused(f"tensor '{name}' holds numbers that are not finite")
    return values


def as_tensor(values: np.ndarray) -> Tensor:
    """float32 of real numbers, in memory of its own."""
    with np.errstate(over="ignore"):
        return torch.from_numpy(np.ascontiguousarray(values, np.float32).copy())


def _offset(tensor: FileTensor) -> int:
    """By how much values of uint8 are above those of int8."""
    return 128 if TYPES.get(tensor.kind) == np.uint8 else 0


def _fits(shape: Shape, found: tuple[int, ...]) -> bool:
    """Whether the file's shape is that of a map, or of all its values in a row."""
    channels, height, width = shape
    values = math.prod(shape)
    if found == (1, height, width, channels):
        return True
    return len(found) < 4 and math.prod(found) == values and max(found, default=1) == values


def _shape_of(found: tuple[int, ...]) -> Shape | None:
    """[C, H, W] of a file's shape; None where it is no map or vector."""
    if len(found) == 2:
        found = (found[0], 1, 1, found[1])
    if len(found) != 4 or found[0] != 1 or not min(found) > 0:
        return None
    shape = found[3], found[1], found[2]
    return None if _too_large(shape) else shape


def _too_large(shape: Shape) -> bool:
    sides = max(shape[1:]) > MAX_SIDE or shape[0] > MAX_CHANNELS
    return sides or math.prod(shape) > MAX_VALUES
