"""The front end for PyTorch: a module, exported, operator by operator."""

import contextlib
import io
import logging
import warnings

import torch
from torch import nn
from torch.export import ExportedProgram
from torch.nn.utils import parametrize

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import Shape
from resarray.golden.user_model import Outputs, users_code
from resarray.spec.errors import ResarrayError

from .aten import read_node, unreadable
from .reader import Reader
from .shuffles import name_shuffles


def read_model(model: nn.Module, shape: Shape, name: str = "model") -> FloatGraph:
    """Every operator of ``model`` for one image of ``shape`` [C, H, W], as it is.

    `ResarrayError` where it cannot be exported. What cannot be read of it is in the graph, as
    `FloatUnsupported`, so that `passes.check` names the first fault of all.
    """
    _require_plain_weights(model, name)
    program = _exported(model, shape, name)
    # What does not reach an output, as features that are computed beside them, goes.
    name_shuffles(program.graph)
    # The names of layers are those in the user's network.
    reader = Reader(program, shape, name, "inner" if isinstance(model, Outputs) else "")
    return reader.read(read_node, unreadable)


def _exported(model: nn.Module, shape: Shape, name: str) -> ExportedProgram:
    logged = logging.root.manager.disable
    try:
        # PyTorch prints and logs much about what it cannot export.
        with (
            users_code(
                f"model '{name}' cannot be exported with input {list(shape)}",
                "its forward() must take one image tensor [N, C, H, W] without data-dependent "
                "control flow",
            ),
            contextlib.redirect_stderr(io.StringIO()),
            torch.no_grad(),  # a forward() that says so itself then changes nothing
        ):
            warnings.simplefilter("ignore")
            logging.disable(logging.CRITICAL)
            with contextlib.suppress(NotImplementedError):  # exported already, in its own mode
                model.eval()
            return torch.export.export(model, (torch.zeros(1, *shape),))
    finally:
        logging.disable(logged)


def _require_plain_weights(model: nn.Module, name: str) -> None:
    """`ResarrayError` names the module whose weights are computed in every call."""
    for label, module in model.named_modules():
        label = label.removeprefix("inner.")
        if parametrize.is_parametrized(module):
            raise ResarrayError(
                f"model '{name}': module '{label}' computes its weights in every call (as "
                "weight_norm and spectral_norm do): call "
                "torch.nn.utils.parametrize.remove_parametrizations on it when it is trained"
            )
        for hook in module._forward_pre_hooks.values():
            if type(hook).__module__.startswith("torch.nn.utils."):
                raise ResarrayError(
                    f"model '{name}': module '{label}' computes its weights in every call "
                    f"({type(hook).__name__}): call torch.nn.utils.remove_weight_norm, "
                    "remove_spectral_norm or prune.remove on it when it is trained"
                )
