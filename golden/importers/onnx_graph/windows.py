"""The windows of convolutions and pools, as ONNX writes them down."""

from collections.abc import Sequence
from dataclasses import dataclass

from resarray.golden.ops.conv import reach

from ..refused import Refused
from .values import MAX_SIDE, Node

Pair = tuple[int, int]


@dataclass(frozen=True)
class Windows:
    """Of height and width each; ``padding`` (top, bottom, left, right) reaches to the end of the
    last window, ``declared`` only as far as the file says."""

    kernel: Pair
    stride: Pair
    dilation: Pair
    padding: tuple[int, int, int, int]
    declared: tuple[int, int, int, int]
    size: Pair


def pair(value: Sequence[int], what: str) -> Pair:
    """Two numbers of at least 1."""
    numbers = [int(number) for number in value]
    if len(numbers) != 2 or min(numbers) < 1:
        raise Refused(f"{what} {numbers}: two numbers of at least 1 are needed")
    return numbers[0], numbers[1]


def windows(node: Node, size: tuple[int, ...], kernel: Pair) -> Windows:
    """Those of ``kernel`` over a map of ``size``, by the node's attributes."""
    stride = pair(node.attribute("strides", (1, 1)), "strides")
    dilation = pair(node.attribute("dilations", (1, 1)), "dilations")
    pads = [int(number) for number in node.attribute("pads", (0, 0, 0, 0))]
    if len(pads) != 4 or min(pads) < 0 or max(pads) > MAX_SIDE:
        raise Refused(f"pads {pads}: four numbers from 0 to {MAX_SIDE} are supported")
    mode, ceil = node.attribute("auto_pad", "NOTSET"), bool(node.attribute("ceil_mode", 0))
    reached = reach(kernel, dilation)
    axes = [
        _axis(mode, ceil, size[i], reached[i], stride[i], (pads[i], pads[i + 2])) for i in (0, 1)
    ]
    (top, bottom, rows), (left, right, columns) = axes
    declared = (pads[0], pads[2], pads[1], pads[3])
    if mode != "NOTSET":
        declared = (top, bottom, left, right)
    # What a stride leaves over at the end stays padding where the file says so.
    padding = tuple(max(a, b) for a, b in zip((top, bottom, left, right), declared, strict=True))
    return Windows(
        kernel,
        stride,
        dilation,
        (padding[0], padding[1], padding[2], padding[3]),
        declared,
        (rows, columns),
    )


def _axis(
    mode: str, ceil: bool, size: int, reached: int, stride: int, pads: Pair
) -> tuple[int, int, int]:
    """Padding before and behind that the windows reach into, and how many they are."""
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        count = -(-size // stride)
        total = max((count - 1) * stride + reached - size, 0)
        before = total // 2 if mode == "SAME_UPPER" else -(-total // 2)
        return before, total - before, count
    before, behind = (0, 0) if mode == "VALID" else pads
    if mode not in ("NOTSET", "VALID"):
        raise Refused(f"auto_pad '{mode}' is not known")
    span = size + before + behind - reached
    count = (-(-span // stride) if ceil else span // stride) + 1
    if ceil and (count - 1) * stride >= size + before:
        count -= 1  # a window that begins behind the map does not count
    return before, max(0, (count - 1) * stride + reached - before - size), count
