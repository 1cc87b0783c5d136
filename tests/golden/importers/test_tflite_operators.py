"""Each operator of TFLite alone: a small random int8 file, LiteRT's answer and ours.

RESARRAY_TFLITE_OPERATORS=100 draws so many of each, from the seed RESARRAY_SEED on; a failure
prints its seed.
"""

import os

import numpy as np
import pytest

pytest.importorskip("tflite", reason="no package tflite: pip install -e '.[tflite]'")
pytest.importorskip("ai_edge_litert", reason="no package ai-edge-litert: pip install -e '.[dev]'")

from resarray.spec.errors import ResarrayError

from .tflite_writer import RELU, RELU6, SAME, VALID, Writer, difference, load, schema

pytestmark = pytest.mark.verifies("front-ends", by="unit")

SEED = int(os.environ.get("RESARRAY_SEED", "0"))
COUNT = int(os.environ.get("RESARRAY_TFLITE_OPERATORS", "3"))
IMAGES = 4


class Draw:
    """A file of one operator with an int8 input [1, H, W, C], drawn by a seed."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.writer = Writer()
        self.shape = (1, *(int(self.rng.integers(3, 9)) for _ in range(3)))
        self.scale = float(self.rng.uniform(0.01, 0.1))
        self.zero_point = int(self.rng.integers(-100, 100))
        self.x = self.writer.tensor(self.shape, self.scale, self.zero_point, name="x")

    def moved(self):
        """The input behind a ReLU: what is moved only must not be the input itself."""
        y = self.alike(self.shape)
        return self.writer.operator("RELU", (self.x,), (y,))

    def pick(self, *values):
        return values[int(self.rng.integers(len(values)))]

    def activation(self):
        return self.pick(0, RELU, RELU6, schema.ActivationFunctionType.RELU_N1_TO_1)

    def result(self, shape, scale, zero_point=None):
        """A result of this scale or somewhat more."""
        scale = scale * float(self.rng.uniform(0.9, 1.5))
        point = int(self.rng.integers(-60, 60)) if zero_point is None else zero_point
        return self.writer.tensor(shape, scale, point, name="y")

    def alike(self, shape):
        """A result on the input's grid."""
        return self.writer.tensor(shape, self.scale, self.zero_point, name="y")

    def make(self, kind, inputs, outputs, options=None):
        self.writer.operator(kind, inputs, outputs, options)
        return self.writer.finish(outputs)

    def weights(self, shape, axis):
        """Weights, their scales and a bias."""
        channels = shape[axis]
        scale = self.rng.uniform(0.001, 0.01, channels if self.rng.random() < 0.8 else 1)
        scale = scale.astype(np.float32)
        values = self.rng.integers(-127, 128, shape).astype(np.int8)
        bias = self.rng.integers(-3000, 3000, channels).astype(np.int32)
        zeros = np.zeros(len(scale), int)
        number = self.writer.tensor(shape, scale, zeros, data=values, axis=axis)
        return number, self.writer.tensor((channels,), scale * self.scale, zeros, data=bias)

    def constant(self, shape):
        scale, point = float(self.rng.uniform(0.005, 0.02)), int(self.rng.integers(-60, 60))
        values = self.rng.integers(-128, 128, shape).astype(np.int8)
        return self.writer.tensor(shape, scale, point, data=values)

    def windows(self, kernel, stride, dilation=(1, 1)):
        """(padding, height, width) of the result."""
        reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
        fits = all(r <= size for r, size in zip(reach, self.shape[1:3], strict=True))
        padding = self.pick(SAME, VALID) if fits else SAME
        sizes = [
            -(-size // s) if padding == SAME else (size - r) // s + 1
            for size, r, s in zip(self.shape[1:3], reach, stride, strict=True)
        ]
        return padding, *sizes

    def sizes(self, low, high):
        return tuple(int(value) for value in self.rng.integers(low, high, 2))


def _conv(d, kind="CONV_2D"):
    kernel, channels = d.sizes(1, 4), int(d.rng.integers(1, 7))
    stride, dilation = d.sizes(1, 3), d.sizes(1, 3)
    stride = stride if dilation == (1, 1) else (1, 1)
    padding, height, width = d.windows(kernel, stride, dilation)
    options = {
        "padding": padding,
        "strideH": stride[0],
        "strideW": stride[1],
        "dilationHFactor": dilation[0],
        "dilationWFactor": dilation[1],
        "fusedActivationFunction": d.activation(),
    }
    if kind == "CONV_2D":
        weights = d.weights((channels, *kernel, d.shape[3]), 0)
        made = schema.Conv2DOptionsT(**options)
    else:
        stride = (stride[0], stride[0])  # all that TFLite's kernel takes
        padding, height, width = d.windows(kernel, stride, dilation)
        multiplier = d.pick(1, 1, 2)
        channels = d.shape[3] * multiplier
        weights = d.weights((1, *kernel, channels), 3)
        options |= {"padding": padding, "strideW": stride[1]}
        made = schema.DepthwiseConv2DOptionsT(**options, depthMultiplier=multiplier)
    y = d.result((1, height, width, channels), 0.06)
    return d.make(kind, (d.x, *weights), (y,), made)


def _depthwise(d):
    return _conv(d, "DEPTHWISE_CONV_2D")


def _linear(d):
    flat = d.alike((1, int(np.prod(d.shape))))
    d.writer.operator("RESHAPE", (d.x, d.writer.integers([1, -1])), (flat,))
    channels = int(d.rng.integers(1, 7))
    weights = d.weights((channels, int(np.prod(d.shape))), 0)
    options = schema.FullyConnectedOptionsT(fusedActivationFunction=d.activation())
    return d.make("FULLY_CONNECTED", (flat, *weights), (d.result((1, channels), 0.1),), options)


def _other(d):
    """A second map, which both make alike of the first one."""
    options = schema.Pool2DOptionsT(
        padding=SAME, filterHeight=2, filterWidth=2, strideH=1, strideW=1
    )
    return d.writer.operator("MAX_POOL_2D", (d.x,), (d.alike(d.shape),), options)


def _operand(d):
    shapes = ((d.shape[3],), (1, 1, 1, d.shape[3]), d.shape, ())
    return d.pick(_other, lambda d: d.constant(d.pick(*shapes)))(d)


def _add(d):
    options = schema.AddOptionsT(fusedActivationFunction=d.activation())
    return d.make("ADD", (d.x, _operand(d)), (d.result(d.shape, 0.08),), options)


def _sub(d):
    options = schema.SubOptionsT(fusedActivationFunction=d.activation())
    return d.make("SUB", (d.x, _operand(d)), (d.result(d.shape, 0.08),), options)


def _mul(d):
    options = schema.MulOptionsT(fusedActivationFunction=d.activation())
    return d.make("MUL", (d.x, _operand(d)), (d.result(d.shape, 0.08),), options)


def _average_pool(d, kind="AVERAGE_POOL_2D"):
    kernel, stride = d.sizes(1, 4), d.sizes(1, 3)
    padding, height, width = d.windows(kernel, stride)
    options = schema.Pool2DOptionsT(
        padding=padding,
        filterHeight=kernel[0],
        filterWidth=kernel[1],
        strideH=stride[0],
        strideW=stride[1],
        fusedActivationFunction=d.activation(),
    )
    return d.make(kind, (d.x,), (d.alike((1, height, width, d.shape[3])),), options)


def _max_pool(d):
    return _average_pool(d, "MAX_POOL_2D")


def _mean(d):
    axes = d.pick((1, 2), (1,), (2,), (-2, -3))
    keep = bool(d.rng.integers(2)) or len(axes) == 1
    shape = [1 if i in axes or i - 4 in axes else size for i, size in enumerate(d.shape)]
    shape = shape if keep else [1, d.shape[3]]
    y = d.result(shape, d.scale)
    options = schema.ReducerOptionsT(keepDims=keep)
    return d.make("MEAN", (d.x, d.writer.integers(axes)), (y,), options)


def _squeeze(d):
    """The mean of the map, which a squeeze and its opposite leave as it is."""
    scale, point = d.scale * 1.1, int(d.rng.integers(-60, 60))
    mean, flat, y = (
        d.writer.tensor(shape, scale, point)
        for shape in ((1, 1, 1, d.shape[3]), (1, d.shape[3]), (1, 1, d.shape[3]))
    )
    options = schema.ReducerOptionsT(keepDims=True)
    d.writer.operator("MEAN", (d.x, d.writer.integers([1, 2])), (mean,), options)
    d.writer.operator("SQUEEZE", (mean,), (flat,), schema.SqueezeOptionsT(squeezeDims=[1, 2]))
    return d.make("EXPAND_DIMS", (flat, d.writer.integers(1)), (y,), schema.ExpandDimsOptionsT())


def _pad(d):
    amounts = np.zeros((4, 2), int)
    amounts[1:3] = d.rng.integers(0, 3, (2, 2))
    if d.rng.random() < 0.5:
        amounts[3] = d.rng.integers(0, 4, 2)
    y = d.alike([size + int(sum(pair)) for size, pair in zip(d.shape, amounts, strict=True)])
    return d.make("PAD", (d.moved(), d.writer.integers(amounts)), (y,), schema.PadOptionsT())


def _pad_v2(d):
    """Lowest values in front of a max pool."""
    shape = (1, d.shape[1] + 2, d.shape[2] + 2, d.shape[3])
    padded, lowest = d.alike(shape), np.array([-128], np.int8)
    value = d.writer.tensor((1,), d.scale, d.zero_point, data=lowest)
    amounts = d.writer.integers([[0, 0], [1, 1], [1, 1], [0, 0]])
    d.writer.operator("PADV2", (d.moved(), amounts, value), (padded,), schema.PadV2OptionsT())
    options = schema.Pool2DOptionsT(
        padding=VALID, filterHeight=3, filterWidth=3, strideH=1, strideW=1
    )
    return d.make("MAX_POOL_2D", (padded,), (d.alike(d.shape),), options)


def _concatenation(d):
    y = d.alike((*d.shape[:3], 2 * d.shape[3]))
    options = schema.ConcatenationOptionsT(axis=d.pick(3, -1))
    return d.make("CONCATENATION", (_other(d), d.x), (y,), options)


def _function(kind, scale, zero_point, options=None):
    def make(d):
        y = d.writer.tensor(d.shape, scale, zero_point)
        return d.make(kind, (d.x,), (y,), options)

    return make


def _result(kind, options=None):
    def make(d):
        x = d.moved() if kind == "QUANTIZE" else d.x
        return d.make(kind, (x,), (d.result(d.shape, d.scale),), options)

    return make


def _prelu(d):
    slopes = d.constant(d.pick((1, 1, d.shape[3]), (1, 1, 1), d.shape[1:]))
    return d.make("PRELU", (d.x, slopes), (d.result(d.shape, d.scale * 2),))


def _strided_slice(d):
    step, first = d.sizes(1, 3), int(d.rng.integers(0, d.shape[3] - 1))
    starts = d.writer.integers([0, 0, 1, first])
    ends, steps = d.writer.integers([1, *d.shape[1:]]), d.writer.integers([1, *step, 1])
    sizes = (-(-d.shape[1] // step[0]), -(-(d.shape[2] - 1) // step[1]), d.shape[3] - first)
    options = schema.StridedSliceOptionsT(beginMask=d.pick(0, 3), endMask=d.pick(0, 15))
    return d.make(
        "STRIDED_SLICE", (d.moved(), starts, ends, steps), (d.alike((1, *sizes)),), options
    )


def _slice(d):
    first = [0, *(int(d.rng.integers(0, size)) for size in d.shape[1:])]
    sizes = [size - start for size, start in zip(d.shape, first, strict=True)]
    given = d.writer.integers([1, sizes[1], d.pick(-1, sizes[2]), -1])
    return d.make(
        "SLICE",
        (d.moved(), d.writer.integers(first), given),
        (d.alike(sizes),),
        schema.SliceOptionsT(),
    )


def _split(d):
    d.shape = (*d.shape[:3], 6)
    d.writer.tensors[d.x].shape = np.array(d.shape, np.int32)
    parts = [d.alike((*d.shape[:3], 3)) for _ in range(2)]
    return d.make(
        "SPLIT", (d.writer.integers(3), d.moved()), parts, schema.SplitOptionsT(numSplits=2)
    )


def _split_v(d):
    parts = [d.alike((*d.shape[:3], size)) for size in (1, d.shape[3] - 1)]
    sizes = d.writer.integers([1, -1])
    options = schema.SplitVOptionsT(numSplits=2)
    return d.make("SPLIT_V", (d.moved(), sizes, d.writer.integers(3)), parts, options)


def _resize(d):
    factor = d.sizes(1, 5)
    sizes = [size * f for size, f in zip(d.shape[1:3], factor, strict=True)]
    options = schema.ResizeNearestNeighborOptionsT(halfPixelCenters=bool(d.rng.integers(2)))
    y = d.alike((1, *sizes, d.shape[3]))
    return d.make("RESIZE_NEAREST_NEIGHBOR", (d.moved(), d.writer.integers(sizes)), (y,), options)


# Operator -> what draws a file of it, and steps by which the answers may differ.
OPERATORS = {
    "CONV_2D": (_conv, 1),
    "DEPTHWISE_CONV_2D": (_depthwise, 1),
    "FULLY_CONNECTED": (_linear, 1),
    "ADD": (_add, 1),
    "SUB": (_sub, 1),
    "MUL": (_mul, 1),
    "AVERAGE_POOL_2D": (_average_pool, 2),
    "MAX_POOL_2D": (_max_pool, 0),
    "MEAN": (_mean, 1),
    "SQUEEZE": (_squeeze, 1),
    "PAD": (_pad, 0),
    "PADV2": (_pad_v2, 0),
    "CONCATENATION": (_concatenation, 0),
    "RELU": (_result("RELU"), 1),
    "RELU6": (_result("RELU6"), 1),
    "RELU_N1_TO_1": (_result("RELU_N1_TO_1"), 1),
    "LEAKY_RELU": (_result("LEAKY_RELU", schema.LeakyReluOptionsT(alpha=0.2)), 1),
    "PRELU": (_prelu, 1),
    "ELU": (_result("ELU"), 1),
    "LOGISTIC": (_function("LOGISTIC", 1 / 256, -128), 1),
    "TANH": (_function("TANH", 1 / 128, 0), 1),
    "HARD_SWISH": (_result("HARD_SWISH"), 1),
    "QUANTIZE": (_result("QUANTIZE", schema.QuantizeOptionsT()), 1),
    "STRIDED_SLICE": (_strided_slice, 0),
    "SLICE": (_slice, 0),
    "SPLIT": (_split, 0),
    "SPLIT_V": (_split_v, 0),
    "RESIZE_NEAREST_NEIGHBOR": (_resize, 0),
}


def test_a_slope_for_each_value(tmp_path):
    draw = Draw(SEED)
    y = draw.result(draw.shape, draw.scale * 2)
    raw = draw.make("PRELU", (draw.x, draw.constant(draw.shape[1:])), (y,))
    x = draw.rng.integers(-128, 128, (IMAGES, *draw.shape[1:])).astype(np.int8)
    assert difference(load(tmp_path / "a.tflite", raw), raw, x) <= 1


@pytest.mark.parametrize("shape", [(1, 4, 1), (4, 1), (1, 4), (1, 1, 4), (4,)])
@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul"])
def test_a_vector_that_spreads_over_a_map_as_wide_as_it(kind, shape, tmp_path):
    """Over the last dimension: with one of 1 there it would be over columns."""
    draw = Draw(SEED)
    writer, draw.shape = draw.writer, (1, 5, 4, 4)
    writer.tensors[draw.x].shape = np.array(draw.shape, np.int32)
    mean, vector = (draw.alike(each) for each in ((1, 1, 1, 4), shape))
    options = schema.ReducerOptionsT(keepDims=True)
    writer.operator("MEAN", (draw.x, writer.integers([1, 2])), (mean,), options)
    writer.operator("RESHAPE", (mean, writer.integers(shape)), (vector,))
    made = getattr(schema, f"{kind}OptionsT")()
    y = draw.result(draw.shape, 0.1)
    raw = draw.make(kind.upper(), (draw.x, vector), (y,), made)
    if shape[-1] == 1:
        with pytest.raises(ResarrayError, match="channels must be the last dimension of both"):
            load(tmp_path / "a.tflite", raw)
        return
    x = draw.rng.integers(-128, 128, (IMAGES, *draw.shape[1:])).astype(np.int8)
    assert difference(load(tmp_path / "a.tflite", raw), raw, x) <= 2  # a step of the mean


@pytest.mark.parametrize("seed", range(SEED, SEED + COUNT))
@pytest.mark.parametrize("kind", OPERATORS)
def test_one_operator_answers_as_litert_does(kind, seed, tmp_path):
    draw = Draw(seed)
    make, steps = OPERATORS[kind]
    raw = make(draw)
    graph = load(tmp_path / "a.tflite", raw)
    x = draw.rng.integers(-128, 128, (IMAGES, *draw.shape[1:])).astype(np.int8)
    assert difference(graph, raw, x) <= steps
