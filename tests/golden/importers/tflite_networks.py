"""Networks of ours as TFLite files of full integers, as TensorFlow's converter would write them."""

import numpy as np
import torch

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import FloatAdd, FloatConv, FloatGlobalAvgPool, FloatOp, QTensor
from resarray.golden.ops.conv import quantise_weights
from resarray.golden.quantise import calibrate, quantised_tensors

from .tflite_writer import RELU, SAME, VALID, Writer, schema


def written(graph: FloatGraph, images: torch.Tensor, softmax: bool = False) -> bytes:
    """A simplified residual network, its ranges measured on float ``images`` [N][C][H][W].

    Selecting convolutions become STRIDED_SLICE and PAD, the mean AVERAGE_POOL_2D and RESHAPE, the
    linear layer FULLY_CONNECTED.
    """
    tensors = quantised_tensors(graph, calibrate(graph, images))
    network = _Network(graph, tensors)
    for op in graph.ops:
        network.write(op)
    output = network.numbers[graph.output]
    if softmax:
        shape = network.writer.tensors[output].shape
        made = network.writer.tensor(shape, 1 / 256, -128, name="softmax")
        options = schema.SoftmaxOptionsT(beta=1.0)
        output = network.writer.operator("SOFTMAX", (output,), (made,), options)
    return network.writer.finish((output,))


class _Network:
    def __init__(self, graph: FloatGraph, tensors: dict[str, QTensor]):
        self.graph, self.tensors = graph, tensors
        self.writer = Writer()
        self.numbers = {graph.input: self._made(graph.input)}

    def write(self, op: FloatOp) -> None:
        if isinstance(op, FloatAdd):
            assert op.lo == 0 and op.hi == np.inf
            inputs = [self.numbers[name] for name in op.inputs]
            options = schema.AddOptionsT(fusedActivationFunction=RELU)
            self.writer.operator("ADD", inputs, (self._made(op.output),), options)
        elif isinstance(op, FloatGlobalAvgPool):
            self._mean(op)
        elif isinstance(op, FloatConv) and op.selects:
            self._select(op)
        elif isinstance(op, FloatConv) and op.op == "linear":
            self._linear(op)
        else:
            assert isinstance(op, FloatConv) and op.groups == 1
            self._conv(op)

    def _made(self, name: str, shape: tuple[int, ...] | None = None) -> int:
        """The tensor ``name``, or one on its grid of another shape."""
        tensor = self.tensors[name]
        channels, height, width = tensor.shape
        number = self.writer.tensor(
            shape or (1, height, width, channels), tensor.scale, tensor.zero_point, name=name
        )
        if shape is None and hasattr(self, "numbers"):
            self.numbers[name] = number
        return number

    def _weights(self, op: FloatConv) -> tuple[int, int]:
        scale_x = self.tensors[op.inputs[0]].scale
        weight, bias, scale = quantise_weights(op, scale_x)
        weight = weight[:, :, 0, 0] if op.op == "linear" else weight.transpose(0, 2, 3, 1)
        return (
            self.writer.tensor(weight.shape, scale, data=weight, name=f"{op.name}.weight"),
            self.writer.tensor(bias.shape, scale * scale_x, data=bias, name=f"{op.name}.bias"),
        )

    def _conv(self, op: FloatConv) -> None:
        """With equal padding on both sides, which SAME has only without a stride."""
        x = self.numbers[op.inputs[0]]
        top, bottom, left, right = op.padding
        padding = VALID
        if op.stride == (1, 1) and any(op.padding):
            padding = SAME
        elif any(op.padding):
            channels, height, width = self.graph.shapes[op.inputs[0]]
            shape = (1, height + top + bottom, width + left + right, channels)
            x = self._pad(op, x, [(0, 0), (top, bottom), (left, right), (0, 0)], shape)
        options = schema.Conv2DOptionsT(
            padding=padding,
            strideH=op.stride[0],
            strideW=op.stride[1],
            dilationHFactor=1,
            dilationWFactor=1,
            fusedActivationFunction=RELU if op.clamps else 0,
        )
        inputs = (x, *self._weights(op))
        self.writer.operator("CONV_2D", inputs, (self._made(op.output),), options)

    def _pad(self, op: FloatConv, x: int, amounts, shape: tuple[int, ...]) -> int:
        padded = self._made(op.inputs[0], shape)
        return self.writer.operator(
            "PAD", (x, self.writer.integers(amounts)), (padded,), schema.PadOptionsT()
        )

    def _select(self, op: FloatConv) -> None:
        """Every so many pixels, and channels of zeros around the map's."""
        channels, height, width = self.graph.shapes[op.output]
        given = op.weight.shape[1]
        before = int(op.weight[:, 0, 0, 0].argmax())
        numbers = [
            [0, 0, 0, 0],
            [1, *self.graph.shapes[op.inputs[0]][1:], given],
            [1, *op.stride, 1],
        ]
        part = self._made(op.inputs[0], (1, height, width, given))
        self.writer.operator(
            "STRIDED_SLICE",
            (self.numbers[op.inputs[0]], *map(self.writer.integers, numbers)),
            (part,),
            schema.StridedSliceOptionsT(),
        )
        amounts = [(0, 0), (0, 0), (0, 0), (before, channels - given - before)]
        self.numbers[op.output] = self._pad(op, part, amounts, (1, height, width, channels))

    def _mean(self, op: FloatOp) -> None:
        """On the grid of the map, as TFLite's average pool has it."""
        channels, height, width = self.graph.shapes[op.inputs[0]]
        pooled = self._made(op.inputs[0], (1, 1, 1, channels))
        options = schema.Pool2DOptionsT(
            padding=VALID, filterHeight=height, filterWidth=width, strideH=1, strideW=1
        )
        self.writer.operator("AVERAGE_POOL_2D", (self.numbers[op.inputs[0]],), (pooled,), options)
        self.tensors[op.output] = self.tensors[op.inputs[0]]
        flat = self._made(op.inputs[0], (1, channels))
        shape = self.writer.integers([-1, channels])
        self.writer.operator("RESHAPE", (pooled, shape), (flat,), schema.ReshapeOptionsT())
        self.numbers[op.output] = flat

    def _linear(self, op: FloatConv) -> None:
        inputs = (self.numbers[op.inputs[0]], *self._weights(op))
        made = self._made(op.output, (1, len(op.weight)))
        self.numbers[op.output] = made
        self.writer.operator("FULLY_CONNECTED", inputs, (made,), schema.FullyConnectedOptionsT())
