"""What no pass could make fit is refused."""

from collections.abc import Iterable, Iterator

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import FloatOp

# Of which the message tells; a network of another kind has hundreds.
MOST = 6


def check(graph: FloatGraph) -> FloatGraph:
    """``graph`` as it is; `ResarrayError` names the operators in the user's network that cannot be
    quantised and run, in their order, and says why."""
    refused = refusals(graph)
    if not refused:
        return graph
    told = told_once(why for _, why in refused)
    first, why = refused[0][0], next(told)
    others = [op for op, _ in refused[1:]]
    for op, reason in zip(others[: MOST - 1], told, strict=False):
        why += f"; also {op.place}: {reason}" if op.place else f"; also it {reason}"
    if len(others) >= MOST:
        why += f"; and {len(others) - MOST + 1} more"
    raise graph.error(first, why)


def told_once(reasons: Iterable[str]) -> Iterator[str]:
    """``reasons``, what is supported told with the first of those that are the same."""
    seen = set()
    for why in reasons:
        yield why.partition("; supported are:")[0] if why in seen else why
        seen.add(why)


def key(op: FloatOp) -> object:
    """What an operator and those that passes make of it have in common."""
    return op.output if op.origin is None else op.origin


def refusals(graph: FloatGraph) -> list[tuple[FloatOp, str]]:
    """The operators that cannot be quantised and run, in their order, each with why; of those that
    are one operator of the user's network, as its several results, the first."""
    refused: dict[object, tuple[FloatOp, str]] = {}
    for op in graph.ops:
        why = op.refusal(*graph.operands(op))
        shape = graph.shapes[op.output]
        if why is None and min(shape) < 1:
            why = f"its output {list(shape)} is empty: use a larger input"
        if why is not None:
            refused.setdefault(key(op), (op, why))
    return list(refused.values())
