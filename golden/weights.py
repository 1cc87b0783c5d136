"""Reading trained weights: PyTorch checkpoints (.pth, .pt, .th) and .safetensors."""

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from resarray.spec.errors import ResarrayError

from .models import ModelSpec

TORCH_SUFFIXES = (".pth", ".pt", ".th")
_CLASSIFIERS = ("fc.weight", "linear.weight")


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Name -> float32 tensor. Unwraps ``state_dict`` and a ``module.`` prefix, leaves out the
    batch counters of batch norms.

    Pickled checkpoints are read with PyTorch's restricted unpickler, which runs no code from the
    file. `ResarrayError` for an unreadable file or one that holds no weights.
    """
    path = Path(path)
    if path.suffix not in (*TORCH_SUFFIXES, ".safetensors"):
        raise ResarrayError(
            f"weights '{path}': the name must end in {', '.join(TORCH_SUFFIXES)} or .safetensors"
        )
    if not path.is_file():
        raise ResarrayError(f"weights '{path}' do not exist: give a file of trained weights")
    state = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not any(isinstance(v, Tensor) for v in state.values()):
        raise ResarrayError(
            f"weights '{path}' hold no state dictionary: save one with "
            "torch.save(model.state_dict(), path)"
        )
    return {
        name.removeprefix("module."): value.float()
        for name, value in state.items()
        if isinstance(value, Tensor) and not name.endswith("num_batches_tracked")
    }


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Load ``path`` into ``model``; `ResarrayError` names a missing, unexpected or misshaped
    weight, and then nothing has been loaded."""
    _assign(model, read_weights(path), path)


def build_with_weights(spec: ModelSpec, path: str | Path) -> nn.Module:
    """The model in evaluation mode with the weights of ``path``; a zoo model gets as many classes
    as the classifier in the file has."""
    state = read_weights(path)
    classifier = next((state[name] for name in _CLASSIFIERS if name in state), None)
    num_classes = None
    if spec.zoo and classifier is not None and classifier.ndim == 2:
        num_classes = classifier.shape[0]
    model = spec.build(num_classes)
    _assign(model, state, path)
    return model.eval()


def _assign(model: nn.Module, state: dict[str, Tensor], path: str | Path) -> None:
    expected = {
        name: value
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    hint = "choose the model that these weights belong to"
    for name, value in expected.items():
        if name not in state:
            raise ResarrayError(f"weights '{path}' lack '{name}' of the model: {hint}")
        if state[name].shape != value.shape:
            raise ResarrayError(
                f"weights '{path}': '{name}' has shape {list(state[name].shape)}, the model "
                f"needs {list(value.shape)}: {hint}"
            )
    for name in state:
        if name not in expected:
            raise ResarrayError(f"weights '{path}' hold '{name}', unknown to the model: {hint}")
        if not torch.isfinite(state[name]).all():
            raise ResarrayError(f"weights '{path}': '{name}' holds values that are not finite")
    model.load_state_dict(state, strict=False)


def _read_torch(path: Path) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickles that then fail
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken pickle can raise anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ResarrayError(
            f"weights '{path}' cannot be read as a PyTorch checkpoint of plain tensors ({reason}): "
            "save them again with torch.save(model.state_dict(), path)"
        ) from error


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ResarrayError(
            f"weights '{path}' cannot be read as safetensors ({error}): write the file again"
        ) from error
