"""What no pass could make fit is refused."""

from resarray.golden.float_graph import FloatGraph


def check(graph: FloatGraph) -> FloatGraph:
    """``graph`` as it is; `ResarrayError` names the first operator in the user's network that
    cannot be quantised and run, and says why."""
    for op in graph.ops:
        why = op.refusal(*graph.operands(op))
        shape = graph.shapes[op.output]
        if why is None and min(shape) < 1:
            why = f"its output {list(shape)} is empty: use a larger input"
        if why is not None:
            raise graph.error(op, why)
    return graph
