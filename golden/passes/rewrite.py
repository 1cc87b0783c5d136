"""What passes that merge operators into the ones before them have in common."""

from dataclasses import replace

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import FloatOp


class Rewrite:
    """A graph that is read from front to back and written anew on the way.

    For each operator: `read` it, then `keep` it or `merge` it into the one whose output it reads.
    """

    def __init__(self, graph: FloatGraph):
        self._graph = graph
        self._ops: dict[str, FloatOp] = {}
        self._names: dict[str, str] = {}
        self._uses = graph.uses()

    def read(self, op: FloatOp) -> FloatOp:
        """``op`` with its operands as they are called by now."""
        return replace(op, inputs=tuple(self._names.get(name, name) for name in op.inputs))

    def producer(self, op: FloatOp) -> FloatOp | None:
        """The operator, as kept, that makes the first operand of ``op``; None: nothing does."""
        return self._ops.get(op.inputs[0]) if op.inputs else None

    def alone(self, op: FloatOp) -> bool:
        """Whether nothing else reads its first operand, so that this can be changed."""
        return self._uses[op.inputs[0]] == 1

    def keep(self, op: FloatOp) -> None:
        self._ops[op.output] = op

    def merge(self, op: FloatOp, merged: FloatOp) -> None:
        """``merged`` takes the place of the producer of ``op``, which goes."""
        self._ops[merged.output] = merged
        self._names[op.output] = merged.output
        self._uses[merged.output] += self._uses[op.output] - 1

    def result(self) -> FloatGraph:
        outputs = (self._names.get(name, name) for name in self._graph.outputs)
        return self._graph.with_ops(self._ops.values(), outputs)
