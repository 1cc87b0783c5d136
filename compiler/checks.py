"""What hardware can compute of an integer graph: every operator is right or refused here, before
anything is built from it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from resarray.golden.graph import QGraph
from resarray.golden.ops import (
    QAdd,
    QConcat,
    QConstant,
    QConv,
    QFunction,
    QGlobalAvgPool,
    QMaxPool,
    QMultiply,
    QOp,
    QSlice,
    QUpsample,
)
from resarray.golden.ops.conv import MAX_REACH, MAX_STRIDE, reach
from resarray.golden.ops.upsample import MAX_FACTOR, MAX_SIDE
from resarray.spec.errors import ResarrayError
from resarray.spec.isa import MAX_PADDING, MAX_POOL, TABLE_BYTES
from resarray.spec.numerics import (
    ACC_BITS,
    INT8_MAX,
    INT8_MIN,
    MAX_AVERAGE_PIXELS,
    MULT_BITS,
    SHIFT_BITS,
    WEIGHT_MAX,
)


def check_graph(graph: QGraph) -> None:
    """`ResarrayError` for a value, shape or size that hardware cannot compute, and for an operator
    whose operands nothing before it makes."""
    made, names = {graph.input}, set()
    for op in graph.ops:
        if op.name in names:
            raise _refuse(op, "another operator has the same name", "give it one of its own")
        names.add(op.name)
        if type(op) not in _CHECKS:
            raise ResarrayError(
                f"operator {type(op).__name__} cannot be compiled: convolution, linear, max pool, "
                "global average pool, addition, product, function, concatenation, slice, "
                "constant and upsampling are allowed; quantise the model again"
            )
        for name in op.inputs:
            if name is None:
                raise _refuse(op, "it has no second operand")
            _check_tensor(graph, op, name)
            if name not in made:
                raise _refuse(op, f"nothing before it makes its operand '{name}'")
        _check_tensor(graph, op, op.output)
        if op.output in made:
            raise _refuse(op, f"its output '{op.output}' is there already")
        made.add(op.output)
        _CHECKS[type(op)](graph, op)
    for name in graph.outputs:
        if name not in made - {graph.input}:
            raise ResarrayError(
                f"graph '{graph.name}': no operator makes its output '{name}': quantise the model "
                "again"
            )


def _refuse(op: QOp, what: str, instead: str = "quantise the model again") -> ResarrayError:
    return ResarrayError(f"layer '{op.name}': {what}; {instead}")


def _check_tensor(graph: QGraph, op: QOp, name: str) -> None:
    tensor = graph.tensors.get(name)
    if tensor is None:
        raise _refuse(op, f"tensor '{name}' is not in the graph")
    if len(tensor.shape) != 3 or min(tensor.shape) < 1:
        raise _refuse(op, f"tensor '{name}' has shape {list(tensor.shape)}, [C, H, W] is needed")
    if not INT8_MIN <= tensor.zero_point <= INT8_MAX:
        raise _refuse(op, f"tensor '{name}' has zero point {tensor.zero_point}, int8 is allowed")


def _check_shape(graph: QGraph, op: QOp, expected: tuple[int, int, int]) -> None:
    shape = graph.tensors[op.output].shape
    if tuple(shape) != tuple(expected):
        raise _refuse(
            op, f"its output is declared as {list(shape)}, its operands give {list(expected)}"
        )


def _check_conv(graph: QGraph, op: QConv) -> None:
    source, output = graph.tensors[op.input], graph.tensors[op.output]
    if op.weight.ndim != 4 or op.weight.dtype != np.int8:
        raise _refuse(
            op,
            f"weights are {op.weight.dtype} of {op.weight.ndim} dimensions, int8 "
            "[Cout][Cin][kh][kw] is needed",
        )
    cout, cin, kh, kw = op.weight.shape
    if not op.weight.size:
        raise _refuse(op, f"weights of {list(op.weight.shape)} are empty")
    if op.groups < 1 or cout % op.groups:
        raise _refuse(op, f"{cout} output channels cannot be in {op.groups} groups")
    if (cin * op.groups, cout) != (source.shape[0], output.shape[0]):
        raise _refuse(
            op,
            f"weights are {cout}x{cin} in {op.groups} groups, its tensors have {output.shape[0]} "
            f"and {source.shape[0]} channels",
        )
    if int(op.weight.min()) < -WEIGHT_MAX:
        raise _refuse(op, f"a weight is -128, [-{WEIGHT_MAX}, {WEIGHT_MAX}] is allowed")
    if len(op.padding) != 4 or max(op.padding) > MAX_PADDING:
        raise _refuse(
            op,
            f"padding {op.padding}, at most {MAX_PADDING} on each of four sides is allowed",
            "pad the tensor in the model",
        )
    for name, pair, most in (
        ("stride", op.stride, MAX_STRIDE),
        ("dilation", op.dilation, MAX_REACH),
    ):
        if len(pair) != 2 or not all(1 <= value <= most for value in pair):
            raise _refuse(op, f"{name} {pair}, 1 to {most} is allowed")
    top, bottom, left, right = op.padding
    rows, columns = reach((kh, kw), op.dilation)
    height, width = source.shape[1] + top + bottom - rows, source.shape[2] + left + right - columns
    _check_shape(graph, op, (cout, height // op.stride[0] + 1, width // op.stride[1] + 1))
    for name in ("bias", "mult", "shift"):
        if np.shape(getattr(op, name)) != (cout,):
            raise _refuse(
                op, f"{name} has shape {list(np.shape(getattr(op, name)))}, [{cout}] is needed"
            )
    if np.asarray(op.bias).dtype.kind not in "iu":
        raise _refuse(op, f"bias is {np.asarray(op.bias).dtype}, integers are needed")
    _check_clamp(op)
    _check_factors(op, op.mult, op.shift)
    _check_residual(graph, op)
    _check_sums(op, source.zero_point)


def _check_sums(op: QConv, zero_point: int) -> None:
    """Accumulator plus bias, of any input: it is exact where it fits."""
    weight = op.weight.astype(np.int64).reshape(len(op.weight), -1)
    bias = np.asarray(op.bias).astype(object)
    up, down = np.maximum(weight, 0).sum(1), np.minimum(weight, 0).sum(1)
    most, least = INT8_MAX - zero_point, INT8_MIN - zero_point
    highest = max(bias + (up * most + down * least))
    lowest = min(bias + (up * least + down * most))
    limit = 1 << (ACC_BITS - 1)
    if lowest < -limit or highest >= limit:
        raise _refuse(
            op,
            f"accumulator plus bias can reach {highest if highest >= limit else lowest}, which "
            f"exceeds int{ACC_BITS}",
            "use fewer input channels or a wider calibration range",
        )


def _check_clamp(op: QConv | QAdd | QMultiply) -> None:
    if not INT8_MIN <= op.lo <= op.hi <= INT8_MAX:
        raise _refuse(op, f"clamp [{op.lo}, {op.hi}], an int8 range is needed")


def _check_factors(op: QOp, mult, shift, what: str = "factor") -> None:
    """`numerics.quantise_factor` gives what is allowed here."""
    for values, bits, name in ((mult, MULT_BITS, "mantissa"), (shift, SHIFT_BITS, "shift")):
        values = np.asarray(values)
        if values.dtype.kind not in "iu":
            raise _refuse(op, f"the {what}'s {name} is {values.dtype}, integers are needed")
        wrong = values[(values < 0) | (values >= 1 << bits)]
        if wrong.size:
            raise _refuse(
                op, f"a {what}'s {name} is {wrong.flat[0]}, 0 to {(1 << bits) - 1} is allowed"
            )


def _check_residual(graph: QGraph, op: QConv | QAdd) -> None:
    if op.residual is None:
        return
    _check_factors(op, op.res_mult, op.res_shift, "residual factor")
    shape, expected = graph.tensors[op.residual].shape, graph.tensors[op.output].shape
    if tuple(shape) not in (tuple(expected), (expected[0], 1, 1)):
        raise _refuse(op, f"it adds a tensor of {list(shape)} to one of {list(expected)}")


def _check_max_pool(graph: QGraph, op: QMaxPool) -> None:
    for name, pair in (("kernel", op.kernel), ("stride", op.stride)):
        if len(pair) != 2 or not all(1 <= value <= MAX_POOL for value in pair):
            raise _refuse(op, f"{name} {pair}, 1 to {MAX_POOL} is allowed")
    top, bottom, left, right = op.padding
    if min(op.padding) < 0 or max(top, bottom) >= op.kernel[0] or max(left, right) >= op.kernel[1]:
        raise _refuse(op, f"padding {op.padding}, less than the kernel {op.kernel} is allowed")
    source, output = graph.tensors[op.input], graph.tensors[op.output]
    channels, height, width = source.shape
    size = height + top + bottom - op.kernel[0], width + left + right - op.kernel[1]
    _check_shape(graph, op, (channels, size[0] // op.stride[0] + 1, size[1] // op.stride[1] + 1))
    if source.zero_point != output.zero_point:
        raise _refuse(op, "its output's zero point must be its input's")


def _check_average(graph: QGraph, op: QGlobalAvgPool) -> None:
    channels, height, width = graph.tensors[op.input].shape
    if height * width > MAX_AVERAGE_PIXELS:
        raise _refuse(
            op,
            f"an average over {height}x{width} pixels, at most {MAX_AVERAGE_PIXELS} are allowed "
            "(the sum's width)",
            "use a smaller map",
        )
    _check_factors(op, op.mult, op.shift)
    _check_shape(graph, op, (channels, 1, 1))


def _check_add(graph: QGraph, op: QAdd) -> None:
    _check_clamp(op)
    _check_factors(op, op.mult, op.shift)
    _check_residual(graph, op)
    _check_shape(graph, op, graph.tensors[op.input].shape)


def _check_multiply(graph: QGraph, op: QMultiply) -> None:
    _check_clamp(op)
    _check_factors(op, op.mult, op.shift)
    shape, factor = graph.tensors[op.input].shape, graph.tensors[op.factor].shape
    if tuple(factor) not in (tuple(shape), (shape[0], 1, 1)):
        raise _refuse(op, f"it multiplies a tensor of {list(shape)} by one of {list(factor)}")
    _check_shape(graph, op, shape)


def _check_function(graph: QGraph, op: QFunction) -> None:
    table = np.asarray(op.table)
    if table.shape != (TABLE_BYTES,) or table.dtype != np.int8:
        raise _refuse(
            op, f"its table is {table.dtype} {list(table.shape)}, int8 [{TABLE_BYTES}] is needed"
        )
    _check_shape(graph, op, graph.tensors[op.input].shape)


def _check_constant(graph: QGraph, op: QConstant) -> None:
    if op.value.dtype != np.int8:
        raise _refuse(op, f"its value is {op.value.dtype}, int8 is needed")
    _check_shape(graph, op, op.value.shape)


def _check_concat(graph: QGraph, op: QConcat) -> None:
    if not op.operands:
        raise _refuse(op, "it has no operands")
    shapes = [graph.tensors[name].shape for name in op.operands]
    if any(shape[1:] != shapes[0][1:] for shape in shapes):
        raise _refuse(op, f"its operands {[list(shape) for shape in shapes]} differ in size")
    _check_shape(graph, op, (sum(shape[0] for shape in shapes), *shapes[0][1:]))
    _check_same_values(graph, op)


def _check_slice(graph: QGraph, op: QSlice) -> None:
    source, output = graph.tensors[op.input].shape, graph.tensors[op.output].shape
    if not 0 <= op.first <= source[0] - output[0]:
        raise _refuse(
            op,
            f"{output[0]} channels from {op.first} on are not among the {source[0]} of its input",
        )
    _check_shape(graph, op, (output[0], *source[1:]))
    _check_same_values(graph, op)


def _check_upsample(graph: QGraph, op: QUpsample) -> None:
    if len(op.factor) != 2 or not all(1 <= factor <= MAX_FACTOR for factor in op.factor):
        raise _refuse(op, f"factor {op.factor}, 1 to {MAX_FACTOR} is allowed")
    channels, height, width = graph.tensors[op.input].shape
    shape = channels, height * op.factor[0], width * op.factor[1]
    if max(shape[1:]) > MAX_SIDE:
        raise _refuse(
            op, f"its output is {list(shape)}, {MAX_SIDE} pixels are allowed", "use a smaller map"
        )
    _check_shape(graph, op, shape)
    _check_same_values(graph, op)


def _check_same_values(graph: QGraph, op: QOp) -> None:
    output = graph.tensors[op.output]
    for name in op.inputs:
        tensor = graph.tensors[name]
        if (tensor.scale, tensor.zero_point) != (output.scale, output.zero_point):
            raise _refuse(
                op, f"the scale or zero point of its operand '{name}' is not that of its output"
            )


_CHECKS: dict[type, Callable[[QGraph, Any], None]] = {
    QConv: _check_conv,
    QMaxPool: _check_max_pool,
    QGlobalAvgPool: _check_average,
    QAdd: _check_add,
    QMultiply: _check_multiply,
    QFunction: _check_function,
    QConcat: _check_concat,
    QConstant: _check_constant,
    QSlice: _check_slice,
    QUpsample: _check_upsample,
}
