"""Small random integer graphs with every operator and edge case."""

import numpy as np

from resarray.golden import fast, reference
from resarray.golden.graph import QGraph
from resarray.golden.ops import (
    QAdd,
    QConcat,
    QConv,
    QFunction,
    QGlobalAvgPool,
    QMaxPool,
    QMultiply,
    QSlice,
    QTensor,
    QUpsample,
)


class Builder:
    """Adds random operators to a graph; `head` names the newest tensor."""

    def __init__(self, seed: int, channels: int, height: int, width: int):
        self.rng = np.random.default_rng(seed)
        self.graph = QGraph("random", "input", ("input",))
        self.head = self.tensor("input", (channels, height, width))

    def tensor(self, name: str, shape, like: str | None = None) -> str:
        tensors = self.graph.tensors
        zero_point = int(self.rng.choice([-128, 127, 0, *self.rng.integers(-128, 128, 3)]))
        scale = 0.1
        if like is not None:
            scale, zero_point = tensors[like].scale, tensors[like].zero_point
        tensors[name] = QTensor(name, tuple(int(n) for n in shape), scale, zero_point)
        return name

    def emit(self, op) -> str:
        self.graph.ops.append(op)
        self.head = op.output
        self.graph.outputs = (op.output,)
        return op.output

    def new_name(self, kind: str) -> str:
        return f"{kind}{len(self.graph.ops)}"

    def clamp(self) -> tuple[int, int]:
        return tuple(sorted(int(v) for v in self.rng.choice([-128, 127, -20, 30], 2, False)))

    def conv(
        self,
        cout,
        kernel,
        stride=(1, 1),
        padding=(0, 0, 0, 0),
        residual=None,
        extreme=False,
        groups=1,
        dilation=(1, 1),
    ):
        x = self.graph.tensors[self.head]
        cin, height, width = x.shape
        shape = (
            cout,
            (height + sum(padding[:2]) - dilation[0] * (kernel[0] - 1) - 1) // stride[0] + 1,
            (width + sum(padding[2:]) - dilation[1] * (kernel[1] - 1) - 1) // stride[1] + 1,
        )
        name = self.new_name("conv")
        weight = self.rng.integers(-127, 128, (cout, cin // groups, *kernel))
        bias = self.rng.integers(-3000, 3000, cout)
        mult = self.rng.integers(1 << 16, 1 << 17, cout)
        shift = self.rng.integers(8, 14, cout)
        if extreme:
            weight = self.rng.choice([-127, 127], weight.shape)
            bias = self.rng.choice([-(1 << 29), 1 << 29, 0], cout)
            shift = self.rng.choice([0, 20, 63], cout)
            mult[0] = shift[0] = 0
        lo, hi = self.clamp()
        self.tensor(name, shape)
        return self.emit(
            QConv(
                name=name,
                input=self.head,
                output=name,
                weight=weight.astype(np.int8),
                bias=bias.astype(np.int32),
                mult=mult,
                shift=shift,
                stride=stride,
                dilation=dilation,
                padding=padding,
                lo=lo,
                hi=hi,
                residual=residual,
                res_mult=int(self.rng.integers(1 << 16, 1 << 17)) if residual else 0,
                res_shift=int(self.rng.integers(0, 9)) if residual else 0,
                groups=groups,
            )
        )

    def max_pool(self, kernel, stride=(2, 2), padding=(0, 0, 0, 0)):
        """``padding``: top, bottom, left, right."""
        channels, height, width = self.graph.tensors[self.head].shape
        top, bottom, left, right = padding
        rows = (height + top + bottom - kernel[0]) // stride[0] + 1
        columns = (width + left + right - kernel[1]) // stride[1] + 1
        name = self.new_name("pool")
        self.tensor(name, (channels, rows, columns), self.head)
        return self.emit(QMaxPool(name, self.head, name, kernel, stride, padding))

    def avg_pool(self):
        name = self.new_name("avg")
        self.tensor(name, (self.graph.tensors[self.head].shape[0], 1, 1))
        mult, shift = int(self.rng.integers(1 << 16, 1 << 17)), int(self.rng.integers(0, 6))
        return self.emit(QGlobalAvgPool(name, self.head, name, mult, shift))

    def add(self, residual):
        name = self.new_name("add")
        self.tensor(name, self.graph.tensors[self.head].shape)
        mults = [int(m) for m in self.rng.integers(1 << 16, 1 << 17, 2)]
        shifts = [int(self.rng.integers(0, 3)), int(self.rng.integers(2, 7))]
        lo, hi = self.clamp()
        return self.emit(
            QAdd(name, self.head, residual, name, mults[0], shifts[0], mults[1], shifts[1], lo, hi)
        )

    def function(self):
        name = self.new_name("function")
        self.tensor(name, self.graph.tensors[self.head].shape)
        table = self.rng.integers(-128, 128, 256).astype(np.int8)
        return self.emit(QFunction(name, self.head, name, table))

    def multiply(self, factor):
        """By a tensor of the head's shape, or [C, 1, 1]."""
        name = self.new_name("multiply")
        self.tensor(name, self.graph.tensors[self.head].shape)
        mult, shift = int(self.rng.integers(1 << 16, 1 << 17)), int(self.rng.integers(0, 12))
        return self.emit(QMultiply(name, self.head, factor, name, mult, shift, *self.clamp()))

    def concat(self, *operands):
        """Of tensors of one scale and zero point."""
        name, shapes = self.new_name("concat"), [self.graph.tensors[x].shape for x in operands]
        self.tensor(name, (sum(shape[0] for shape in shapes), *shapes[0][1:]), operands[0])
        return self.emit(QConcat(name, name, operands))

    def upsample(self, factor):
        channels, height, width = self.graph.tensors[self.head].shape
        name = self.new_name("upsample")
        self.tensor(name, (channels, height * factor[0], width * factor[1]), self.head)
        return self.emit(QUpsample(name, self.head, name, factor))

    def slice(self, first, channels):
        name = self.new_name("slice")
        self.tensor(name, (channels, *self.graph.tensors[self.head].shape[1:]), self.head)
        return self.emit(QSlice(name, self.head, name, first))

    def inputs(self, count: int) -> np.ndarray:
        shape = (count, *self.graph.tensors["input"].shape)
        x = self.rng.integers(-128, 128, shape)
        extremes = self.rng.choice([-128, 127], shape)
        return np.where(self.rng.random(shape) < 0.2, extremes, x).astype(np.int8)


def residual_network(seed: int) -> Builder:
    """Stem, max pool, a block with a fused addition, a strided block, a separate addition, average
    pool and classifier."""
    b = Builder(seed, 3, 9, 11)
    b.conv(5, (3, 3), (2, 2), (1, 1, 1, 1))
    pooled = b.max_pool((3, 3), padding=(1, 1, 1, 1))
    b.conv(5, (3, 3), padding=(1, 1, 1, 1))
    block = b.conv(5, (3, 3), padding=(1, 1, 1, 1), residual=pooled)
    b.add(pooled)
    b.add(block)
    b.conv(6, (1, 1), (2, 2))
    b.avg_pool()
    b.conv(4, (1, 1))
    return b


def check_references(builder: Builder, count: int = 2) -> None:
    """The fast reference equals the readable one on ``count`` random images."""
    inputs = builder.inputs(count)
    expected = reference.run(builder.graph, inputs)
    result = fast.run(builder.graph, inputs)
    assert result.keys() == expected.keys()
    for name, value in expected.items():
        assert result[name].dtype == np.int8
        np.testing.assert_array_equal(result[name], value, err_msg=name)
    output = fast.run(builder.graph, inputs, keep_all=False)
    assert list(output) == [builder.graph.output]
    np.testing.assert_array_equal(output[builder.graph.output], expected[builder.graph.output])
