"""A channel shuffle that is written out becomes PyTorch's own operator for it."""

from typing import Any

import torch
from torch.fx import Graph, Node

aten = torch.ops.aten
_VIEWS = (
    aten.view.default,
    aten.reshape.default,
    aten.flatten.using_ints,
    aten._unsafe_view.default,
)
_COPIES = (aten.contiguous.default, aten.clone.default)


def name_shuffles(graph: Graph) -> None:
    """[1, C, H, W] seen as [1, groups, C / groups, H, W], transposed, and seen as a map again, as
    ShuffleNets do it."""
    for node in list(graph.nodes):
        found = _shuffled(node)
        if found is not None:
            with graph.inserting_before(node):
                shuffle = graph.call_function(aten.channel_shuffle.default, found)
            shuffle.meta = dict(node.meta)
            node.replace_all_uses_with(shuffle)
    graph.eliminate_dead_code()


def _shuffled(node: Node) -> tuple[Node, int] | None:
    """The map and the number of groups that a node is the shuffle of; None: it is none."""
    if node.target not in _VIEWS:
        return None
    source: Any = node.args[0]
    while source.target in _COPIES:
        source = source.args[0]
    if not _swaps(source):
        return None
    seen: Any = source.args[0]
    if seen.target not in _VIEWS:
        return None
    shape, groups = _shape(seen.args[0]), _shape(seen)
    if len(shape) != 4 or _shape(node) != shape or groups[0] != 1 or groups[3:] != shape[2:]:
        return None
    return seen.args[0], groups[1]


def _swaps(node: Node) -> bool:
    """Whether a node changes the second and third of five dimensions."""
    if len(_shape(node)) != 5:
        return False
    if node.target is aten.transpose.int:
        return {int(dim) % 5 for dim in node.args[1:]} == {1, 2}  # type: ignore[arg-type]
    dims: Any = node.args[1] if node.target is aten.permute.default else ()
    return [dim % 5 for dim in dims] == [0, 2, 1, 3, 4]


def _shape(node: Any) -> tuple[int, ...]:
    value = node.meta.get("val") if isinstance(node, Node) else None
    return tuple(value.shape) if isinstance(value, torch.Tensor) else ()
