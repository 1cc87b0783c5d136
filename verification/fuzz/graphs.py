"""Random integer graphs of all operators, and what makes their values extreme."""

import random
from dataclasses import replace
from typing import Any

import numpy as np

from ...golden.graph import QGraph
from ...golden.ops import (
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
from ...spec import numerics as n
from ...spec.numerics import quantise_factor

TOP_MULT = (1 << n.MULT_BITS) - 1
MAP_SIDE = 40


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
KINDS = (
    ["conv"] * 4
    + ["tiled"] * 4
    + ["residual", "pool", "pool", "average", "add", "multiply", "squeeze"]
)
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


def random_graph(seed: int, side: int = MAP_SIDE) -> Builder:
    """One to four random operators on a random map of less than ``side`` pixels square."""
    rng = np.random.default_rng(seed)
    channels = int(rng.choice([1, 3, 4, 5, 8, 9, 16, 24]))
    height, width = map(int, rng.integers(1, side, 2))
    shape = channels, height, width
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
        elif kind == "tiled":
            x = _tiled_conv(b, rng, x, same)
        elif kind == "pool":
            x = b.max_pool(x, *random_pool(rng, h, w))
        elif kind == "average":
            x = b.average(x)
        elif kind == "function":
            x = b.function(x)
        elif kind == "constant":
            x = (b.add, b.multiply)[rng.integers(2)](x, b.constant((c, h, w)))
        elif kind == "upsample" and max(h, w) <= MAP_SIDE:
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
        more = rng.choice([op.output for op in b.graph.ops], int(rng.integers(1, 3)))
        b.graph.outputs += tuple(map(str, more))
    return b


def random_pool(rng, height: int, width: int) -> tuple:
    """Kernel, padding and stride of a max pool that a map allows; half of them are as usual."""
    if rng.random() < 0.5 and min(height, width) >= 3:
        kernel = int(rng.integers(2, 4))
        return kernel, int(rng.integers(kernel - 1)), 2
    kernels = [int(min(rng.integers(1, 4), size)) for size in (height, width)]
    padding = tuple(int(rng.integers(kernels[side // 2])) for side in range(4))
    return tuple(kernels), padding, tuple(int(s) for s in rng.integers(1, 4, 2))


def _random_conv(b: Builder, rng, x: str) -> str:
    """A convolution of a random kernel, stride, dilation and padding that its map allows; often in
    groups, depthwise too."""
    cin, h, w = b.graph.tensors[x].shape
    cout = int(rng.choice([1, 4, 7, 8, 20, 33, 64, 70]))
    kernel: tuple[int, ...] = tuple(int(k) for k in rng.choice([1, 3, 5, 7], 2))
    stride = tuple(int(s) for s in rng.choice([1, 1, 1, 2, 2, 3, 4], 2))
    dilation: tuple[int, ...] = (1, 1)
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


def _tiled_conv(b: Builder, rng, x: str, same: list[str]) -> str:
    """A convolution three wide at stride 1, which Winograd's tiles may compute: of any rows, with
    and without a residual; often a pool or an average behind it."""
    cin, h, w = b.graph.tensors[x].shape
    kh = int(rng.choice([1, 3, 3, 3, 5]))
    side = 1 if w < 3 or rng.random() < 0.7 else 0
    top = kh // 2 if h < kh or rng.random() < 0.7 else 0
    padding = (top, top, side, side)
    sy = int(rng.choice([1, 1, 1, 2]))
    keeps = sy == 1 and side == 1 and 2 * top == kh - 1
    if keeps and rng.random() < 0.4:
        x = b.conv(x, cin, (kh, 3), padding=padding, residual=str(rng.choice(same)))
    else:
        cout = int(rng.choice([1, 4, 7, 8, 20, 33]))
        x = b.conv(x, cout, (kh, 3), (sy, 1), padding, relu=bool(rng.integers(2)))
    behind = rng.random()
    if behind < 0.25:
        x = b.max_pool(x, *random_pool(rng, *b.graph.tensors[x].shape[1:]))
    elif behind < 0.35:
        x = b.average(x)
    elif behind < 0.45:
        x = b.function(x)
    return x


def large(seed: int, rng: random.Random) -> Builder:
    """The longest sums, the largest maps, the widest layers, one at a time."""
    kind = rng.choice(["sum", "map", "average", "linear", "wide"])
    if kind == "sum":  # 65,536 products
        b = Builder(seed, (rng.choice([1024, 4096]), 4, 4))
        kernel = 8 if b.graph.tensors["x"].shape[0] == 1024 else 4
        b.conv("x", 3, (kernel, kernel), padding=(2, 2, 2, 2))
    elif kind == "map":
        b = Builder(seed, (rng.choice([1, 3]), *rng.choice([(1, 1023), (1023, 3), (200, 300)])))
        b.conv("x", 4, (1, 1), (rng.choice([1, 2]), rng.choice([1, 2])))
    elif kind == "average":
        b = Builder(seed, (2, *rng.choice([(400, 400), (1023, 60), (7, 1023)])))
        b.average("x")
    elif kind == "linear":
        b = Builder(seed, (rng.choice([4100, 9000]), 1, 1))
        b.conv("x", 9, (1, 1), relu=False)
    else:
        b = Builder(seed, (5, 6, 7))
        b.conv("x", 600, (3, 3), padding=(1, 1, 1, 1))
    return b


def extreme(b: Builder, rng: random.Random) -> None:
    """Weights, biases, factors, zero points and clamps at the ends of their ranges."""
    graph = b.graph
    for name, tensor in list(graph.tensors.items()):
        if rng.random() < 0.5:
            graph.tensors[name] = replace(tensor, zero_point=rng.choice([-128, 127]))
    share_zero_points(graph)
    for index, op in enumerate(graph.ops):
        changes: dict = {}
        if isinstance(op, QConv):
            changes = _extreme_conv(graph, op, rng)
        if isinstance(op, QConv | QAdd | QMultiply) and rng.random() < 0.3:
            changes["lo"], changes["hi"] = sorted(
                rng.choices([-128, 127, 0, rng.randint(-128, 127)], k=2)
            )
        if isinstance(op, QAdd | QMultiply) and rng.random() < 0.5:
            changes |= {"mult": TOP_MULT, "shift": rng.choice([0, 10, 63])}
        if getattr(op, "residual", None) is not None and rng.random() < 0.5:
            changes |= {"res_mult": TOP_MULT, "res_shift": rng.choice([0, 10, 63])}
        graph.ops[index] = replace(op, **changes)  # type: ignore[type-var]


def _extreme_conv(graph, op: QConv, rng: random.Random) -> dict:
    changes: dict = {}
    weight = op.weight
    if rng.random() < 0.6:
        both = np.random.default_rng(rng.randrange(1 << 30)).choice([-1, 1], weight.shape)
        signs: dict[str, Any] = {"up": 1, "down": -1, "both": both}
        weight = changes["weight"] = np.full(
            weight.shape, 127 * signs[rng.choice(["up", "down", "both"])], np.int8
        )
    if rng.random() < 0.5:  # the largest bias that the sums leave room for
        flat = weight.astype(np.int64).reshape(len(weight), -1)
        zero_point = graph.tensors[op.input].zero_point
        most, least = 127 - zero_point, -128 - zero_point
        up, down = np.maximum(flat, 0).sum(1), np.minimum(flat, 0).sum(1)
        if rng.random() < 0.5:
            bias = (1 << 31) - 1 - (up * most + down * least)
        else:
            bias = -(1 << 31) - (up * least + down * most)
        changes["bias"] = bias
    if rng.random() < 0.5:
        size = len(weight)
        changes["mult"] = np.array(rng.choices([TOP_MULT, 1 << 16, 0, 1], k=size))
        changes["shift"] = np.array(rng.choices([0, 5, 14, 31, 63], k=size))
    return changes


def images(b: Builder, batch: int, rng: random.Random) -> np.ndarray:
    """int8 [batch][C][H][W], often at the ends of the range."""
    shape = (batch, *b.graph.tensors[b.graph.input].shape)
    kind = rng.choice(["random", "low", "high", "ends"])
    draw = np.random.default_rng(rng.randrange(1 << 30))
    if kind == "random":
        return draw.integers(-128, 128, shape).astype(np.int8)
    if kind == "ends":
        return draw.choice([-128, 127], shape).astype(np.int8)
    return np.full(shape, -128 if kind == "low" else 127, np.int8)


def part(graph: QGraph, output: str) -> QGraph:
    """What of ``graph`` makes ``output``."""
    needed, ops = {output}, []
    for op in reversed(graph.ops):
        if op.output in needed:
            needed.update(op.inputs)
            ops.append(op)
    tensors = {name: graph.tensors[name] for name in needed | {graph.input}}
    return QGraph(graph.name, graph.input, (output,), tensors, ops[::-1])


def parts(graph: QGraph) -> list[QGraph]:
    """Smaller networks that ``graph`` consists of: what makes each tensor, from the input on or
    from one tensor in between; the smallest first."""
    found = []
    for op in graph.ops:
        whole = part(graph, op.output)
        found.append(whole)
        for between in dict.fromkeys(name for o in whole.ops for name in o.inputs):
            behind = _behind(whole, between)
            if behind is not None:
                found.append(behind)
    return sorted(found, key=lambda g: (len(g.ops), len(g.tensors)))


def _behind(graph: QGraph, between: str) -> QGraph | None:
    """``graph`` with the tensor ``between`` as its input; None where it needs another one."""
    needed, ops = {graph.output}, []
    for op in reversed(graph.ops):
        if op.output in needed and op.output != between:
            needed.update(op.inputs)
            ops.append(op)
    made = {between, *(op.output for op in ops)}
    if between == graph.input or not ops or not needed <= made:
        return None
    return QGraph(
        graph.name, between, graph.outputs, {n: graph.tensors[n] for n in made}, ops[::-1]
    )
