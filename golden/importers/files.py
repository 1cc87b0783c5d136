"""Networks in files: which front end reads which."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import Shape
from resarray.spec.errors import ResarrayError
from resarray.spec.pixels import Size

# Suffix -> the module that reads it, with its `open_file`, and the extra of pyproject.toml whose
# packages it imports ("": none).
FORMATS = {
    ".onnx": ("onnx_file", "onnx"),
    ".tflite": ("tflite_file", "tflite"),
    ".pt2": ("pt2_file", ""),
}
# Of protocol buffers, which ONNX files are.
MAX_BYTES = 1 << 31


@dataclass(frozen=True)
class ModelFile:
    """A network in a file, checked as far as that goes without its input's shape.

    Attributes
    ----------
    name:      what it calls itself, or the file's name
    channels:  of its input
    size:      height and width of its input in pixels; None: any
    read:      [C, H, W] -> every operator of it for one image, as it is
    quantised: whether it has scales of its own, so that no images are needed to measure them
    warnings:  what a user should know, a sentence each
    """

    name: str
    channels: int
    size: Size | None
    read: Callable[[Shape], FloatGraph]
    quantised: bool
    warnings: tuple[str, ...] = ()


def is_model_file(spec: str) -> bool:
    """Whether a model's name is that of a file with a network in it."""
    return Path(spec).suffix.lower() in FORMATS


def open_file(path: Path) -> ModelFile:
    """The network in a file; `ResarrayError` where it cannot be read or nothing reads it here."""
    module, extra = FORMATS[path.suffix.lower()]
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ResarrayError(f"model '{path}' cannot be read: {error.strerror}") from error
    if not path.is_file():
        raise ResarrayError(f"model '{path}' is no file: give the file of the network")
    if size > MAX_BYTES:
        raise ResarrayError(
            f"model '{path}' has {size:,} bytes: at most {MAX_BYTES:,} are read; give a smaller "
            "network, or one with its weights in a file of its own"
        )
    try:
        reader = importlib.import_module(f".{module}", __package__)
    except ModuleNotFoundError as error:
        if not extra or str(error.name).startswith("resarray"):
            raise
        raise ResarrayError(
            f"model '{path}' needs the Python package {error.name}: install resarray with the "
            f"extra [{extra}], as by pip install -e '.[{extra}]'"
        ) from error
    return reader.open_file(path)
