"""A user's network: its file, what it says about its input, and whether it can be taken at all.

Whatever a user's code does wrong ends in a `ResarrayError` that says where.
"""

import contextlib
import hashlib
import importlib.util
import inspect
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from resarray.spec.errors import ResarrayError, Stop, reason
from resarray.spec.pixels import Size

T = TypeVar("T")
_KINDS: dict[type, str] = {nn.Module: "an nn.Module", Dataset: "a torch Dataset"}
# Modules that the last model file brought in from its folder: another file's folder may have
# modules of the same names.
_brought: list[str] = []


# -- running it ------------------------------------------------------------------------------


@contextlib.contextmanager
def users_code(what: str, then: str = "") -> Iterator[None]:
    """Around everything that runs a user's code.

    Whatever it raises becomes a `ResarrayError`: "``what``: the reason; ``then``". What it does to
    the process is undone, see `_restored`.
    """
    with _restored(), _blamed(what, then):
        yield


@contextlib.contextmanager
def _blamed(what: str, then: str = "") -> Iterator[None]:
    try:
        yield
    except (ResarrayError, KeyboardInterrupt, Stop):
        raise
    except BaseException as error:  # also what is no Exception, as SystemExit
        raise ResarrayError(f"{what}: {_what(error)}" + (f"; {then}" if then else "")) from error


@contextlib.contextmanager
def _restored() -> Iterator[None]:
    """Afterwards the process is as before: the working folder, to which the outputs' names relate,
    the mask of permissions, standard output and error, Python's path and warnings, numpy's and
    PyTorch's defaults and modes."""
    folder = os.open(".", getattr(os, "O_PATH", os.O_RDONLY))
    mask = os.umask(0)
    os.umask(mask)
    # Python's path is another list meanwhile: threads that look for a package go through the old.
    path, streams = sys.path, (sys.stdout, sys.stderr)
    sys.path = list(path)
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    gradients = torch.is_grad_enabled()  # which entering an inference mode, even "off", changes
    try:
        with (
            warnings.catch_warnings(),
            np.errstate(),
            torch.inference_mode(torch.is_inference_mode_enabled()),
            torch.set_grad_enabled(gradients),
        ):
            yield
    finally:
        os.fchdir(folder)
        os.close(folder)
        os.umask(mask)
        sys.path = path
        sys.stdout, sys.stderr = map(_open, streams, (1, 2))
        torch.set_default_dtype(dtype)
        torch.set_default_device(None if device.type == "cpu" else device)


def _open(stream: TextIO | None, number: int) -> TextIO | None:
    """The stream; where it was closed, another to its file."""
    return open(number, "w", closefd=False) if stream is not None and stream.closed else stream


# -- the file or package -----------------------------------------------------------------------


def load_module(path: Path, function: str) -> nn.Module:
    """What ``function`` of the Python file ``path`` returns (or the module of that name).

    The file's folder can be imported from while this runs.
    """
    if not path.is_file():
        wrong = "is a folder" if path.is_dir() else "does not exist"
        raise ResarrayError(f"model file '{path}' {wrong}: give file.py:function")
    with _importable(path):
        return _built(_execute(path), function, f"model file '{path}'", f"'{path}'", nn.Module)


def load_from_package(name: str, function: str) -> nn.Module:
    """What ``function`` of the installed module ``name``, as ``package.module``, returns (or the
    module of that name)."""
    with _restored():
        return _built(_imported(name), function, f"module '{name}'", f"'{name}'", nn.Module)


def load_dataset(source: str, function: str) -> Dataset:
    """What ``function`` of a Python file or of an installed module, ``source``, returns."""
    if not source.endswith(".py"):
        with _restored():
            return _built(_imported(source), function, f"module '{source}'", f"'{source}'", Dataset)
    path = Path(source)
    if not path.is_file():
        raise ResarrayError(f"file '{path}' of --images does not exist: give file.py:function")
    with _importable(path):
        return _built(_execute(path), function, f"file '{path}'", f"'{path}'", Dataset)


def _imported(name: str) -> object:
    try:
        with _blamed(f"module '{name}' cannot be imported"):
            return importlib.import_module(name)
    except ResarrayError as error:
        cause = error.__cause__
        missing = cause.name if isinstance(cause, ModuleNotFoundError) else None
        if missing is None or not f"{name}.".startswith(f"{missing}."):
            raise
        kind = "module" if "." in missing else "package"
        raise ResarrayError(
            f"model '{name}': there is no {kind} '{missing}' where resarray is installed: install "
            "it there, or give file.py:function"
        ) from error


def _built(source: object, function: str, what: str, where: str, kind: type[T]) -> T:
    """The network or data set that ``function`` of ``source``, a Python module, returns, or is."""
    build = getattr(source, function, None)
    wanted = _KINDS[kind]
    if isinstance(build, kind):
        return build
    if build is None:
        raise ResarrayError(
            f"{what} has no function '{function}': define one that returns {wanted}"
        )
    if not callable(build):
        raise ResarrayError(
            f"'{function}' of {what} is no function but {_short(build)}: name one that returns "
            f"{wanted}"
        )
    needed = _needed(build)
    if needed:
        raise ResarrayError(
            f"{function}() of {where} needs arguments ({', '.join(needed)}): give them defaults, "
            "or name a function without arguments that calls it"
        )
    with _blamed(f"{function}() of {where} failed"):
        made = build()
    if not isinstance(made, kind):
        raise ResarrayError(
            f"{function}() of {where} returned {type(made).__name__}: it must return {wanted}"
        )
    return made


def _needed(build: Callable[..., object]) -> list[str]:
    """Names of the arguments without defaults."""
    try:
        parameters = inspect.signature(build).parameters.values()
    except (TypeError, ValueError):  # of what is not written in Python
        return []
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in variable]


def _execute(path: Path) -> object:
    # A name of its own for each file, under which dataclasses and the like look it up.
    digest = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]
    loader = importlib.util.spec_from_file_location(f"{path.stem}_{digest}", path)
    assert loader is not None and loader.loader is not None  # as for any file called *.py
    module = importlib.util.module_from_spec(loader)
    sys.modules[loader.name] = module
    try:
        with _blamed(f"model file '{path}' cannot be imported"):
            loader.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(loader.name, None)
        raise
    return module


@contextlib.contextmanager
def _importable(path: Path) -> Iterator[None]:
    """The file's folder first on the path; nothing written there, see also `_restored`."""
    folder = str(path.resolve().parent)
    for name in _brought:
        sys.modules.pop(name, None)
    before = set(sys.modules)
    bytecode = sys.dont_write_bytecode
    try:
        with _restored():
            sys.path.insert(0, folder)
            sys.dont_write_bytecode = True
            yield
    finally:
        sys.dont_write_bytecode = bytecode
        _brought[:] = [name for name in set(sys.modules) - before if _lies_in(name, folder)]


def _lies_in(name: str, folder: str) -> bool:
    file = getattr(sys.modules[name], "__file__", None)
    return isinstance(file, str) and Path(file).is_relative_to(folder)


def _what(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return "it ends the program (sys.exit)"
    text = reason(error)
    name = type(error).__name__
    return text if text == name else f"{name}: {text}"


# -- what it says about its input ------------------------------------------------------------


def attribute(model: nn.Module, name: str) -> object:
    """An attribute of the module; None where it has none."""
    with users_code(f"attribute '{name}' of model '{type(model).__name__}' fails"):  # a property
        return getattr(model, name, None)


def per_channel(value: object, what: str) -> tuple[float, ...] | None:
    """One number per channel (or one for all) from a number, a sequence, an array or a tensor of
    any shape; None of None. ``what``, "mean" or "std", is what it is called."""
    if value is None:
        return None
    numbers: tuple[float, ...] | None = None
    try:
        if not isinstance(value, str | bytes | bool):
            tensor = value if isinstance(value, Tensor) else torch.tensor(value)
            if tensor.numel() and not tensor.is_complex():
                exact = torch.as_tensor(value, dtype=torch.float64)
                numbers = tuple(exact.flatten().tolist())
    except (TypeError, ValueError, RuntimeError):
        pass
    if not numbers:
        raise ResarrayError(
            f"{what} {_short(value)} is not one number, or one per channel: give them as 0.5 or "
            "0.4,0.5,0.6 (in Python: (0.4, 0.5, 0.6))"
        )
    for number in numbers:
        if not math.isfinite(number):
            raise ResarrayError(f"{what} {number}: it must be a finite number")
        if what == "mean" and not -1 <= number <= 1:
            raise ResarrayError(
                f"mean {number:g} is not of pixels scaled to 0..1: divide it, and std, by 255"
            )
        if what == "std" and not 1e-6 <= number <= 1e6:
            raise ResarrayError(f"std {number:g}: it must be above 0 (0.000001 to 1000000)")
    return numbers


def input_channels(model: nn.Module, size: Size) -> int | None:
    """Channels of the input by the first convolution, batch norm or linear layer that an image
    reaches; None where that does not tell."""
    found: list[int] = []

    def look(module: nn.Module, inputs: tuple) -> None:
        if isinstance(module, nn.Conv2d):
            found.append(module.in_channels)
        elif isinstance(module, nn.BatchNorm2d):
            found.append(module.num_features)
        elif isinstance(module, nn.Linear) and module.in_features % math.prod(size) == 0:
            found.append(module.in_features // math.prod(size))
        raise _Reached

    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d | nn.Linear)]
    hooks = [layer.register_forward_pre_hook(look) for layer in layers]
    try:
        # What fails without reaching a layer, fails again where it is said.
        with contextlib.suppress(ResarrayError, _Reached):
            forward(model, torch.zeros(1, 1, *size), "")
    finally:
        for hook in hooks:
            hook.remove()
    return found[0] if found else None


class _Reached(Stop):
    """Ends a forward()."""


# -- whether it can be taken -----------------------------------------------------------------


def unwrap(model: nn.Module) -> nn.Module:
    """The network within `torch.compile`, `nn.DataParallel` and the like."""
    seen: set[int] = set()
    while id(model) not in seen:  # it may be within itself
        seen.add(id(model))
        inner = attribute(model, "_orig_mod")  # torch.compile
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = model.module
        if isinstance(inner, nn.Module):
            model = inner
    return model


def plain(model: nn.Module, name: str) -> nn.Module:
    """``model`` in float32 and evaluation mode.

    `ResarrayError` names the first parameter or buffer that cannot be taken.
    """
    hint = "build() must return a network of plain float tensors on the CPU"
    with users_code(f"model '{name}' cannot be made a float32 network", hint):
        return _plain(model, name, hint)


def _plain(model: nn.Module, name: str, hint: str) -> nn.Module:
    if isinstance(model, torch.jit.ScriptModule):
        raise ResarrayError(
            f"model '{name}' is a TorchScript module: build() must return the nn.Module itself"
        )
    for label, module in model.named_modules():
        if ".quantized" in type(module).__module__:
            raise ResarrayError(f"model '{name}': module '{label}' is quantised already: {hint}")
    for label, value in [*model.named_parameters(), *model.named_buffers()]:
        if nn.parameter.is_lazy(value):
            raise ResarrayError(
                f"model '{name}': '{label}' of a lazy module has no shape yet: call the network "
                "once on an example before it is returned"
            )
        kind = odd_kind(value)
        if kind is not None:
            raise ResarrayError(f"model '{name}': '{label}' is {kind}: {hint}")
    _leave_inference_mode(model)
    # What these return is not used: an own eval() may return nothing.
    model.float()
    with contextlib.suppress(NotImplementedError):  # exported already, in its own mode
        model.eval()
    return model


def _leave_inference_mode(model: nn.Module) -> None:
    """Replace tensors that were made in PyTorch's inference mode, which neither can be changed nor
    exported."""
    fresh: dict[int, Tensor] = {}  # a tensor may be used twice
    for module in model.modules():
        holders: list[dict[str, Any]] = [module._parameters, module._buffers, vars(module)]
        for holder in holders:
            for key, value in holder.items():
                if isinstance(value, Tensor) and value.is_inference():
                    if id(value) not in fresh:
                        copy = value.detach().clone()
                        fresh[id(value)] = (
                            nn.Parameter(copy, requires_grad=False)
                            if isinstance(value, nn.Parameter)
                            else copy
                        )
                    holder[key] = fresh[id(value)]


def require_finite(model: nn.Module, name: str) -> None:
    """`ResarrayError` names the first parameter or buffer with NaN or infinity in it."""
    for label, value in [*model.named_parameters(), *model.named_buffers()]:
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise ResarrayError(
                f"model '{name}': '{label}' holds values that are not finite (NaN or infinity): "
                "train it again, or give other --weights"
            )


def odd_kind(value: Tensor) -> str | None:
    """What makes a tensor one that cannot be taken as float32; None: nothing."""
    if value.device.type != "cpu":
        return f"on device '{value.device}'"
    if value.is_nested:
        return "nested"
    float8 = value.is_floating_point() and value.dtype.itemsize == 1
    if value.is_quantized or value.dtype in _QUANTISED or float8:
        return f"quantised ({str(value.dtype).removeprefix('torch.')})"
    if value.layout != torch.strided:
        return f"sparse ({str(value.layout).removeprefix('torch.')})"
    if value.is_complex():
        return "complex"
    return None


_QUANTISED = (torch.quint8, torch.qint8, torch.qint32, torch.quint4x2, torch.quint2x4)


class Outputs(nn.Module):
    """A network that answers the tensors among what ``inner`` answers, as a tuple."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return outputs_of(self.inner(x))


def outputs_of(answer: Any) -> tuple[Tensor, ...]:
    """The outputs: ``answer`` itself; of a mapping, tuple or object what is called ``logits``, or
    else all tensors of it, in their order."""
    if isinstance(answer, Tensor):
        return (answer,)
    if isinstance(answer, Mapping):
        logits, values = answer.get("logits"), list(answer.values())
    else:
        logits = getattr(answer, "logits", None)
        values = list(answer) if isinstance(answer, tuple | list) else []
    if isinstance(logits, Tensor):
        return (logits,)
    return tuple(value for value in values if isinstance(value, Tensor))


def takes(model: nn.Module, shape: tuple[int, int, int]) -> bool:
    """Whether forward() works on images of ``shape`` [C, H, W]."""
    try:
        forward(model, torch.zeros(2, *shape), "")
    except ResarrayError:
        return False
    return True


@torch.no_grad()
def forward(model: nn.Module, x: Tensor, name: str) -> Any:
    """``model(x)``; where the user's forward() fails, the user's sentence."""
    with users_code(
        f"forward() of model '{name}' fails on images {list(x.shape)} [N, C, H, W]",
        "it must take float images, any number of them, and nothing else",
    ):
        return model(x)


def with_outputs(model: nn.Module, shape: tuple[int, int, int], name: str) -> nn.Module:
    """``model`` where it answers one tensor, or a network that answers a tuple of its outputs, as
    it is tried on two images of ``shape`` [C, H, W]. `ResarrayError` where they are no tensors
    [N, ...]."""
    answer = forward(model, torch.zeros(2, *shape), name)
    outputs = outputs_of(answer)
    if not outputs:
        raise ResarrayError(
            f"forward() of model '{name}' returns {_kinds(answer)}: it must return a tensor, or a "
            "tuple, list or dict of them"
        )
    for output in outputs:
        sizes = list(output.shape)
        if not sizes or sizes[0] != 2:
            raise ResarrayError(
                f"forward() of model '{name}' returns {sizes} for 2 images: it must return "
                "tensors [N, ...] of any number of images"
            )
    return model if outputs[0] is answer else Outputs(model)


def _kinds(answer: object) -> str:
    if isinstance(answer, Mapping):
        return "a dict of " + _listed(f"'{key}'" for key in answer)
    if isinstance(answer, tuple | list):
        return f"a {type(answer).__name__} of " + _listed(type(value).__name__ for value in answer)
    return "a value of type " + type(answer).__name__


def _listed(words: Iterator[str]) -> str:
    found = list(words)
    return ", ".join(found[:6]) + (", ..." if len(found) > 6 else "") if found else "nothing"


def _short(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."
