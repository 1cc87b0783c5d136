"""A program in memory: what to load and set before a run, what to read after it."""

import itertools
from collections.abc import Callable

import numpy as np

from . import layout
from .errors import ResarrayError
from .image import Image
from .registers import COUNTER_BITS, PROFILE_FIELDS

# Bandwidth of the slowest memory that the accelerator is meant for and simulated with.
MIN_BYTES_PER_CYCLE = 1 / 16


def memory_contents(image: Image, inputs: np.ndarray) -> np.ndarray:
    """uint8 contents of memory from offset 0: the payload and the packed inputs."""
    slots = image.manifest["inputs"]
    if len(inputs) != len(slots):
        raise ResarrayError(
            f"{len(inputs)} input images given, the program takes a batch of {len(slots)}: give "
            "as many or compile for another batch"
        )
    layouts = [layout.from_dict(slot["layout"]) for slot in slots]
    ends = [slot["addr"] + spec.size for slot, spec in zip(slots, layouts, strict=True)]
    rows = image.config.rows
    contents = np.zeros(layout.ceil_div(max(len(image.payload), *ends), rows) * rows, np.uint8)
    contents[: len(image.payload)] = np.frombuffer(image.payload, np.uint8)
    for slot, spec in zip(slots, layouts, strict=True):
        data = inputs[slot["image"]]
        expected = (spec.channels, spec.height, spec.width)
        if data.shape != expected or data.dtype != np.int8:
            raise ResarrayError(
                f"an input is {data.dtype} {list(data.shape)}, the program takes int8 "
                f"{list(expected)}: quantise and resize it for this program"
            )
        contents[slot["addr"] : slot["addr"] + spec.size] = spec.pack(data).view(np.uint8)
    return contents


def settings_of(image: Image, base: int) -> dict[str, int]:
    """Registers by name to write before a start; ``base``: bus address of memory offset 0."""
    manifest = image.manifest
    return {
        "MEM_BASE": base,
        "MEM_SIZE": manifest["mem_size"],
        "WRITE_BASE": manifest["write_base"],
        "PROG_ADDR": manifest["program"]["addr"],
        "PROG_COUNT": manifest["program"]["count"],
        "IRQ_ENABLE": 1,
    }


def stored_span(image: Image) -> tuple[int, int]:
    """The first byte of the stored tensors and the one after the last."""
    spans = [
        (tensor["addr"], tensor["addr"] + layout.from_dict(tensor["layout"]).size)
        for tensor in image.manifest["tensors"]
    ]
    return min(start for start, _ in spans), max(stop for _, stop in spans)


def read_tensors(
    image: Image, read: Callable[[int, int], np.ndarray], names: set[str] | None = None
) -> dict[str, np.ndarray]:
    """int8 [images, C, H, W] by name: the stored tensors called ``names`` (None: all).

    read: int8 array of ``size`` bytes from byte offset ``start``
    """
    found: dict[str, list[np.ndarray]] = {}
    for tensor in image.manifest["tensors"]:
        found.setdefault(tensor["name"], [])
    for tensor in sorted(image.manifest["tensors"], key=lambda t: t["image"]):
        if names is None or tensor["name"] in names:
            spec = layout.from_dict(tensor["layout"])
            found[tensor["name"]].append(spec.unpack(read(tensor["addr"], spec.size)))
    return {name: np.stack(parts) for name, parts in found.items() if parts}


def layer_counters(
    profile: list[list[int]], counters: dict[str, int], layers: int
) -> list[dict[str, int]]:
    """Differences of the profile records, so that the layers' counts add up to the program's.

    The counters wrap; a layer of fewer than 2**32 cycles is counted right all the same.
    """
    if len(profile) != layers:
        raise ResarrayError(
            f"the accelerator recorded {len(profile)} layers, the program has {layers}: use a "
            "configuration with more profile_marks, or fix the program's marks"
        )
    ends = [*profile[:-1], [counters[name] for name in PROFILE_FIELDS]]
    starts = [[0] * len(PROFILE_FIELDS), *ends[:-1]]
    return [
        {
            name: (b - a) % (1 << COUNTER_BITS)
            for name, a, b in zip(PROFILE_FIELDS, start, end, strict=True)
        }
        for start, end in itertools.zip_longest(starts, ends)
    ]
