"""What becomes of an accumulator tile: its DRAINs, with what they take (RESIDUAL) and give
(STORE)."""

from dataclasses import dataclass

from resarray.spec.isa import Pool

from .ir import AveragePool, Layer, MaxPool, Part, Range
from .transfers import Transfer, transfer


@dataclass(frozen=True)
class Output:
    """Draining of one image's pixels: DRAIN fields, and what it takes and gives."""

    drain: dict[str, int]
    store: Transfer | None
    residual: Transfer | None


def build_outputs(
    layer: Layer,
    images: Part,
    rows: Part,
    cols: Part,
    blocks: Range,
    line_block: int,
) -> list[Output]:
    """Outputs of images, rows and columns (first, count) and of channel blocks of the layer, of
    which the first is number ``line_block`` in the line buffer. Rows that are stored several times
    are drained as often."""
    drain = _drain(layer, rows, cols, blocks[1] - blocks[0], line_block)
    outputs = []
    for number in range(images[1]):
        image = images[0] + number
        outputs += [
            Output(
                drain | {"px_base": number * drain["px_count"]},
                _store(layer, image, rows, cols, blocks, phase),
                _residual(layer, image, rows, cols, blocks),
            )
            for phase in range(layer.upsample[0])
        ]
    return outputs


def _drain(layer: Layer, rows: Part, cols: Part, n_blocks: int, line_block: int) -> dict[str, int]:
    """DRAIN fields of the first image, but for the bank and the waits."""
    step = layer.requantise
    fields = {
        "px_count": rows[1] * layer.accumulators(cols[1]),
        "winograd": layer.winograd,
        "n_blocks": n_blocks,
        "zp_out": step.zero_point,
        "lo": step.lo,
        "hi": step.hi,
        "width": cols[1],
        "height": rows[1],
    }
    if layer.residual is not None:
        fields |= {
            "res_en": 1,
            "res_vector": layer.residual.vector,
            "multiply": layer.residual.multiply,
            "res_zp": layer.residual.zero_point,
            "res_mult": layer.residual.mult,
            "res_shift": layer.residual.shift,
        }
    if layer.table is not None:
        fields["table"] = 1
    if isinstance(layer.pool, MaxPool):
        fields |= _max_fields(layer.pool, layer.shape[1:], rows, cols, line_block)
    elif isinstance(layer.pool, AveragePool):
        fields |= _average_fields(layer.pool, layer.shape[1:], rows, cols)
    return fields


def _max_fields(
    pool: MaxPool, size: Part, rows: Part, cols: Part, line_block: int
) -> dict[str, int]:
    _, pooled = pool.windows_of(1, cols, size[1])
    (right, x), (bottom, y) = _ends(pool, 1, cols, size[1]), _ends(pool, 0, rows, size[0])
    return {
        "pool": Pool.MAX,
        "pool_kx": pool.kernel[1],
        "pool_ky": pool.kernel[0],
        "pool_sx": pool.stride[1],
        "pool_sy": pool.stride[0],
        "pool_x": x,
        "pool_y": y,
        "pool_right": right,
        "pool_bottom": bottom,
        "pool_first": rows[0] == 0,
        "pool_width": pooled,
        "line": line_block * pooled,
    }


def _ends(pool: MaxPool, axis: int, part: Part, size: int) -> Part:
    """Along an axis: padding lines behind the lines ``part`` of a map of ``size``, and lines of the
    part before the first that ends a window."""
    kernel, stride, padding = pool.kernel[axis], pool.stride[axis], pool.padding[axis]
    after = 0
    if sum(part) == size:
        after = max(0, (pool.size[axis] - 1) * stride + kernel - padding - size)
    if axis == 1 and part[0]:
        return after, kernel - 1  # a part of the columns begins with a window
    return after, _before_end(part[0] + padding, kernel, stride)


def _before_end(line: int, kernel: int, stride: int) -> int:
    """Lines from ``line`` of the padded map to the first that ends a window."""
    if line < kernel:
        return kernel - 1 - line
    return -(line - (kernel - 1)) % stride


def _average_fields(pool: AveragePool, size: Part, rows: Part, cols: Part) -> dict[str, int]:
    return {
        "pool": Pool.AVERAGE,
        "avg_first": rows[0] == 0 and cols[0] == 0,
        "avg_last": _is_last(size, rows, cols),
        "avg_bias": pool.bias,
        "avg_mult": pool.mult,
        "avg_shift": pool.shift,
        "avg_zp": pool.zero_point,
    }


def _is_last(size: Part, rows: Part, cols: Part) -> bool:
    """Whether the tile of ``rows`` and ``cols`` ends where the map does."""
    return rows[0] + rows[1] == size[0] and cols[0] + cols[1] == size[1]


def _store(
    layer: Layer, image: int, rows: Part, cols: Part, blocks: Range, phase: int
) -> Transfer | None:
    """STORE of what the drain gives, or None when it gives nothing; ``phase``: which of an
    upsampling's equal rows."""
    pool, (_, height, width) = layer.pool, layer.shape
    if isinstance(pool, MaxPool):
        first = pool.done(0, rows[0], height)
        rows = first, pool.done(0, rows[0] + rows[1], height) - first
        cols = pool.windows_of(1, cols, width)
    elif isinstance(pool, AveragePool):
        rows, cols = (0, int(_is_last((height, width), rows, cols))), (0, 1)
    if rows[1] == 0:
        return None
    view, step = layer.output, layer.upsample[0]
    rows = rows[0] * step + phase, rows[1]
    return transfer(view.tensor, image, view.shape[1:], view.blocks(blocks), rows, cols, step)


def _residual(layer: Layer, image: int, rows: Part, cols: Part, blocks: Range) -> Transfer | None:
    if layer.residual is None:
        return None
    view = layer.residual.view
    if layer.residual.vector:
        rows = cols = 0, 1
    return transfer(view.tensor, image, view.shape[1:], view.blocks(blocks), rows, cols)
