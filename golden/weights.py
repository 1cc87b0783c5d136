"""Reading trained weights: PyTorch checkpoints and .safetensors.

A checkpoint is a state dictionary, alone or beside other things under one of `KEYS`. Its names may
have prefixes that wrappers leave behind (`PREFIXES`, stacked as they come).
"""

import argparse
import hashlib
import itertools
import pathlib
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy._core import multiarray
from torch import Tensor, nn

from resarray.spec.errors import ResarrayError, reason

from .models import ModelSpec, ZooModel, classifier_of
from .user_model import odd_kind

TORCH_SUFFIXES = (".pth", ".pt", ".th", ".ckpt", ".bin")
KEYS = ("state_dict", "model_state_dict", "model", "net")
PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
# Prefixes stacked at most.
DEPTH = 3
# Of a .safetensors file's metadata. Its value begins with it too, so that an entry with a damaged
# key is still known as ours.
DIGEST = "resarray.sha256"
_SAVE = "save them with torch.save(model.state_dict(), path)"
# Harmless things that training scripts keep beside the weights.
_SAFE: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    argparse.Namespace,
    pathlib.PosixPath,
    np.dtype,
    type(np.dtype(np.float64)),
    type(np.dtype(np.float32)),
    type(np.dtype(np.int64)),
    (multiarray.scalar, "numpy.core.multiarray.scalar"),
    (multiarray.scalar, "numpy._core.multiarray.scalar"),
]


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Name -> tensor, of the state dictionary in the file, without the batch counters of batch
    norms. Floats are made float32; integers, which buffers may be, stay.

    Pickled checkpoints are read with PyTorch's restricted unpickler, which runs no code from the
    file. `ResarrayError` for an unreadable file or one that holds no weights.
    """
    path = Path(path)
    if path.suffix not in (*TORCH_SUFFIXES, ".safetensors"):
        raise ResarrayError(
            f"weights '{path}': the name must end in {', '.join(TORCH_SUFFIXES)} or .safetensors"
        )
    if not path.is_file():
        wrong = "are a folder" if path.is_dir() else "do not exist"
        raise ResarrayError(f"weights '{path}' {wrong}: give a file of trained weights")
    found = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    state = {
        name: value
        for name, value in _state_dict(path, found).items()
        if isinstance(name, str)
        and isinstance(value, Tensor)
        and not name.endswith("num_batches_tracked")
    }
    for name, value in state.items():
        kind = odd_kind(value)
        if kind is not None:
            raise ResarrayError(
                f"weights '{path}': '{name}' is {kind}: give the float weights of the network"
            )
    return {
        name: value.detach().float() if value.is_floating_point() else value.detach()
        for name, value in state.items()
    }


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Load ``path`` into ``model``; `ResarrayError` names a missing, unexpected or misshaped
    weight, and then nothing has been loaded."""
    _assign(model, _named_for(model, read_weights(path), path), path)


def build_with_weights(spec: ModelSpec, path: str | Path) -> nn.Module:
    """The model in evaluation mode with the weights of ``path``; a zoo model gets as many classes
    as the classifier in the file has."""
    model = spec.build(None)
    found = read_weights(path)
    if isinstance(spec, ZooModel):
        names = {name: spec.published(name) for name in found}
        found = {ours: found[name] for name, ours in names.items() if ours is not None}
    state = _named_for(model, found, path)
    if isinstance(spec, ZooModel):
        name, layer = classifier_of(model)
        weight = state.get(f"{name}.weight")
        if weight is not None and weight.ndim == layer.weight.ndim and len(weight):
            model = spec.build(len(weight))
    _assign(model, state, path)
    model.eval()
    return model


def _expected(model: nn.Module) -> dict[str, Tensor]:
    return {
        name: value
        for name, value in model.state_dict().items()
        if isinstance(value, Tensor) and not name.endswith("num_batches_tracked")
    }


def _named_for(model: nn.Module, state: dict[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    """``state`` without the prefix under which it holds all that ``model`` has; where there is
    none, without what all its names begin with."""
    expected = _expected(model)
    chains = [
        "".join(chain)
        for depth in range(DEPTH + 1)
        for chain in itertools.product(PREFIXES, repeat=depth)
    ]
    # The wrapper of training beside the network holds other things: losses, measures.
    whole = [chain for chain in chains if all(chain + name in state for name in expected)]
    if len(whole) > 1 and "" not in whole:
        raise ResarrayError(
            f"weights '{path}' hold the network more than once, under "
            f"{', '.join(repr(chain) for chain in whole)}: save the one to be used by itself"
        )
    if not whole:
        whole = [c for c in chains if all(name.startswith(c) for name in state)][-1:]
    prefix = "" if "" in whole else whole[0]
    return {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }


def _assign(model: nn.Module, state: dict[str, Tensor], path: str | Path) -> None:
    expected = _expected(model)
    hint = "choose the model that these weights belong to"
    for name, value in expected.items():
        if name not in state:
            raise ResarrayError(f"weights '{path}' lack '{name}' of the model: {hint}")
        if value.is_floating_point() and not state[name].is_floating_point():
            kind = str(state[name].dtype).removeprefix("torch.")
            raise ResarrayError(
                f"weights '{path}': '{name}' is of integers ({kind}): give the float weights of "
                "the network"
            )
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
    try:
        model.load_state_dict(state, strict=False)
    except Exception as error:  # a user's module may have its own idea of loading
        raise ResarrayError(
            f"weights '{path}' cannot be loaded into the model ({reason(error)}): {hint}"
        ) from error


def _state_dict(path: Path, found: object) -> Mapping:
    """The state dictionary in what a file holds."""
    if isinstance(found, nn.Module):
        raise ResarrayError(f"weights '{path}' hold a whole module, not its weights: {_SAVE}")
    if not isinstance(found, Mapping):
        raise ResarrayError(
            f"weights '{path}' hold no state dictionary but {_article(type(found).__name__)}: "
            f"{_SAVE}"
        )
    inner = [key for key in KEYS if _has_tensors(found.get(key))]
    if len(inner) > 1:
        raise ResarrayError(
            f"weights '{path}' hold several state dictionaries, "
            f"{' and '.join(repr(key) for key in inner)}: save the one to be used by itself"
        )
    if inner:
        return found[inner[0]]
    if not _has_tensors(found):
        keys = ", ".join(repr(str(key)) for key in list(found)[:8]) or "nothing"
        raise ResarrayError(
            f"weights '{path}' hold no state dictionary, only {keys}: {_SAVE}, or as one of "
            f"{', '.join(map(repr, KEYS))} in a dict"
        )
    return found


def _has_tensors(value: object) -> bool:
    return isinstance(value, Mapping) and any(isinstance(v, Tensor) for v in value.values())


def _read_torch(path: Path) -> object:
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_SAFE):
            warnings.simplefilter("ignore")  # about pickles that then fail
            found = torch.load(path, map_location="cpu", weights_only=True)
            _check_sums(path)
            return found
    except Exception as error:  # a broken pickle can raise anything
        raise ResarrayError(f"weights '{path}' {_unreadable(str(error), path)}") from error


def _check_sums(path: Path) -> None:
    """``ValueError`` where a part of the archive does not fit its checksum, which PyTorch does not
    look at; the checkpoints of its first years have none."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                raise ValueError("a checksum does not fit")


def _unreadable(text: str, path: Path) -> str:
    """What is wrong with a checkpoint, in other words than PyTorch's, which advise to run the code
    in it."""
    if path.stat().st_size == 0:
        return "cannot be read as a PyTorch checkpoint: the file is empty"
    if "TorchScript" in text:
        return (
            "cannot be read as weights: it is a TorchScript archive, a program; load it with "
            f"torch.jit.load and {_SAVE.replace('them', 'its weights')}"
        )
    match = re.search(r"GLOBAL (\S+) was not", text)
    if match is not None or "Unsupported" in text:
        kind = f", of type {match[1]}," if match else ""
        return (
            "cannot be read as a PyTorch checkpoint of plain tensors: it holds Python objects"
            f"{kind} beside them, and loading these could run their code; {_SAVE}"
        )
    return (
        "cannot be read as a PyTorch checkpoint: the file is damaged, or of another kind; "
        "write it again, with torch.save(model.state_dict(), path)"
    )


def to_safetensors(state: Mapping[str, Tensor]) -> bytes:
    """A .safetensors file of ``state``, with the checksum that the format itself lacks."""
    from safetensors.torch import save

    found = {name: value.contiguous().clone() for name, value in state.items()}
    return save(found, {DIGEST: f"{DIGEST} {_digest(found)}"})


def _digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and values."""
    hasher = hashlib.sha256()
    for name, value in sorted(state.items()):
        hasher.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
        hasher.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return hasher.hexdigest()


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    try:
        with safe_open(path, "pt") as file:
            entries = (file.metadata() or {}).items()
        state = load_file(path)
        digests = [v for k, v in entries if k == DIGEST or v.startswith(DIGEST)]
        if any(digest.split()[-1:] != [_digest(state)] for digest in digests):
            raise SafetensorError("its checksum does not fit")
        return state
    except (OSError, SafetensorError) as error:
        raise ResarrayError(
            f"weights '{path}' cannot be read as safetensors ({reason(error)}): write the file "
            "again"
        ) from error


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
