"""All operands of a concatenation have its scale: those that cannot are copied in front of it."""

from dataclasses import replace

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import FloatConcat, FloatOp

from .copied import copied


def copy_operands(graph: FloatGraph) -> FloatGraph:
    """Each operand that has the scale of the network's input, or that is there a second time,
    goes through a 1x1 convolution with weights of one and a range of its own."""
    of_input = {graph.input}
    ops: list[FloatOp] = []
    for op in graph.ops:
        if isinstance(op, FloatConcat):
            copies = {
                number: copied(
                    f"{op.name}.copy", name, f"{op.output}.copy{number}", graph.shapes[name][0], op
                )
                for number, name in enumerate(op.inputs)
                if name in of_input or name in op.inputs[:number]
            }
            if copies:
                ops += copies.values()
                names = (copies[n].output if n in copies else x for n, x in enumerate(op.inputs))
                op = replace(op, inputs=tuple(names))
        if op.keeps_scale and of_input.intersection(op.inputs):
            of_input.add(op.output)
        ops.append(op)
    return graph.with_ops(ops)
