"""ONNX's operators, each by a small function that makes operators of the float graph of it."""

from collections.abc import Callable

from ..refused import Refused
from . import arithmetic, functions, layers, pools, quantised, views
from .reader import Reader
from .values import Node, Value

READERS: dict[str, Callable[[Reader, Node], Value | list[Value]]] = {
    **dict.fromkeys(functions.FUNCTIONS, functions.function),
    "Add": arithmetic.add,
    "AveragePool": pools.average_pool,
    "BatchNormalization": layers.batch_norm,
    "Cast": views.cast,
    "CastLike": views.cast_like,
    "Clip": functions.clip,
    "Concat": arithmetic.concat,
    "Conv": layers.conv,
    "DequantizeLinear": quantised.dequantize,
    "Div": arithmetic.div,
    "Dropout": views.dropout,
    "Expand": views.expand,
    "Flatten": views.flatten,
    "Gemm": layers.gemm,
    "GlobalAveragePool": pools.global_average,
    "GlobalMaxPool": pools.global_max,
    "Identity": views.same,
    "MatMul": layers.matmul,
    "Max": functions.extreme,
    "MaxPool": pools.max_pool,
    "Min": functions.extreme,
    "Mul": arithmetic.mul,
    "Neg": arithmetic.neg,
    "PRelu": functions.prelu,
    "Pad": views.pad,
    "Pow": functions.power,
    "QuantizeLinear": quantised.quantize,
    "ReduceMax": pools.reduce,
    "ReduceMean": pools.reduce,
    "ReduceSum": pools.reduce,
    "Relu": functions.relu,
    "Reshape": views.reshape,
    "Resize": views.resize,
    "Shape": views.shape_of,
    "Slice": views.slice_,
    "Split": views.split,
    "Squeeze": views.squeeze,
    "Sub": arithmetic.sub,
    "Sum": arithmetic.sum_of_all,
    "Transpose": views.transpose,
    "Unsqueeze": views.unsqueeze,
    "Upsample": views.resize,
}
# Beside those that are called QLinear...
_INTEGERS = {
    *("ConvInteger", "DynamicQuantizeLinear", "DynamicQuantizeLSTM", "DynamicQuantizeMatMul"),
    *("MatMulInteger", "MatMulIntegerToFloat", "QAttention", "QGemm"),
}
_CONTROL = {"If", "Loop", "Scan", "SequenceMap"}
_CLASSES = {"ArgMax", "Hardmax", "LogSoftmax", "Softmax", "TopK"}
SUPPORTED = ", ".join(sorted(READERS))


def read_node(reader: Reader, node: Node) -> Value | list[Value]:
    """The results of ``node``; `Refused` says what it is that cannot be read."""
    why = unreadable(node)
    if why is not None:
        raise Refused(why)
    return READERS[node.op](reader, node)


def unreadable(node: Node) -> str | None:
    """Why a node's operator cannot be read, whatever it is given; None: it may be."""
    if node.op in _INTEGERS or node.op.startswith("QLinear"):
        return (
            "operators of integers: quantise to the QDQ format, in which QuantizeLinear and "
            "DequantizeLinear stand around operators of floats"
        )
    if node.proto.domain not in ("", "ai.onnx"):
        return "an operator of another domain than ONNX's own is not supported"
    if node.op in _CONTROL:
        return "control flow is not supported: export the network for fixed shapes"
    if node.op in _CLASSES:
        return "supported at the end alone, where it does not change the class"
    return None if node.op in READERS else f"not supported; supported are: {SUPPORTED}"
