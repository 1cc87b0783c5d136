"""PyTorch model to float graph: `torch.export` reads it, passes make layers of it."""

from torch import nn

from .float_graph import FloatGraph
from .importers.torch_export import read_model
from .ops import Shape
from .passes import simplify


def import_model(model: nn.Module, shape: Shape, name: str = "model") -> FloatGraph:
    """The float graph of ``model`` for one image of ``shape`` [C, H, W].

    `ResarrayError` names the node and the operator that is not supported, and what is.
    """
    return simplify(read_model(model, shape, name))
