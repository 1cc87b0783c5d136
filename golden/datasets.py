"""A user's torch Dataset as a source of images: ``file.py:function`` or
``package.module:function``, which returns one of pairs (image, label).

An image is a Pillow picture, uint8 [C][H][W] (a tensor) or [H][W][C] (an array), or float
[C][H][W]: ready for the network. Labels are read from the data set's ``targets`` where it has
them, else with the images.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image as Pillow
from torch import Tensor

from resarray.spec.errors import ResarrayError

from . import user_model
from .data import MAX_CLASSES, Source, open_source

WANTED = (
    "pairs of an image (a picture, uint8 [C][H][W] or float [C][H][W]) and the number of its class"
)


def open_images(source: str | Source) -> Source:
    """The images called ``source``: a data set's function, or what `data.open_source` takes."""
    if isinstance(source, Source):
        return source
    module, colon, function = source.rpartition(":")
    if colon and function.isidentifier() and _is_module(module):
        return _from_dataset(user_model.load_dataset(module, function), source)
    return open_source(source)


def _is_module(name: str) -> bool:
    return name.endswith(".py") or all(part.isidentifier() for part in name.split("."))


def _from_dataset(dataset: Any, name: str) -> Source:
    def item(index: int) -> tuple[Any, Any]:
        with user_model.users_code(f"image {index} of data set '{name}' cannot be read"):
            found = dataset[index]
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise ResarrayError(
                f"item {index} of data set '{name}' is no pair: it must return {WANTED}"
            )
        return found[0], found[1]

    with user_model.users_code(f"data set '{name}' has no length", "it must have one"):
        count = len(dataset)
    if not count:
        raise ResarrayError(f"data set '{name}' is empty: give one with images")
    first = _image(item(0)[0], 0, name)
    labels = _labels(dataset, count, lambda i: item(i)[1], name)
    ready = isinstance(first, np.ndarray) and first.dtype == np.float32
    shape = None
    if isinstance(first, np.ndarray):
        shape = first.shape if ready else (first.shape[2], *first.shape[:2])

    def image(index: int) -> Pillow.Image | np.ndarray:
        found = _image(item(index)[0], index, name)
        like = isinstance(found, np.ndarray) == isinstance(first, np.ndarray)
        if not like or (
            isinstance(found, np.ndarray)
            and isinstance(first, np.ndarray)
            and (found.dtype, found.shape) != (first.dtype, first.shape)
        ):
            raise ResarrayError(
                f"image {index} of data set '{name}' is of another kind or size than the first: "
                "all must be alike, or pictures"
            )
        return found

    names = getattr(dataset, "classes", None)
    if not isinstance(names, tuple | list) or len(names) <= labels.max():
        names = range(labels.max() + 1)
    return Source(name, count, image, labels, [str(n) for n in names], shape, ready)


def _image(value: Any, index: int, name: str) -> Pillow.Image | np.ndarray:
    """A picture, uint8 [H][W][C] or float32 [C][H][W]."""
    if isinstance(value, Pillow.Image):
        return value.convert("RGB")
    first = isinstance(value, Tensor)
    found = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
    if isinstance(found, np.ndarray) and found.size:
        if found.dtype == np.uint8 and found.ndim == 2:
            return found[:, :, None]
        if found.dtype == np.uint8 and found.ndim == 3:
            return np.ascontiguousarray(found.transpose(1, 2, 0) if first else found)
        if found.dtype.kind == "f" and found.ndim == 3 and np.isfinite(found).all():
            return np.ascontiguousarray(found, np.float32)
    kind = type(value).__name__
    if isinstance(found, np.ndarray):
        kind = f"{found.dtype} {list(found.shape)}"
    raise ResarrayError(f"image {index} of data set '{name}' is {kind}: it must return {WANTED}")


def _labels(dataset: Any, count: int, label: Callable[[int], Any], name: str) -> np.ndarray:
    """int64 [count]."""
    found = getattr(dataset, "targets", None)
    if found is None or len(found) != count:
        found = [label(index) for index in range(count)]
    values = torch.as_tensor(found) if isinstance(found, Tensor) else np.asarray(found)
    labels = np.asarray(values)
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise ResarrayError(
            f"labels of data set '{name}' are no whole numbers, one an image: it must return "
            f"{WANTED}"
        )
    if labels.min() < 0 or labels.max() >= MAX_CLASSES:
        raise ResarrayError(
            f"labels of data set '{name}' go from {labels.min()} to {labels.max()}: 0 to "
            f"{MAX_CLASSES - 1} are allowed"
        )
    return labels.astype(np.int64)
