"""Small ONNX networks with random weights, float and quantised, and how to change them."""

from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto
from onnx.helper import (
    make_graph,
    make_model,
    make_node,
    make_opsetid,
    make_tensor_value_info,
)

SIZE = 8
CLASSES = 10


@dataclass
class Writer:
    """Nodes and constants, as they come. ``kind``: of quantised activations; None: float."""

    rng: np.random.Generator
    kind: type | None = None
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants.append(onnx.numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, op: str, *inputs: str, output: str = "", **attributes) -> str:
        """Its output, which is called as the node."""
        output = output or f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(make_node(op, inputs, [output], name=output, **attributes))
        return output

    def quantised(self, x: str, lo: float, hi: float) -> str:
        """``x`` through QuantizeLinear and DequantizeLinear, for values from lo to hi."""
        if self.kind is None:
            return x
        scale = np.float32((hi - lo) / 255)
        least = np.iinfo(self.kind).min
        zero_point = np.array(np.clip(np.rint(least - lo / scale), least, least + 255), self.kind)
        names = (
            self.constant(f"{x}.scale", scale),
            self.constant(f"{x}.zero_point", zero_point),
        )
        q = self.node("QuantizeLinear", x, *names, output=f"{x}.q")
        return self.node("DequantizeLinear", q, *names, output=f"{x}.dq")

    def weight(self, name: str, *shape: int) -> str:
        """Random weights, of int8 with a scale for each output where it is quantised."""
        value = self.rng.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape).astype(np.float32)
        if self.kind is None:
            return self.constant(name, value)
        scale = np.abs(value).reshape(len(value), -1).max(1) / np.float32(127)
        q = np.rint(value / scale.reshape(-1, *[1] * (value.ndim - 1))).astype(np.int8)
        names = (
            self.constant(f"{name}.q", q),
            self.constant(f"{name}.scale", scale),
            self.constant(f"{name}.zero_point", np.zeros(len(scale), np.int8)),
        )
        return self.node("DequantizeLinear", *names, output=name, axis=0)

    def model(self, output: str, channels: int = 3, opset: int = 17) -> onnx.ModelProto:
        image = make_tensor_value_info("image", TensorProto.FLOAT, ["N", channels, SIZE, SIZE])
        answer = make_tensor_value_info(output, TensorProto.FLOAT, ["N", "values"])
        graph = make_graph(self.nodes, "small", [image], [answer], self.constants)
        imports = [make_opsetid("", opset)]
        return make_model(graph, opset_imports=imports, ir_version=8)


def residual(seed: int, kind: type | None = None, softmax: bool = False) -> onnx.ModelProto:
    """Two convolutions around which a shortcut leads, a pool and a fully connected layer."""
    w = Writer(np.random.default_rng(seed), kind)
    x = w.quantised("image", -2.5, 2.5)
    same = {"pads": [1, 1, 1, 1]}
    first = w.node("Relu", w.node("Conv", x, w.weight("w1", 8, 3, 3, 3), **same))
    first = w.quantised(first, 0.0, 3.0)
    second = w.quantised(w.node("Conv", first, w.weight("w2", 8, 8, 3, 3), **same), -3.0, 3.0)
    joined = w.quantised(w.node("Relu", w.node("Add", second, first)), 0.0, 5.0)
    pooled = w.node("MaxPool", joined, kernel_shape=[2, 2], strides=[2, 2])
    pooled = w.quantised(pooled, 0.0, 5.0)
    mean = w.quantised(w.node("GlobalAveragePool", pooled), 0.0, 3.0)
    flat = w.quantised(w.node("Flatten", mean), 0.0, 3.0)
    logits = w.node("Gemm", flat, w.weight("w3", CLASSES, 8), transB=1)
    logits = w.quantised(logits, -3.0, 3.0)
    return w.model(w.node("Softmax", logits) if softmax else logits)


def many_operators(seed: int) -> onnx.ModelProto:
    """A float network with shapes that are computed, views, functions and products."""
    w = Writer(np.random.default_rng(seed))
    x = w.node("Conv", "image", w.weight("w1", 8, 3, 3, 3), auto_pad="SAME_UPPER")
    norm = [w.constant(f"n{i}", np.full(8, v, np.float32)) for i, v in enumerate((1, 0, 0, 1))]
    x = w.node("HardSwish", w.node("BatchNormalization", x, *norm))
    gate = w.node("GlobalAveragePool", x)
    gate = w.node("Sigmoid", w.node("Conv", gate, w.weight("w2", 8, 8, 1, 1)))
    x = w.node("Mul", x, gate)
    axes = w.constant("axes", np.array([1]))
    low = w.node("Slice", x, w.constant("s0", np.array([0])), w.constant("s4", np.array([4])), axes)
    high = w.node("Slice", x, "s4", w.constant("s8", np.array([8])), axes)
    x = w.node("Concat", w.node("Mul", high, w.constant("two", np.float32(2))), low, axis=1)
    x = w.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    shape = w.node("Shape", x)
    index = w.constant("zero", np.array(0))
    first = w.node("Unsqueeze", w.node("Gather", shape, index), w.constant("a0", np.array([0])))
    wanted = w.node("Concat", first, w.constant("rest", np.array([-1])), axis=0)
    x = w.node("Reshape", x, wanted)
    x = w.node("MatMul", x, w.weight("w3", 128, CLASSES))
    return w.model(w.node("Add", x, w.constant("bias", np.zeros(CLASSES, np.float32))))
