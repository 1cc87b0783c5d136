"""What a file computes of constants alone, as the shapes that exporters write for a flatten."""

import math
from dataclasses import replace

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from resarray.spec.errors import reason

from ..refused import Refused
from .values import MAX_VALUES, Constant, Grid, Node

_EACH_VALUE = {
    *("Abs", "Add", "And", "Cast", "Ceil", "Clip", "Div", "Equal", "Erf", "Exp", "Floor"),
    *("Greater", "GreaterOrEqual", "Identity", "Less", "LessOrEqual", "Log", "Max", "Min"),
    *("Mod", "Mul", "Neg", "Not", "Or", "Pow", "QuantizeLinear", "Reciprocal", "Relu", "Round"),
    *("Sigmoid", "Sign", "Sqrt", "Sub", "Sum", "Tanh", "Where", "Xor"),
}
_MOVING = {"Flatten", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"}
_REDUCING = {"ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "Shape", "Size"}
_SIZED = {"Concat", "Constant", "ConstantOfShape", "Expand", "Gather", "Range"}
FOLDED = _EACH_VALUE | _MOVING | _REDUCING | _SIZED


def folded(node: Node, opset: int) -> list[Constant]:
    """The results of a node whose inputs are all constants."""
    why = unfoldable(node)
    if why is not None:
        raise Refused(why)
    arrays = [value.value if isinstance(value, Constant) else None for value in node.inputs]
    if _values(node, [array for array in arrays if array is not None]) > MAX_VALUES:
        raise Refused(f"it makes a constant of more than {MAX_VALUES:,} values")
    names = [f"i{i}" if array is not None else "" for i, array in enumerate(arrays)]
    proto = onnx.NodeProto()
    proto.CopyFrom(node.proto)
    proto.ClearField("input")
    proto.input.extend(names)
    value_info = onnx.helper.make_empty_tensor_value_info
    graph = onnx.helper.make_graph(
        [proto],
        "constant",
        [value_info(name) for name in names if name],
        [value_info(name) for name in proto.output if name],
    )
    imports = [onnx.helper.make_opsetid("", opset)]
    try:
        with np.errstate(all="ignore"):
            found = ReferenceEvaluator(onnx.helper.make_model(graph, opset_imports=imports)).run(
                None, {name: a for name, a in zip(names, arrays, strict=True) if name}
            )
    except Exception as error:  # the evaluator raises what it likes
        raise Refused(f"cannot be computed of its constants: {reason(error)}") from error
    if not all(isinstance(value, np.ndarray | np.generic) for value in found):
        raise Refused("its result is no tensor")
    return [Constant(np.asarray(value), _moved_grid(node)) for value in found]


def unfoldable(node: Node) -> str | None:
    """Why a node's result cannot be computed, whatever constants it reads; None: it may be."""
    if node.op in FOLDED:
        return None
    return "it reads constants alone, and is not computed here: fold it in the file"


def _moved_grid(node: Node) -> Grid | None:
    """That of a weight which is transposed, or passed on as it is."""
    value = node.input(0)
    if not isinstance(value, Constant) or value.grid is None:
        return None
    if node.op == "Identity":
        return value.grid
    if node.op != "Transpose":
        return None
    dimensions = value.value.ndim
    order = list(node.attribute("perm", range(dimensions)[::-1]))
    axis = order.index(value.grid.axis % dimensions) if value.grid.scale.size > 1 else 0
    return replace(value.grid, axis=axis)


def _values(node: Node, arrays: list[np.ndarray]) -> int:
    """At most so many values has its result."""
    if node.op == "ConstantOfShape":
        return math.prod(max(1, int(size)) for size in arrays[0].flatten())
    if node.op == "Range":
        start, limit, delta = (float(array.reshape(())) for array in arrays)
        return math.ceil(abs((limit - start) / delta)) if delta else 0
    if node.op == "Gather":
        return arrays[0].size * max(1, arrays[1].size)
    shapes = [array.shape for array in arrays]
    if node.op == "Expand":
        shapes[1] = tuple(int(size) for size in arrays[1].flatten())
    if node.op in _EACH_VALUE - {"QuantizeLinear"} or node.op == "Expand":
        return math.prod(np.broadcast_shapes(*shapes))
    return sum(array.size for array in arrays)
