"""Every layer gets a name of its own, and its output the same."""

from dataclasses import replace

from resarray.golden.float_graph import FloatGraph
from resarray.golden.names import unused
from resarray.golden.ops import FloatOp


def name_layers(graph: FloatGraph) -> FloatGraph:
    """The second layer called ``conv`` becomes ``conv_2``, and so on in execution order."""
    names = {graph.input: graph.input}
    taken = {graph.input}
    numbers: dict[str, int] = {}  # of the last layer of a name
    ops: list[FloatOp] = []
    for op in graph.ops:
        unique = unused(op.name, taken, numbers)
        taken.add(unique)
        inputs = tuple(names[name] for name in op.inputs)
        names[op.output] = unique
        ops.append(replace(op, name=unique, inputs=inputs, output=unique))
    renamed = graph.with_ops(ops, (names[name] for name in graph.outputs))
    scales = {names[name]: scale for name, scale in graph.scales.items() if name in names}
    return replace(renamed, scales=scales)
