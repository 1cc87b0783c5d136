"""Walks the nodes of an ONNX graph; `operators` knows them."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import torch

from resarray.golden.float_graph import FloatGraph
from resarray.golden.names import unused
from resarray.golden.ops import (
    FloatConstant,
    FloatOp,
    FloatPad,
    FloatSlice,
    FloatUnsupported,
    Origin,
    Shape,
)
from resarray.spec.errors import reason

from ..reader import INPUT
from ..refused import Refused
from .fold import folded, unfoldable
from .values import MAX_CHANNELS, MAX_MADE, MAX_SIDE, MAX_VALUES, Constant, Map, Node, Value

MAX_NAME = 80
ReadNode = Callable[["Reader", Node], "Value | list[Value]"]


class Reader:
    """Reads the graph of a file, for one image of ``shape`` [C, H, W], into a float graph.

    ``opset``: of the file; ``batch``: the number of images that its input is declared for (0: any);
    ``outputs``: names of the tensors to return.
    """

    def __init__(
        self, model: onnx.ModelProto, opset: int, shape: Shape, batch: int, outputs: list[str]
    ):
        self.opset = opset
        self.batch = batch
        self.shapes: dict[str, Shape] = {INPUT: shape}
        self._model = model
        self._outputs = outputs
        self._constants = {each.name: each for each in model.graph.initializer}
        (given,) = (i.name for i in model.graph.input if i.name not in self._constants)
        self._values: dict[str, Value] = {given: Map(INPUT, (1, *shape)), "": None}
        self._ops: dict[str, FloatOp] = {}
        self._numbers: dict[str, int] = {}  # name -> the last that a tensor of it was given
        self._dims: dict[str, tuple[int, ...]] | None = None
        self._made = 0  # values of constants that nodes make

    def read(
        self, read_node: ReadNode, unreadable: Callable[[Node], str | None], name: str
    ) -> FloatGraph:
        """The graph; ``read_node`` makes of a node its results, or raises `Refused`. Reading goes
        on behind a node that is refused if its result is a map or a vector; else only those behind
        it are named that are ``unreadable`` whatever they are given, with why."""
        nodes = self._live()
        for number, proto in enumerate(nodes):
            node = Node(proto, _label(proto, number), [], number)
            try:
                node.inputs.extend(map(self._value, proto.input))
                results = self._results(node, read_node)
            except Refused as error:
                made = self._refused(node, str(error))
                if made is None:
                    end = self._end(node, nodes[number:], str(error))
                    end = self._behind(nodes, number, end, unreadable)
                    return self._graph(name, (end,))
                results = [made]
            self._values.update(zip(proto.output, results, strict=False))
            self._values[""] = None
        return self._graph(name, self._returned())

    def _graph(self, name: str, outputs: tuple[str, ...]) -> FloatGraph:
        return FloatGraph(name, INPUT, outputs, self.shapes[INPUT], tuple(self._ops.values()))

    # -- for those that read a node ----------------------------------------------------------

    def feature_map(self, node: Node, index: int = 0) -> Map:
        """The map [N, C, H, W] that input ``index`` is."""
        value = node.map(index)
        if value.dims != (1, *self.shapes[value.name]):
            raise Refused(
                f"its input {index} is {list(value.dims)}: a feature map [N, C, H, W] is needed"
            )
        return value

    def result(self, name: str) -> Map:
        """The tensor ``name`` as a map [N, C, H, W]."""
        return Map(name, (1, *self.shapes[name]))

    def unread(self, x: Map) -> bool:
        """Whether ``x`` stands for what could not be read."""
        return isinstance(self._ops.get(x.name), FloatUnsupported)

    def emit(
        self, node: Node, kind: type[FloatOp], *inputs: str, part: str = "", **fields: Any
    ) -> str:
        """Append the operator ``kind`` with these inputs and fields; the name of its output.

        ``part``: what it is of a node that is several.
        """
        label = f"{node.name}.{part}" if part else node.name
        op = kind(
            label, inputs, unused(label, self.shapes, self._numbers), **fields, origin=_origin(node)
        )
        shape = op.shape(*(self.shapes[name] for name in inputs))
        self._require_size(shape)
        self._ops[op.output] = op
        self.shapes[op.output] = shape
        return op.output

    def emit_constant(self, node: Node, value: np.ndarray, part: str = "constant") -> str:
        """A constant map [C][H][W]."""
        if not np.isfinite(value).all():
            raise Refused("a constant is not finite")
        made = torch.from_numpy(np.array(value, np.float64))
        return self.emit(node, FloatConstant, INPUT, part=part, value=made)

    # -- the graph ---------------------------------------------------------------------------

    def _live(self) -> list[onnx.NodeProto]:
        """The nodes that reach an output, in their order."""
        wanted, live = set(self._outputs), []
        for proto in reversed(self._model.graph.node):
            if wanted.intersection(filter(None, proto.output)):
                live.append(proto)
                wanted.update(proto.input)
        return live[::-1]

    def _value(self, name: str) -> Value:
        if name not in self._values and name in self._constants:
            self._values[name] = Constant(_array(self._constants[name]))
        return self._values.get(name)

    def _results(self, node: Node, read_node: ReadNode) -> list[Value]:
        known = all(
            value is not None or not name
            for name, value in zip(node.proto.input, node.inputs, strict=True)
        )
        if not known:
            raise Refused("it reads what has no value")
        try:
            if any(isinstance(value, Map) for value in node.inputs) or not _folds(node):
                found = read_node(self, node)
            else:
                found = list(folded(node, self.opset))
            self._count(node, found if isinstance(found, list) else [found])
        except Refused:
            raise
        except Exception as error:
            # With operands of another kind than a network of feature maps has.
            raise Refused(
                f"its arguments are not supported in this form ({reason(error)})"
            ) from error
        return found if isinstance(found, list) else [found]

    def _count(self, node: Node, results: list[Value]) -> None:
        """`Refused` where the constants that nodes make of others become too many."""
        if node.op == "Constant":
            return  # it lies in the file
        self._made += sum(each.value.size for each in results if isinstance(each, Constant))
        if self._made > MAX_MADE:
            raise Refused(
                f"up to it constants of more than {MAX_MADE:,} values are computed: fold them in "
                "the file"
            )

    def _refused(self, node: Node, why: str) -> Map | None:
        """What stands for the result of a node that cannot be read; None: it is no map or
        vector."""
        dims = self._inferred().get(node.proto.output[0]) if node.proto.output else None
        others = [name for name in node.proto.output[1:] if name]
        given = self._read_by([node.proto])
        if dims is None or len(dims) not in (2, 4) or dims[0] != 1 or not given or others:
            return None
        result = (dims[1], *dims[2:]) if len(dims) == 4 else (dims[1], 1, 1)
        if not self._fits(result):
            return None
        made = self.emit(node, FloatUnsupported, *given, why=why, result=result)
        return Map(made, dims)

    def _inferred(self) -> dict[str, tuple[int, ...]]:
        """Tensor -> its shape for one image, as far as onnx finds it."""
        if self._dims is None:
            self._dims = _inferred_dims(self._model, self.shapes[INPUT])
        return self._dims

    def _end(self, node: Node, nodes: list[onnx.NodeProto], why: str) -> str:
        """One operator for all that is left, so that what reads a tensor is known to its end."""
        read = self._read_by(nodes) or (INPUT,)
        return self.emit(node, FloatUnsupported, *read, why=why)

    def _behind(
        self,
        nodes: list[onnx.NodeProto],
        first: int,
        end: str,
        unreadable: Callable[[Node], str | None],
    ) -> str:
        """An operator behind ``end`` for each ``unreadable`` node behind the first; the last. What
        is computed of constants and shapes is held against what is computed of such."""
        reached = set(filter(None, nodes[first].output))
        for number, proto in enumerate(nodes[first + 1 :], first + 1):
            node = Node(proto, _label(proto, number), [], number)
            maps = bool(reached.intersection(proto.input) or self._read_by([proto]))
            why = unreadable(node) if maps or not _folds(node) else unfoldable(node)
            if maps and node.op != "Shape":
                reached.update(filter(None, proto.output))
            if why is not None:
                end = self.emit(node, FloatUnsupported, end, why=why)
        return end

    def _read_by(self, nodes: list[onnx.NodeProto]) -> tuple[str, ...]:
        """The tensors that nodes read."""
        values = [self._values.get(name) for proto in nodes for name in proto.input]
        return tuple(dict.fromkeys(v.name for v in values if isinstance(v, Map)))

    def _returned(self) -> tuple[str, ...]:
        """The tensors that the network returns, or an operator that says why it cannot be."""
        values = [self._values.get(name) for name in self._outputs]
        why = "" if values else "returns nothing"
        for value in values:
            source = value.name if isinstance(value, Map) else ""
            while isinstance(op := self._ops.get(source), FloatSlice | FloatPad):
                source = op.inputs[0]
            if source == INPUT:
                why = "returns its input: it must return what it computes of it"
            elif not source:
                why = "returns what it does not compute of its input"
        if not why:
            return tuple(value.name for value in values if isinstance(value, Map))
        read = tuple(value.name for value in values if isinstance(value, Map))
        name = unused("output", self.shapes, self._numbers)
        self._ops[name] = FloatUnsupported("output", read or (INPUT,), name, why)
        self.shapes[name] = (1, 1, 1)
        return (name,)

    def _require_size(self, shape: Shape) -> None:
        """What is empty, `passes.check` refuses."""
        if not self._fits(shape):
            raise Refused(
                f"its result {list(shape)} is too large: at most {MAX_CHANNELS:,} channels, "
                f"{MAX_SIDE}x{MAX_SIDE} pixels and {MAX_VALUES:,} values are supported"
            )

    @staticmethod
    def _fits(shape: Shape) -> bool:
        sides = max(shape[1:]) <= MAX_SIDE and shape[0] <= MAX_CHANNELS
        return sides and math.prod(shape) <= MAX_VALUES


def _array(proto: onnx.TensorProto) -> np.ndarray:
    try:
        return onnx.numpy_helper.to_array(proto)
    except Exception as error:
        name = proto.name[:MAX_NAME]
        raise Refused(f"constant '{name}' cannot be read: {reason(error)}") from error


def _label(proto: onnx.NodeProto, number: int) -> str:
    name = proto.name
    if name.strip() and name.isprintable() and len(name) <= MAX_NAME:
        return name
    return f"{proto.op_type[:MAX_NAME] if proto.op_type.isprintable() else 'node'}_{number}"


def _folds(node: Node) -> bool:
    """Whether a node makes constants of constants, as most do."""
    quantised = node.op in ("QuantizeLinear", "DequantizeLinear")
    inner = any(a.HasField("g") or a.graphs for a in node.proto.attribute)
    own = node.proto.domain not in ("", "ai.onnx")
    return not (quantised or inner or own)


def _origin(node: Node) -> Origin:
    domain = f"{node.proto.domain}." if node.proto.domain else ""
    operator = f"{domain}{node.op}"
    if not operator.isprintable() or len(operator) > MAX_NAME:
        operator = repr(operator[:MAX_NAME])
    return Origin(node.name, "", operator, number=node.index)


def _inferred_dims(model: onnx.ModelProto, shape: Shape) -> dict[str, tuple[int, ...]]:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.ClearField("value_info")
    constants = {each.name for each in copy.graph.initializer}
    for value in copy.graph.input:
        if value.name not in constants:
            for dim, size in zip(value.type.tensor_type.shape.dim, (1, *shape), strict=True):
                dim.dim_value = size
    for value in copy.graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        # Not of what is computed of shapes: that may grow without end.
        inferred = onnx.shape_inference.infer_shapes(copy)
    except Exception:
        return {}
    found = {}
    for value in [*inferred.graph.value_info, *inferred.graph.output]:
        dims = value.type.tensor_type.shape.dim
        if value.type.tensor_type.HasField("shape") and all(d.HasField("dim_value") for d in dims):
            found[value.name] = tuple(d.dim_value for d in dims)
    return found
