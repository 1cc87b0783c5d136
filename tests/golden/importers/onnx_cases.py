"""ONNX's own test cases of single operators, as networks that take images."""

import importlib
import pkgutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from onnx.backend.test.case import node as cases
from onnx.helper import make_node, make_tensor_value_info

# Operators that count dimensions from the front: an image more or less is something else to them.
_PLACED = {
    *("BatchNormalization", "Concat", "DequantizeLinear", "Flatten", "GlobalAveragePool"),
    *("GlobalMaxPool", "MatMul", "Pad", "QuantizeLinear", "ReduceMax", "ReduceMean", "ReduceSum"),
    *("Reshape", "Resize", "Shape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"),
    *("Expand", "Gemm", "Upsample"),
}
_OF_MAPS = {"Add", "Div", "Max", "Min", "Mul", "Sub", "Sum"}


@dataclass(frozen=True)
class Case:
    """A network of one operator: its images [N][C][H][W] and what it answers."""

    name: str
    operator: str
    model: onnx.ModelProto
    images: np.ndarray
    expected: list[np.ndarray]


def collected(operators: set[str]) -> list:
    """The cases of these operators; what they print and warn of is theirs."""
    wanted = {operator.lower() for operator in operators}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for module in pkgutil.iter_modules(cases.__path__):
            if module.name.replace("_", "") in wanted:
                importlib.import_module(f"{cases.__name__}.{module.name}")
    found = {case.name: case for case in cases._NodeTestCases}
    return [case for case in found.values() if len(case.model.graph.node) == 1]


def networks(case) -> Iterator[Case]:
    """Of a case: its first input the image and the others constants, and, of sums and products,
    all of them maps."""
    inputs, outputs = case.data_sets[0]
    if not inputs or not all(isinstance(value, np.ndarray) for value in (*inputs, *outputs)):
        return
    yield _with_constants(case, inputs, outputs)
    alike = len({value.shape for value in inputs}) == 1 and inputs[0].ndim in (3, 4)
    if len(inputs) > 1 and case.model.graph.node[0].op_type in _OF_MAPS and alike:
        yield _of_maps(case, inputs, outputs)


def _copy(case) -> tuple[onnx.ModelProto, str]:
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    model.graph.ClearField("value_info")
    return model, model.graph.node[0].op_type


def _with_constants(case, inputs: list[np.ndarray], outputs: list[np.ndarray]) -> Case:
    model, operator = _copy(case)
    names = [value.name for value in model.graph.input]
    constants = zip(names[1:], inputs[1:], strict=True)
    model.graph.initializer.extend(onnx.numpy_helper.from_array(v, n) for n, v in constants)
    kind = model.graph.input[0].type.tensor_type.elem_type
    image = -inputs[0] if inputs[0].dtype.kind == "f" else inputs[0]
    in_front = [make_node("Neg", ["image"], [names[0]])]  # it may not answer its own input
    if image.ndim == 2 and operator in _PLACED:
        image = image[:, :, None, None]
        flatten = make_node("Flatten", ["image"], ["flat"])
        in_front = [flatten, make_node("Neg", ["flat"], [names[0]])]
    elif image.ndim < 4 and operator not in _PLACED:
        image = image.reshape((1,) * (4 - image.ndim) + image.shape)
    nodes = [*in_front, *model.graph.node]
    model.graph.ClearField("node")
    model.graph.node.extend(nodes)
    model.graph.ClearField("input")
    model.graph.input.append(make_tensor_value_info("image", kind, image.shape))
    return Case(case.name, operator, model, image, outputs)


def _of_maps(case, inputs: list[np.ndarray], outputs: list[np.ndarray]) -> Case:
    model, operator = _copy(case)
    names = [value.name for value in model.graph.input]
    kind = model.graph.input[0].type.tensor_type.elem_type
    maps = [value.reshape((1,) * (4 - value.ndim) + value.shape) for value in inputs]
    image, start = np.concatenate(maps, 1), 0
    for name, value in zip(names, maps, strict=True):
        bounds = (start, start := start + value.shape[1])
        parts = [f"{name}.{part}" for part in ("start", "end", "axis")]
        for part, number in zip(parts, (*bounds, 1), strict=True):
            model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([number]), part))
        model.graph.node.insert(0, make_node("Slice", ["image", *parts], [name]))
    model.graph.ClearField("input")
    model.graph.input.append(make_tensor_value_info("image", kind, image.shape))
    return Case(f"{case.name}_maps", operator, model, image, outputs)
