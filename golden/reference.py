"""The readable integer reference: every operator as the loops that define it.

Slow; `fast` computes the same integers and is proven equal to this by tests. All arithmetic is in
Python's unbounded integers, with the functions of `resarray.spec.numerics`.
"""

import numpy as np

from resarray.spec.numerics import INT8_MAX, INT8_MIN, requantise, residual_term

from .graph import QAdd, QConv, QGlobalAvgPool, QGraph, QMaxPool, QTensor


def run(graph: QGraph, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Every tensor, int8 [N][C][H][W], for int8 ``inputs`` [N][C][H][W]."""
    images = [_run_image(graph, image) for image in inputs]
    return {name: np.stack([values[name] for values in images]) for name in images[0]}


def _run_image(graph: QGraph, image: np.ndarray) -> dict[str, np.ndarray]:
    values = {graph.input: image}
    tensors = graph.tensors
    for op in graph.ops:
        x, tensor_x, tensor_y = values[op.input], tensors[op.input], tensors[op.output]
        if isinstance(op, QConv):
            residual = values.get(op.residual)
            y = conv(op, x, tensor_x, tensor_y, residual, tensors.get(op.residual))
        elif isinstance(op, QMaxPool):
            y = max_pool(op, x, tensor_y)
        elif isinstance(op, QGlobalAvgPool):
            y = global_avg_pool(op, x, tensor_x, tensor_y)
        else:
            y = add(op, x, values[op.residual], tensor_x, tensors[op.residual], tensor_y)
        values[op.output] = y
    return values


def conv(
    op: QConv,
    x: np.ndarray,
    tensor_x: QTensor,
    tensor_y: QTensor,
    residual: np.ndarray | None = None,
    tensor_r: QTensor | None = None,
) -> np.ndarray:
    """Convolution of int8 [C][H][W], the residual added before the one rounding."""
    _, c_in, kernel_h, kernel_w = op.weight.shape
    _, height, width = tensor_x.shape
    top, _, left, _ = op.padding
    y = np.empty(tensor_y.shape, np.int8)
    for o, row, column in np.ndindex(tensor_y.shape):
        acc = 0
        for i, kh, kw in np.ndindex(c_in, kernel_h, kernel_w):
            r = row * op.stride[0] + kh - top
            c = column * op.stride[1] + kw - left
            if 0 <= r < height and 0 <= c < width:  # outside: the zero point, which adds nothing
                acc += (int(x[i, r, c]) - tensor_x.zero_point) * int(op.weight[o, i, kh, kw])
        term = 0
        if residual is not None:
            r = int(residual[o, row, column])
            term = residual_term(r, tensor_r.zero_point, op.res_mult, op.res_shift)
        y[o, row, column] = requantise(
            acc,
            int(op.bias[o]),
            int(op.mult[o]),
            int(op.shift[o]),
            tensor_y.zero_point,
            op.lo,
            op.hi,
            term,
        )
    return y


def max_pool(op: QMaxPool, x: np.ndarray, tensor_y: QTensor) -> np.ndarray:
    """Largest value of each window; pixels outside the map do not count."""
    _, height, width = x.shape
    y = np.empty(tensor_y.shape, np.int8)
    for c, row, column in np.ndindex(tensor_y.shape):
        top, left = 2 * row - op.padding, 2 * column - op.padding
        y[c, row, column] = max(
            int(x[c, r, k])
            for r in range(max(0, top), min(height, top + op.kernel))
            for k in range(max(0, left), min(width, left + op.kernel))
        )
    return y


def global_avg_pool(
    op: QGlobalAvgPool, x: np.ndarray, tensor_x: QTensor, tensor_y: QTensor
) -> np.ndarray:
    """Integer sum, one multiplication, one rounding."""
    channels, height, width = x.shape
    y = np.empty(tensor_y.shape, np.int8)
    for c in range(channels):
        total = sum(int(value) for value in x[c].flat)
        bias = -height * width * tensor_x.zero_point
        y[c, 0, 0] = requantise(
            total, bias, op.mult, op.shift, tensor_y.zero_point, INT8_MIN, INT8_MAX
        )
    return y


def add(
    op: QAdd, a: np.ndarray, b: np.ndarray, tensor_a: QTensor, tensor_b: QTensor, tensor_y: QTensor
) -> np.ndarray:
    """a + b, rounded once."""
    y = np.empty(tensor_y.shape, np.int8)
    for index in np.ndindex(tensor_y.shape):
        term = residual_term(int(b[index]), tensor_b.zero_point, op.res_mult, op.res_shift)
        y[index] = requantise(
            int(a[index]) - tensor_a.zero_point,
            0,
            op.mult,
            op.shift,
            tensor_y.zero_point,
            op.lo,
            op.hi,
            term,
        )
    return y
