"""A float graph as a module, where a network comes as a file of operators and not as one."""

from torch import Tensor, nn

from .float_graph import FloatGraph, run_float


class FloatModule(nn.Module):
    """``forward(x)`` computes ``graph``, as a front end read it: [N][C][H][W] to its outputs,
    rounded where the network is quantised already."""

    def __init__(self, graph: FloatGraph):
        super().__init__()
        self.graph = graph

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        found: dict[str, Tensor] = {}

        def keep(name: str, value: Tensor) -> None:
            if name in self.graph.outputs:
                found[name] = value

        run_float(self.graph, x, keep)
        return tuple(found[name] for name in self.graph.outputs)
