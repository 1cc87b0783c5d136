"""What an image's manifest must hold: `check` it before anything reads it."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from . import layout
from .config import Config
from .errors import ResarrayError
from .isa import INSTRUCTION_BYTES, WAIT_BITS
from .presets import make_config
from .schema import (
    COUNT,
    DIGEST,
    INT8,
    NUMBER,
    POSITIVE,
    SIZE,
    TEXT,
    Kind,
    Schema,
    SchemaError,
    Sized,
    check,
)

MAX_MEMORY = 1 << 32

_LAYOUTS: dict[str, dict[str, Schema]] = {
    "blocked": {"channels": SIZE, "height": SIZE, "width": SIZE, "rows": SIZE},
    "packed": {
        "channels": SIZE,
        "height": SIZE,
        "width": SIZE,
        "rows": SIZE,
        "top": COUNT,
        "bottom": COUNT,
        "left": COUNT,
        "right": COUNT,
        "zero_point": INT8,
    },
}
_KIND = {"kind": Kind(lambda v: isinstance(v, str) and v in _LAYOUTS, "'blocked' or 'packed'")}
_PLACED: dict[str, Schema] = {
    "image": COUNT,
    "addr": COUNT,
    "layout": _KIND,
    "scale": POSITIVE,
    "zero_point": INT8,
}
_MANIFEST: dict[str, Schema] = {
    "model": TEXT,
    "digest": dict.fromkeys(("graph", "structure", "weights"), DIGEST),
    "batch": SIZE,
    "program": {"addr": COUNT, "count": SIZE},
    "mem_size": SIZE,
    "write_base": COUNT,
    "inputs": [_PLACED],
    "outputs": [TEXT],
    "tensors": [{"name": TEXT, "layer": TEXT} | _PLACED],
    "layers": [
        {
            "name": TEXT,
            "op": TEXT,
            "shape": Sized(SIZE, 3),
            "macs": COUNT,
            "bytes_read": COUNT,
            "bytes_written": COUNT,
            "predicted_cycles": COUNT,
            "tensor": TEXT,
            "method": TEXT,
        }
    ],
}
_PIXELS = {"mean": [NUMBER], "std": [POSITIVE], "classes": [TEXT]}


def check_manifest(manifest: Any, config_hash: int, payload_bytes: int) -> None:
    """`SchemaError` where ``manifest`` is not what the compiler writes, for a configuration of that
    hash and a payload of so many bytes: fields of other types or out of range, and whatever does
    not fit the rest of it."""
    check(manifest, {"config": {}} | _MANIFEST)
    try:
        config = make_config(manifest["config"], "its configuration")
    except ResarrayError as error:
        raise SchemaError(str(error)) from error
    _require(config.hash == config_hash, "its configuration is not the one in the header")
    _check_memory(manifest, config, payload_bytes)
    _check_layers(manifest)
    if "pixels" in manifest:
        check(manifest["pixels"], _PIXELS, "pixels")
        channels = manifest["inputs"][0]["layout"]["channels"]
        for name in ("mean", "std"):
            length = len(manifest["pixels"][name])
            _require(length == channels, f"pixels.{name} has {length} of {channels} channels")


def _check_memory(manifest: dict, config: Config, payload_bytes: int) -> None:
    """The payload with the program, the inputs and the tensors lie behind each other."""
    program, rows = manifest["program"], config.rows
    _require(program["count"] >> WAIT_BITS == 0, "its program is too long")
    _require(program["addr"] % rows == 0, "its program lies between words")
    end = program["addr"] + program["count"] * INSTRUCTION_BYTES
    _require(end <= payload_bytes, "its program ends outside the payload")
    size, base = manifest["mem_size"], manifest["write_base"]
    _require(size < MAX_MEMORY, "it needs more memory than there are addresses")
    inputs = _spans(manifest["inputs"], "inputs", rows)
    tensors = _spans(manifest["tensors"], "tensors", rows)
    spans = [("the payload", 0, payload_bytes), *inputs, ("write_base", base, base), *tensors]
    for (before, _, stop), (what, start, _) in pairwise([*spans, ("mem_size", size, size)]):
        _require(stop <= start, f"{what} lies before the end of {before}")
    _require(size - spans[-1][2] < layout.ALIGNMENT, "mem_size lies far behind the last tensor")


def _spans(entries: list[dict], what: str, rows: int) -> list[tuple[str, int, int]]:
    """(which, first byte, end) of stored tensors in the order of their addresses."""
    _require(bool(entries), f"it has no {what}")
    spans = []
    for index, entry in enumerate(entries):
        name, fields = f"{what}[{index}]", entry["layout"]
        known = _LAYOUTS[fields["kind"]]
        check(fields, known, f"{name}.layout")
        _require(fields.keys() == {*known, "kind"}, f"{name}.layout has unknown fields")
        _require(fields["rows"] == rows, f"{name}.layout has other words than its configuration")
        _require(entry["addr"] % rows == 0, f"{name} lies between words")
        size = layout.from_dict(fields).size
        spans.append((name, entry["addr"], entry["addr"] + size))
    return sorted(spans, key=lambda span: span[1])


def _check_layers(manifest: dict) -> None:
    """Every layer has its tensor, and every tensor is there once for each image of the batch."""
    batch, inputs, tensors = (manifest[key] for key in ("batch", "inputs", "tensors"))
    layers = manifest["layers"]
    _require(bool(layers), "it has no layers")
    _require(any(layer["predicted_cycles"] for layer in layers), "its layers take no time")
    _require_batch([entry["image"] for entry in inputs], batch, "inputs")
    first = inputs[0]["layout"]
    _require(all(entry["layout"] == first for entry in inputs), "its inputs differ in layout")
    stored: dict[str, list[dict]] = {}
    for entry in tensors:
        stored.setdefault(entry["name"], []).append(entry)
    for name, entries in stored.items():
        _require_batch([entry["image"] for entry in entries], batch, f"tensor '{name}'")
    names = [layer["tensor"] for layer in layers]
    _require(sorted(names) == sorted(stored), "its tensors are not those of its layers")
    for layer in layers:
        for entry in stored[layer["tensor"]]:
            fields = entry["layout"]
            shape = [fields["channels"], fields["height"], fields["width"]]
            same = shape == layer["shape"] and entry["layer"] == layer["name"]
            _require(same, f"layer '{layer['name']}' and its tensor differ")
    _require(bool(manifest["outputs"]), "it has no outputs")
    known = all(name in stored for name in manifest["outputs"])
    _require(known, "an output is none of its tensors")


def _require_batch(images: Iterable[int], batch: int, what: str) -> None:
    # Not range(batch), which may be absurd.
    found = sorted(images)
    good = len(found) == batch and all(a == b for a, b in enumerate(found))
    _require(good, f"its {what} are not one per image of the batch")


def _require(good: bool, what: str) -> None:
    if not good:
        raise SchemaError(what)
