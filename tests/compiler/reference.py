"""A small numpy evaluation of integer graphs, and random graphs to compile."""

from dataclasses import replace

import numpy as np

from resarray.compiler.ir import Layer
from resarray.compiler.lowering import Placed, lower
from resarray.compiler.placement import place
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
    QSlice,
    QTensor,
    QUpsample,
)
from resarray.spec.config import Config
from resarray.spec.layout import from_dict
from resarray.spec.numerics import GUARD_BITS, quantise_factor


def _requantise(total, mult, shift, zp, lo, hi, residual=0):
    fixed = ((total * mult) >> shift) + residual
    return np.clip(((fixed + (1 << (GUARD_BITS - 1))) >> GUARD_BITS) + zp, lo, hi).astype(np.int8)


def _windows(x, kernel, stride):
    """[C][Ho][Wo][kh][kw]"""
    view = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(1, 2))
    return view[:, :: stride[0], :: stride[1]]


def _residual(graph, op, values):
    if op.residual is None:
        return 0
    r = values[op.residual].astype(np.int64) - graph.tensors[op.residual].zero_point
    return ((r * op.res_mult) << 4) >> op.res_shift


def _conv(graph, op, values):
    x = values[op.input].astype(np.int64) - graph.tensors[op.input].zero_point
    top, bottom, left, right = op.padding
    x = x[:, max(-top, 0) : x.shape[1] - max(-bottom, 0)]
    x = x[:, :, max(-left, 0) : x.shape[2] - max(-right, 0)]
    x = np.pad(x, ((0, 0), *((max(a, 0), max(b, 0)) for a, b in ((top, bottom), (left, right)))))
    reach = [(k - 1) * d + 1 for k, d in zip(op.weight.shape[2:], op.dilation, strict=True)]
    windows = _windows(x, reach, op.stride).astype(np.float64)
    windows = windows[..., :: op.dilation[0], :: op.dilation[1]]
    parts = zip(np.split(op.weight, op.groups), np.split(windows, op.groups), strict=True)
    acc = np.concatenate(
        [np.tensordot(w.astype(np.float64), x, ([1, 2, 3], [0, 3, 4])) for w, x in parts]
    )
    total = acc.astype(np.int64) + np.asarray(op.bias, np.int64)[:, None, None]
    mult = np.asarray(op.mult, np.int64)[:, None, None]
    shift = np.asarray(op.shift, np.int64)[:, None, None]
    zp = graph.tensors[op.output].zero_point
    residual = _residual(graph, op, values)
    return _requantise(total, mult, shift, zp, op.lo, op.hi, residual)


def evaluate(graph: QGraph, x: np.ndarray, config: Config | None = None) -> dict[str, np.ndarray]:
    """Every tensor for input int8 [C][H][W]; with those that ``config`` needs beside them."""
    if config is not None:
        whole = evaluate(place(graph, config)[0], x)
        for name, value in evaluate(graph, x).items():
            np.testing.assert_array_equal(whole[name], value, name)
        return whole
    values = {graph.input: x}
    for op in graph.ops:
        zp_in, zp_out = (graph.tensors[n].zero_point for n in (op.input, op.output))
        if isinstance(op, QConv):
            out = _conv(graph, op, values)
        elif isinstance(op, QMaxPool):
            border = ((0, 0), op.padding[:2], op.padding[2:])
            padded = np.pad(values[op.input], border, constant_values=-128)
            out = _windows(padded, op.kernel, op.stride).max(axis=(3, 4))
        elif isinstance(op, QGlobalAvgPool):
            total = values[op.input].astype(np.int64).sum(axis=(1, 2), keepdims=True)
            _, h, w = graph.tensors[op.input].shape
            out = _requantise(total - h * w * zp_in, op.mult, op.shift, zp_out, -128, 127)
        elif isinstance(op, QFunction):
            out = op.table[values[op.input].astype(int) + 128]
        elif isinstance(op, QConstant):
            out = op.value
        elif isinstance(op, QConcat):
            out = np.concatenate([values[name] for name in op.operands])
        elif isinstance(op, QSlice):
            out = values[op.input][op.first :][: graph.tensors[op.output].shape[0]]
        elif isinstance(op, QUpsample):
            out = np.kron(values[op.input], np.ones((1, *op.factor), np.int8))
        elif isinstance(op, QMultiply):
            factor = values[op.factor].astype(np.int64) - graph.tensors[op.factor].zero_point
            total = (values[op.input].astype(np.int64) - zp_in) * factor
            out = _requantise(total, op.mult, op.shift, zp_out, op.lo, op.hi)
        elif isinstance(op, QAdd):
            total = values[op.input].astype(np.int64) - zp_in
            residual = _residual(graph, op, values)
            out = _requantise(total, op.mult, op.shift, zp_out, op.lo, op.hi, residual)
        assert out.shape == graph.tensors[op.output].shape, op.name
        values[op.output] = out
    return values


class Builder:
    """Builds random-weight graphs; every method returns the new tensor's name."""

    def __init__(self, seed: int, shape: tuple[int, int, int], name: str = "net"):
        self.rng = np.random.default_rng(seed)
        self.graph = QGraph(name, "x", ("x",))
        self._tensor("x", shape)

    def _tensor(self, name, shape, zero_point=None):
        zp = int(self.rng.integers(-128, 128)) if zero_point is None else zero_point
        self.graph.tensors[name] = QTensor(name, tuple(int(s) for s in shape), 0.05, zp)
        self.graph.outputs = (name,)
        return name

    def _op(self, op):
        self.graph.ops.append(op)
        return op.output

    def _new(self, kind):
        return f"{kind}{len(self.graph.ops)}"

    def conv(
        self,
        x,
        cout,
        kernel,
        stride=(1, 1),
        padding=(0, 0, 0, 0),
        residual=None,
        relu=True,
        groups=1,
        dilation=(1, 1),
    ):
        rng = self.rng
        cin, h, w = self.graph.tensors[x].shape
        ho = (h + padding[0] + padding[1] - dilation[0] * (kernel[0] - 1) - 1) // stride[0] + 1
        wo = (w + padding[2] + padding[3] - dilation[1] * (kernel[1] - 1) - 1) // stride[1] + 1
        name = self._new("conv")
        output = self._tensor(f"{name}.out", (cout, ho, wo))
        weight = rng.integers(-127, 128, (cout, cin // groups, *kernel)).astype(np.int8)
        spread = 74 * 74 * np.sqrt(cin // groups * kernel[0] * kernel[1])
        factors = [quantise_factor(f) for f in rng.uniform(20, 60, cout) / spread]
        res_mult, res_shift = quantise_factor(float(rng.uniform(0.2, 2)), 4) if residual else (0, 0)
        return self._op(
            QConv(
                name,
                x,
                output,
                weight,
                bias=rng.integers(-30000, 30000, cout).astype(np.int32),
                mult=np.array([m for m, _ in factors]),
                shift=np.array([s for _, s in factors]),
                stride=stride,
                padding=padding,
                dilation=dilation,
                lo=self.graph.tensors[output].zero_point if relu else -128,
                residual=residual,
                res_mult=res_mult,
                res_shift=res_shift,
                groups=groups,
            )
        )

    def max_pool(self, x, kernel, padding=0, stride=2):
        """``kernel`` and ``stride``: of both axes, or a pair; ``padding``: of all sides, or (top,
        bottom, left, right)."""
        kernel, stride = ((n, n) if isinstance(n, int) else n for n in (kernel, stride))
        padding = (padding,) * 4 if isinstance(padding, int) else padding
        c, h, w = self.graph.tensors[x].shape
        rows = (h + padding[0] + padding[1] - kernel[0]) // stride[0] + 1
        columns = (w + padding[2] + padding[3] - kernel[1]) // stride[1] + 1
        name = self._new("pool")
        output = self._tensor(f"{name}.out", (c, rows, columns), self.graph.tensors[x].zero_point)
        return self._op(QMaxPool(name, x, output, kernel, stride, padding))

    def concat(self, *xs):
        shapes = [self.graph.tensors[x].shape for x in xs]
        name = self._new("concat")
        shape = (sum(shape[0] for shape in shapes), *shapes[0][1:])
        output = self._op(QConcat(name, self._tensor(f"{name}.out", shape), tuple(xs)))
        share_zero_points(self.graph)
        return output

    def slice(self, x, first, count):
        shape = (count, *self.graph.tensors[x].shape[1:])
        name = self._new("slice")
        output = self._tensor(f"{name}.out", shape, self.graph.tensors[x].zero_point)
        return self._op(QSlice(name, x, output, first))

    def constant(self, shape):
        name = self._new("constant")
        output = self._tensor(f"{name}.out", shape)
        value = self.rng.integers(-128, 128, shape).astype(np.int8)
        return self._op(QConstant(name, self.graph.input, output, value))

    def upsample(self, x, factor):
        c, h, w = self.graph.tensors[x].shape
        name = self._new("upsample")
        shape = c, h * factor[0], w * factor[1]
        output = self._tensor(f"{name}.out", shape, self.graph.tensors[x].zero_point)
        return self._op(QUpsample(name, x, output, factor))

    def function(self, x):
        name = self._new("function")
        output = self._tensor(f"{name}.out", self.graph.tensors[x].shape)
        table = self.rng.integers(-128, 128, 256).astype(np.int8)
        return self._op(QFunction(name, x, output, table))

    def multiply(self, x, factor):
        name = self._new("multiply")
        output = self._tensor(f"{name}.out", self.graph.tensors[x].shape)
        mult, shift = quantise_factor(float(self.rng.uniform(0.2, 1.5)) / 100)
        return self._op(QMultiply(name, x, factor, output, mult, shift))

    def average(self, x):
        c, h, w = self.graph.tensors[x].shape
        name = self._new("average")
        output = self._tensor(f"{name}.out", (c, 1, 1))
        mult, shift = quantise_factor(float(self.rng.uniform(0.5, 1.5)) / (h * w))
        return self._op(QGlobalAvgPool(name, x, output, mult, shift))

    def add(self, x, residual):
        name = self._new("add")
        output = self._tensor(f"{name}.out", self.graph.tensors[x].shape)
        mult, shift = quantise_factor(float(self.rng.uniform(0.2, 1.5)))
        res_mult, res_shift = quantise_factor(float(self.rng.uniform(0.2, 1.5)), 4)
        return self._op(QAdd(name, x, residual, output, mult, shift, res_mult, res_shift))

    def input(self):
        shape = self.graph.tensors[self.graph.input].shape
        return self.rng.integers(-128, 128, shape).astype(np.int8)


# Of a random graph's operators, the usual ones more often.
KINDS = ["conv"] * 4 + ["residual", "pool", "pool", "average", "add", "multiply", "squeeze"]
KINDS += ["function", "slice", "concat", "concat", "constant", "upsample"]


def share_zero_points(graph: QGraph) -> None:
    """Those that operators hand on as they are become equal."""
    groups = {name: name for name in graph.tensors}
    for op in graph.ops:
        if isinstance(op, QMaxPool | QSlice | QConcat | QUpsample):
            joined = {groups[name] for name in (*op.inputs, op.output)}
            groups = {n: groups[op.output] if g in joined else g for n, g in groups.items()}
    for name, group in groups.items():
        zero_point = graph.tensors[group].zero_point
        graph.tensors[name] = replace(graph.tensors[name], zero_point=zero_point)


def layers_of(graph: QGraph, config: Config) -> list[Layer]:
    """The layers of ``graph`` before any pass."""
    return lower(Placed(*place(graph, config)))


def random_graph(seed: int) -> Builder:
    """One to four random operators on a random map."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.choice([1, 3, 4, 5, 8, 9, 16, 24])), *map(int, rng.integers(1, 40, 2)))
    b = Builder(seed + 10**6, shape)
    x, wanted = "x", int(rng.integers(1, 5))
    while len(b.graph.ops) < wanted:
        c, h, w = b.graph.tensors[x].shape
        same = [n for n, t in b.graph.tensors.items() if t.shape == (c, h, w)]
        kind = rng.choice(KINDS)
        if kind == "conv":
            x = _random_conv(b, rng, x)
        elif kind == "residual":
            # A convolution that keeps the shape, so that any tensor like its input is a residual.
            k = int(rng.choice([1, 3, 5]))
            x = b.conv(x, c, (k, k), padding=(k // 2,) * 4, residual=str(rng.choice(same)))
        elif kind == "pool":
            x = b.max_pool(x, *random_pool(rng, h, w))
        elif kind == "average":
            x = b.average(x)
        elif kind == "function":
            x = b.function(x)
        elif kind == "constant":
            x = rng.choice([b.add, b.multiply])(x, b.constant((c, h, w)))
        elif kind == "upsample" and max(h, w) <= 40:
            x = b.upsample(x, tuple(int(f) for f in rng.integers(1, 5, 2)))
        elif kind == "slice":
            first = int(rng.integers(c))
            x = b.slice(x, first, int(rng.integers(1, c - first + 1)))
        elif kind == "concat":
            of_size = [n for n, t in b.graph.tensors.items() if t.shape[1:] == (h, w) and n != "x"]
            if of_size:
                others = [str(n) for n in rng.choice(of_size, int(rng.integers(1, 4)))]
                x = b.concat(*others, *([x] if x != "x" else []))
        elif kind in ("add", "multiply"):
            vectors = [n for n, t in b.graph.tensors.items() if t.shape == (c, 1, 1)]
            other = str(rng.choice(vectors or same) if rng.random() < 0.5 else rng.choice(same))
            x = b.add(x, other) if kind == "add" else b.multiply(x, other)
        elif kind == "squeeze":
            x = b.multiply(x, b.function(b.conv(b.average(x), c, (1, 1), relu=False)))
    if rng.random() < 0.4:
        others = rng.choice([op.output for op in b.graph.ops], int(rng.integers(1, 3)))
        b.graph.outputs += tuple(map(str, others))
    return b


def random_pool(rng, height: int, width: int) -> tuple:
    """Kernel, padding and stride of a max pool that a map allows; half of them are as usual."""
    if rng.random() < 0.5 and min(height, width) >= 3:
        kernel = int(rng.integers(2, 4))
        return kernel, int(rng.integers(kernel - 1)), 2
    kernel = tuple(int(min(rng.integers(1, 4), size)) for size in (height, width))
    padding = tuple(int(rng.integers(kernel[side // 2])) for side in range(4))
    return kernel, padding, tuple(int(s) for s in rng.integers(1, 4, 2))


def _random_conv(b: Builder, rng, x: str) -> str:
    """A convolution of a random kernel, stride, dilation and padding that its map allows; often in
    groups, depthwise too."""
    cin, h, w = b.graph.tensors[x].shape
    cout = int(rng.choice([1, 4, 7, 8, 20, 33, 64, 70]))
    kernel = tuple(int(k) for k in rng.choice([1, 3, 5, 7], 2))
    stride = tuple(int(s) for s in rng.choice([1, 1, 1, 2, 2, 3, 4], 2))
    dilation = (1, 1)
    padding = tuple(int(p) for p in rng.integers(0, 5, 4))
    if rng.random() < 0.6:
        kernel, stride = (kernel[0],) * 2, (stride[0],) * 2
        padding = (kernel[0] // 2,) * 4
    elif rng.random() < 0.5:
        dilation = tuple(int(d) for d in rng.integers(1, 5, 2))
        if rng.random() < 0.3:  # some lines are cut off
            padding = tuple(int(p) for p in rng.integers(-3, 3, 4))
            left = h + min(padding[0], 0) + min(padding[1], 0)
            if min(left, w + min(padding[2], 0) + min(padding[3], 0)) < 1:
                padding = (0, 0, 0, 0)
    rows, columns = (d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    if h + padding[0] + padding[1] < rows or w + padding[2] + padding[3] < columns:
        kernel = (1, 1)
    relu = bool(rng.integers(2))
    if rng.random() < 0.3:
        cout = cin * int(rng.integers(1, 4))
    groups = 1
    if rng.random() < 0.5:
        groups = int(rng.choice([n for n in range(1, cin + 1) if cin % n == cout % n == 0]))
    return b.conv(x, cout, kernel, stride, padding, relu=relu, groups=groups, dilation=dilation)


def resnet18(size: int, seed: int = 0, classes: int = 1000) -> Builder:
    """A graph of ResNet-18's shape with random weights."""
    b = Builder(seed, (3, size, size), "resnet18")
    x = b.conv("x", 64, (7, 7), (2, 2), (3, 3, 3, 3))
    x = b.max_pool(x, 3, 1)
    for width, first in ((64, 1), (128, 2), (256, 2), (512, 2)):
        for stride in (first, 1):
            y = b.conv(x, width, (3, 3), (stride, stride), (1, 1, 1, 1))
            shortcut = x
            if stride == 2:
                shortcut = b.conv(x, width, (1, 1), (2, 2), relu=False)
            x = b.conv(y, width, (3, 3), (1, 1), (1, 1, 1, 1), residual=shortcut)
    x = b.average(x)
    b.conv(x, classes, (1, 1), relu=False)
    return b


def mismatches(image, memory, values) -> list[str]:
    """Stored tensors of a run that differ from ``values``: one dictionary of tensors per image."""
    wrong = []
    for entry in image.manifest["tensors"]:
        layout = from_dict(entry["layout"])
        flat = memory[entry["addr"] : entry["addr"] + layout.size].view(np.int8)
        if not np.array_equal(layout.unpack(flat), values[entry["image"]][entry["name"]]):
            wrong.append(f"{entry['name']} of image {entry['image']}")
    return wrong
