"""What a result keeps beside cycles and verdict, small enough for a file: pictures, the error of
int8 against float, a few feature maps, activity over time, and how everything was obtained."""

import base64
import datetime
import importlib.metadata
import io
import math
import platform
from collections.abc import Sequence

import numpy as np
from PIL import Image as Pillow

import resarray
from resarray.spec.layout import ceil_div
from resarray.spec.numerics import INT8_MAX, INT8_MIN, sqnr

from .activity import Activity
from .compare import Check

PICTURES = 8  # at most, and at most so many pixels wide
PICTURE_SIDE = 96
FLOAT_IMAGES = 4  # the error is measured on so many images at most
CHANNELS = 4  # of each tensor's feature maps that are kept
MAP_SIDE = 64  # larger maps are thinned out to at most this
MAP_FRACTION = 64  # float values are kept in 1/64 of an int8 step
BINS = 41  # of an error histogram; odd: one is centred on 0
PACKAGES = ("amaranth", "cocotb", "numpy", "torch")


def pictures(pixels: np.ndarray) -> list[dict]:
    """Thumbnails of the first of uint8 [N][H][W][C]: {image, png (base64)}."""
    found = []
    for number, data in enumerate(pixels[:PICTURES]):
        picture = Pillow.fromarray(data[:, :, 0] if data.shape[2] == 1 else data)
        picture.thumbnail((PICTURE_SIDE, PICTURE_SIDE), Pillow.Resampling.LANCZOS)
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", optimize=True)
        found.append({"image": number, "png": base64.b64encode(buffer.getvalue()).decode()})
    return found


def tensor_row(
    entry: dict, check: Check, rtl: np.ndarray, golden: np.ndarray, real: np.ndarray | None
) -> dict:
    """One stored tensor's numbers.

    entry:       its line in the manifest's ``tensors``
    rtl, golden: int8 [images, C, H, W]
    real:        float32 [n, C, H, W] of the float network for the first n images; None: it has no
                 such tensor, as of a copy that the configuration needs
    """
    scale, zero_point = entry["scale"], entry["zero_point"]
    if real is None:
        real = (golden[:FLOAT_IMAGES].astype(np.float64) - zero_point) * scale
    steps = real.astype(np.float64) / scale  # in int8 steps, like everything here
    got = rtl[: len(real)].astype(np.float64) - zero_point
    error = got - steps
    noise = float(np.square(error).sum())
    signal = float(np.square(steps).sum())
    # The accumulated error beyond which a histogram would be mostly empty.
    span = max(1.0, float(np.quantile(np.abs(error), 0.999)))
    counts, _ = np.histogram(np.clip(error, -span, span), BINS, (-span, span))
    lowest, highest = INT8_MIN - zero_point - 0.5, INT8_MAX - zero_point + 0.5
    return {
        "name": entry["name"],
        "layer": entry["layer"],
        "shape": list(rtl.shape[1:]),
        "scale": scale,
        "zero_point": zero_point,
        "values": check.values,
        "mismatches": check.mismatches,
        "first": None
        if check.first is None
        else {"position": list(check.first), "expected": check.expected, "got": check.got},
        "error": {
            "images": len(real),
            "sqnr_db": sqnr(signal, noise),
            "mean_steps": float(error.mean()),
            "rms_steps": math.sqrt(noise / error.size),
            "max_steps": float(np.abs(error).max()),
            "span_steps": span,
            "histogram": counts.tolist(),
        },
        "saturation": {
            "at_lowest": int((rtl == INT8_MIN).sum()),
            "at_highest": int((rtl == INT8_MAX).sum()),
            "clipped_low": int(((got + zero_point == INT8_MIN) & (steps < lowest)).sum()),
            "clipped_high": int(((got + zero_point == INT8_MAX) & (steps > highest)).sum()),
        },
        "maps": _maps(check, rtl, golden, steps + zero_point),
    }


def _maps(check: Check, rtl: np.ndarray, golden: np.ndarray, steps: np.ndarray) -> dict:
    """Feature maps of one image, the first or the one with the first mismatch, which they show:
    [C][H][W] of a few channels; a vector as one row of all its channels. ``steps``: float values in
    int8 units, of the first images."""
    image, _, row, column = (0, 0, 0, 0) if check.first is None else check.first
    got, wanted = rtl[image], golden[image]
    if got.shape[1:] == (1, 1):
        channels, thinning, offset = [], 1, (0, 0)

        def chosen(part: np.ndarray) -> np.ndarray:
            return part.reshape(1, 1, -1)

    else:
        channels = _channels(check, wanted)
        thinning = ceil_div(max(got.shape[1:]), MAP_SIDE)
        offset = row % thinning, column % thinning

        def chosen(part: np.ndarray) -> np.ndarray:
            return part[channels, offset[0] :: thinning, offset[1] :: thinning]

    got, wanted = chosen(got), chosen(wanted)
    real = None
    if image < len(steps):
        fixed = np.clip(np.rint(chosen(steps[image]) * MAP_FRACTION), -(2**15), 2**15 - 1)
        real = _encode(fixed.astype("<i2"))
    return {
        "image": image,
        "channels": channels,
        "thinning": thinning,
        "offset": list(offset),
        "size": list(got.shape[1:]),
        "fraction": MAP_FRACTION,
        "rtl": _encode(got),
        "golden": _encode(wanted),
        "float": real,
    }


def _channels(check: Check, golden: np.ndarray) -> list[int]:
    """The channel of the first mismatch, then those that vary most."""
    liveliest = np.argsort(-golden.reshape(len(golden), -1).std(axis=1), kind="stable").tolist()
    if check.first is not None:
        liveliest = list(dict.fromkeys([check.first[1], *liveliest]))
    return liveliest[:CHANNELS]


def _encode(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def timeline(activity: Activity, layers: Sequence[dict[str, int]]) -> dict:
    """The recorded program's activity; ``layers``: the counters of its layers."""
    ends = np.cumsum([layer["CYCLES"] for layer in layers])
    return {
        "window": activity.window,
        "cycles": int(activity.cycles.sum()),
        "layer_ends": ends.tolist(),
        "counts": {name: counts.tolist() for name, counts in activity.counts.items()},
    }


def provenance(command: str, simulator_version: str) -> dict:
    """Versions, command line and date."""
    return {
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {
            "resarray": resarray.__version__,
            "Python": platform.python_version(),
            "simulator": simulator_version,
            **{name: importlib.metadata.version(name) for name in PACKAGES},
        },
    }
