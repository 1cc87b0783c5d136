"""The front end for `torch.export` archives (.pt2).

An archive may hold pickles and names of functions, and to load it calls them: what it holds is
looked at first, and only operators of networks, plain tensors and plain sizes are let through.
"""

import json
import logging
import os
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch.export import ExportedProgram
from torch.fx import GraphModule

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import Shape
from resarray.golden.user_model import users_code
from resarray.spec.errors import ResarrayError, reason
from resarray.spec.pixels import MAX_SIDE, Size

from .files import MAX_BYTES, ModelFile
from .quantised import QUANTISE
from .refused import shown
from .torch_export import read_model

MAX_JSON = 1 << 26  # bytes of the program's text
MAX_FILES = 1 << 16
_OPERATORS = re.compile(
    r"torch\.ops\.(aten\.(?!from_file)|quantized_decomposed\.)\w+\.\w+|_operator\.getitem"
)
# A size in an archive, of which SymPy makes an expression by evaluating it: symbols, numbers and
# arithmetic.
_SIZE = re.compile(
    r"((Symbol|Integer|Mul|Add|Max|Min|Mod|PythonMod|FloorDiv|CleanDiv|CeilDiv)\("
    r"|'s\d{1,6}'|s\d{1,6}\b|(positive|integer|nonnegative|evaluate)=(True|False)"
    r"|-?\b\d{1,6}\b|[ ,)])*"
)
MAX_SIZE_TEXT = 400
MAX_SHOWN = 80  # characters of what is in a file, in a message
# Of a constant that is no plain tensor, in its file's name.
_OBJECTS = re.compile(r"/(custom_obj|opaque_obj)")


def open_file(path: Path) -> ModelFile:
    """The network in an archive that `torch.export.save` wrote, of one image tensor."""
    _require_harmless(path)
    with users_code(f"model '{path}' cannot be loaded"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Of the pickles that are left, example inputs, nothing but tensors is made.
        with mock.patch.dict(os.environ, TORCH_FORCE_WEIGHTS_ONLY_LOAD="1"):
            logged = logging.root.manager.disable
            try:
                logging.disable(logging.CRITICAL)
                _register_quantised()
                program = _loaded(path)
            finally:
                logging.disable(logged)
    channels, size = _input(path, program)
    name = path.stem
    quantised = any(str(node.target) in QUANTISE for node in program.graph.nodes)

    def read(shape: Shape) -> FloatGraph:
        with users_code(f"model '{path}' cannot be read"):
            module = program.module(check_guards=False)
            _detach(module)
        return read_model(module, shape, name)

    return ModelFile(name, channels, size, read, quantised)


def _loaded(path: Path) -> ExportedProgram:
    try:
        return torch.export.load(path)
    except RuntimeError as error:
        if "check the warnings" not in str(error):
            raise
        # What went wrong PyTorch only logs.
        raise ResarrayError(
            f"model '{path}' cannot be loaded by PyTorch {torch.__version__}: it is damaged, or "
            "has operators that this version does not know; export it again with this one"
        ) from error


def _register_quantised() -> None:
    """PyTorch's operators of quantised networks are there once this has been imported."""
    import torch.ao.quantization.fx._decomposed  # noqa: F401


def _detach(module: GraphModule) -> None:
    """Let it take constants out of the file's memory without `detach_`, which PyTorch refuses for
    what is a part of another tensor."""
    for node in module.graph.nodes:
        if node.target is torch.ops.aten.detach_.default:
            node.target = torch.ops.aten.detach.default
    module.recompile()


def _input(path: Path, program: ExportedProgram) -> tuple[int, Size | None]:
    """Channels, and height and width (None: any), of the one input."""
    names = program.graph_signature.user_inputs
    values = [n.meta.get("val") for n in program.graph.nodes if n.name in names]
    if len(values) != 1 or not isinstance(values[0], torch.Tensor) or values[0].ndim != 4:
        raise ResarrayError(
            f"model '{path}' takes {len(names)} inputs: one image tensor [N, C, H, W] is supported"
        )
    count, channels, *size = values[0].shape
    if not isinstance(channels, int):
        raise ResarrayError(f"model '{path}' leaves the channels of its input open: fix them")
    if isinstance(count, int) and count != 1:
        raise ResarrayError(
            f"model '{path}' was exported for {count} images at a time: export it for 1, or with a "
            "dynamic first dimension"
        )
    if not all(isinstance(side, int) for side in size):
        return channels, None
    if max(size) > MAX_SIDE:
        raise ResarrayError(
            f"model '{path}' takes images of {size[0]}x{size[1]}: at most {MAX_SIDE}x{MAX_SIDE} "
            "are supported"
        )
    return channels, (size[0], size[1])


# -- what an archive holds ----------------------------------------------------------------------


def _require_harmless(path: Path) -> None:
    """`ResarrayError` where loading it would run anything but the operators of networks."""
    try:
        with zipfile.ZipFile(path) as archive:
            files = {info.filename: info for info in archive.infolist()}
            if len({name.lower() for name in files}) != len(archive.infolist()):
                raise ResarrayError(f"model '{path}' holds two files of one name")
            _require_plain_files(path, files)
            programs = [name for name in files if re.search(r"/models/[^/]*\.json$", name)]
            if len(programs) != 1:
                raise ResarrayError(
                    f"model '{path}' holds {len(programs)} programs: 1, as torch.export.save of "
                    "PyTorch 2.8 and later writes it, is supported"
                )
            for name in files:
                if name.endswith(".json"):
                    _require_plain_content(path, json.loads(archive.read(name)))
    except ResarrayError:
        raise
    except Exception as error:  # zipfile, its decompressors and json have many
        raise ResarrayError(
            f"model '{path}' is no archive of torch.export.save, or a damaged one: {reason(error)}"
        ) from error


def _require_plain_files(path: Path, files: Mapping[str, zipfile.ZipInfo]) -> None:
    if len(files) > MAX_FILES or sum(info.file_size for info in files.values()) > MAX_BYTES:
        raise ResarrayError(
            f"model '{path}' unpacks to more than {MAX_FILES:,} files or {MAX_BYTES:,} bytes: give "
            "a smaller network"
        )
    for name, info in files.items():
        if _OBJECTS.search(name):
            raise ResarrayError(
                f"model '{path}' holds an object that is no tensor ('{shown(name, MAX_SHOWN)}'), "
                "which is not loaded: export a network of tensors alone"
            )
        if name.endswith(".json") and info.file_size > MAX_JSON:
            raise ResarrayError(
                f"model '{path}': '{shown(name, MAX_SHOWN)}' has {info.file_size:,} bytes: too many"
            )


def _require_plain_content(path: Path, content: Any) -> None:
    for key, value in _entries(content):
        if key == "target" and isinstance(value, str) and not _OPERATORS.fullmatch(value):
            raise ResarrayError(
                f"model '{path}' calls '{shown(value, MAX_SHOWN)}', which is not loaded: only "
                "operators of networks (torch.ops.aten) are"
            )
        if key == "use_pickle" and value:
            raise ResarrayError(
                f"model '{path}' holds pickled tensors, which are not loaded: export plain ones"
            )
        if key == "expr_str" and not (
            len(str(value)) <= MAX_SIZE_TEXT and _SIZE.fullmatch(str(value))
        ):
            raise ResarrayError(
                f"model '{path}' has a dynamic size '{shown(str(value), MAX_SHOWN)}', which is not "
                "evaluated: export it for one size"
            )
        if key == "guards_code" and value:
            raise ResarrayError(
                f"model '{path}' holds code that checks its inputs "
                f"('{shown(str(value[0]), MAX_SHOWN)}'), which is not run: export it with fewer "
                "dynamic dimensions"
            )
        if key in ("in_spec", "out_spec") and value:
            _require_plain_structure(path, value)
        elif key.endswith("_spec") and isinstance(value, str):
            raise ResarrayError(
                f"model '{path}' holds a structure '{shown(key, MAX_SHOWN)}' that is not known"
            )
        if key == "treespec_namedtuple_fields" and value:
            raise ResarrayError(f"model '{path}' takes or returns named tuples: return tensors")


def _require_plain_structure(path: Path, text: Any) -> None:
    """`ResarrayError` where inputs or outputs are more than lists, tuples and dicts: reading other
    structures imports what they name."""
    content = json.loads(text)
    for key, value in _entries(content):
        plain = True
        if key == "type":
            plain = value in (None, "builtins.tuple", "builtins.list", "builtins.dict")
        elif key == "context":
            names = None if value is None else json.loads(value)
            plain = names is None or (
                isinstance(names, list) and all(isinstance(name, str | int) for name in names)
            )
        elif key != "children_spec":
            plain = False
        if not plain:
            raise ResarrayError(
                f"model '{path}' takes or returns a structure with {shown(key, MAX_SHOWN)} "
                f"'{shown(str(value), MAX_SHOWN)}': only tensors, in lists, tuples and dicts, are "
                "supported"
            )


def _entries(content: Any) -> Iterator[tuple[str, Any]]:
    """All (key, value) of JSON objects within each other."""
    waiting = [content]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            yield from found.items()
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found
