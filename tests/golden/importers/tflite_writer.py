"""TFLite files made by hand, and what LiteRT and resarray answer to them."""

from pathlib import Path

import flatbuffers
import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from resarray.golden import fast
from resarray.golden.graph import QGraph
from resarray.golden.importers.files import open_file
from resarray.golden.passes import simplify
from resarray.golden.quantise import quantise

KINDS = {
    np.dtype(name): getattr(schema.TensorType, name.upper())
    for name in ("float32", "float16", "int32", "uint8", "int64", "int16", "int8")
}
SAME, VALID = schema.Padding.SAME, schema.Padding.VALID
RELU, RELU6 = schema.ActivationFunctionType.RELU, schema.ActivationFunctionType.RELU6


class Writer:
    """A network that is written operator by operator; tensors are numbers.

    ``tensor`` makes one: shape with channels last, values that an operator makes or ``data``, scale
    and zero point or several along ``axis``. The first is the input.
    """

    def __init__(self):
        self.tensors, self.operators, self.codes = [], [], []
        self.buffers = [schema.BufferT()]

    def tensor(self, shape, scale=None, zero_point=0, *, data=None, kind=np.int8, axis=0, name=""):
        tensor = schema.TensorT()
        tensor.name = name or f"t{len(self.tensors)}"
        tensor.shape = np.array(shape, np.int32)
        tensor.type = KINDS[np.dtype(kind if data is None else data.dtype)]
        tensor.buffer = 0
        if data is not None:
            tensor.buffer = len(self.buffers)
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self.buffers.append(buffer)
        if scale is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = np.atleast_1d(np.float32(scale))
            points = np.broadcast_to(zero_point, tensor.quantization.scale.shape)
            tensor.quantization.zeroPoint = points.astype(np.int64)
            tensor.quantization.quantizedDimension = axis
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def integers(self, values):
        """A constant of int32."""
        values = np.array(values, np.int32)
        return self.tensor(values.shape, data=values)

    def operator(self, kind, inputs, outputs, options=None, custom=None):
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version, code.customCode = 1, custom
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.codes)
        operator.inputs = np.array(inputs, np.int32)
        operator.outputs = np.array(outputs, np.int32)
        if options is not None:
            name = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
            operator.builtinOptions = options
        self.codes.append(code)
        self.operators.append(operator)
        return outputs[0]

    def finish(self, outputs, inputs=(0,), graphs=1) -> bytes:
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        model = schema.ModelT()
        model.version, model.operatorCodes, model.buffers = 3, self.codes, self.buffers
        model.subgraphs = [graph] * graphs
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def load(path: Path, raw: bytes, calibration: torch.Tensor | None = None) -> QGraph:
    """The integer graph of a file of these bytes, put at ``path``."""
    path.write_bytes(raw)
    file = open_file(path)
    assert file.size is not None
    graph = simplify(file.read((file.channels, *file.size)))
    images = torch.zeros(1, *graph.shape) if calibration is None else calibration
    return quantise(graph, images)


def run(graph: QGraph, x: np.ndarray) -> list[np.ndarray]:
    """int8 [N][H][W][C] of each output for int8 [N][H][W][C]."""
    values = fast.run(graph, np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
    return [values[name].transpose(0, 2, 3, 1) for name in graph.outputs]


def run_litert(raw: bytes, x: np.ndarray) -> list[np.ndarray]:
    """What LiteRT answers to one image after the other, [N][...] of each output; ``x`` in the
    file's own type."""
    interpreter = Interpreter(model_content=raw, num_threads=1)
    interpreter.allocate_tensors()
    (given,), made = interpreter.get_input_details(), interpreter.get_output_details()
    answers = []
    for image in x:
        interpreter.set_tensor(given["index"], image.reshape(given["shape"]))
        interpreter.invoke()
        answers.append([interpreter.get_tensor(output["index"])[0] for output in made])
    return [np.stack(values) for values in zip(*answers, strict=True)]


def difference(graph: QGraph, raw: bytes, x: np.ndarray) -> int:
    """By how many steps resarray and LiteRT differ at most for int8 [N][H][W][C]."""
    ours, theirs = run(graph, x), run_litert(raw, x)
    assert len(ours) == len(theirs)
    return max(
        int(np.abs(a.reshape(b.shape).astype(int) - b).max())
        for a, b in zip(ours, theirs, strict=True)
    )
