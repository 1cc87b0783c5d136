"""Labelled images: the digits that ship with scikit-learn, .npz files and folders of pictures.

Sources
-------
``digits``        the held-out fifth of scikit-learn's digits; ``digits-train``: the rest
``NAME.npz``      ``x`` uint8 [N][H][W][C] with C 1 or 3, ``y`` int [N]; or pictures in a ``blob``:
                  ``blob`` uint8 (encoded pictures end to end), ``offset`` int [N + 1], ``y``.
                  Optional in both: ``classes``, the class names
folder            one sub-folder of pictures per class, or pictures alone (labels unknown)
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from resarray.spec.errors import ResarrayError

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff")


@dataclass(frozen=True)
class Images:
    """pixels: uint8 [N][H][W][C]; labels: int64 [N], or None where unknown; classes: names."""

    pixels: np.ndarray
    labels: np.ndarray | None
    classes: list[str]

    def __len__(self) -> int:
        return len(self.pixels)


@dataclass(frozen=True)
class Source:
    """Images that are decoded one at a time, by `picture(index)`."""

    name: str
    count: int
    picture: Callable[[int], Pillow.Image]
    labels: np.ndarray | None
    classes: list[str]

    def read(self, size: int, channels: int, indices: np.ndarray | None = None) -> Images:
        """The images ``indices`` (None: all), ``size`` pixels square: the shorter side resized
        bilinearly, then the centre cropped."""
        if indices is None:
            indices = np.arange(self.count)
        pixels = np.stack([_fit(self.picture(int(i)), size, channels) for i in indices])
        labels = None if self.labels is None else self.labels[indices]
        return Images(pixels, labels, self.classes)


def spread(total: int, count: int | None) -> np.ndarray:
    """At most ``count`` (None: all) of the numbers below ``total``, evenly spread, since sources
    may be sorted by class."""
    if count is not None and count < 1:
        raise ResarrayError(f"{count} images asked for: at least 1 is needed")
    if count is None or count >= total:
        return np.arange(total)
    return np.arange(count) * total // count


def open_source(source: str) -> Source:
    """The image source called ``source`` (see the module); `ResarrayError` where there is none."""
    if source in ("digits", "digits-train"):
        return _digits(train=source == "digits-train")
    path = Path(source)
    if path.suffix == ".npz" and path.is_file():
        return _npz(path)
    if path.is_dir():
        return _folder(path)
    raise ResarrayError(
        f"images '{source}' not found: give 'digits', an .npz file or a folder of pictures"
    )


def load_images(source: str, size: int, channels: int = 3, count: int | None = None) -> Images:
    """At most ``count`` images of ``source``, evenly spread (None: all); see `Source.read`."""
    opened = open_source(source)
    return opened.read(size, channels, spread(opened.count, count))


def _fit(picture: Pillow.Image, size: int, channels: int) -> np.ndarray:
    """uint8 [size][size][channels]."""
    picture = picture.convert("RGB" if channels == 3 else "L")
    if picture.size != (size, size):
        width, height = picture.size
        scale = size / min(width, height)
        width, height = max(size, round(width * scale)), max(size, round(height * scale))
        left, top = (width - size) // 2, (height - size) // 2
        picture = picture.resize((width, height), Pillow.Resampling.BILINEAR)
        picture = picture.crop((left, top, left + size, top + size))
    return np.asarray(picture, np.uint8).reshape(size, size, channels)


def _digits(train: bool) -> Source:
    from sklearn.datasets import load_digits

    digits = load_digits()
    held_out = np.arange(len(digits.images)) % 5 == 4
    chosen = ~held_out if train else held_out
    pixels = np.round(digits.images[chosen] * (255 / 16)).astype(np.uint8)
    return Source(
        name="digits-train" if train else "digits",
        count=len(pixels),
        picture=lambda i: Pillow.fromarray(pixels[i]),
        labels=digits.target[chosen].astype(np.int64),
        classes=[str(name) for name in digits.target_names],
    )


def _npz(path: Path) -> Source:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:  # zipfile, zlib, numpy and the system each raise their own
        raise ResarrayError(
            f"images '{path}' cannot be read as .npz ({error}): save arrays x and y with np.savez"
        ) from error
    if "x" in arrays:
        count, picture = _array_pictures(path, arrays["x"])
    elif "blob" in arrays and "offset" in arrays:
        count, picture = _blob_pictures(path, arrays["blob"], arrays["offset"])
    else:
        raise ResarrayError(
            f"images '{path}' hold {', '.join(sorted(arrays)) or 'nothing'}: an array 'x' (uint8 "
            "[N][H][W][C]) with labels 'y' is needed, or 'blob', 'offset' and 'y'"
        )
    labels = arrays.get("y")
    if labels is not None:
        if labels.shape != (count,) or labels.dtype.kind not in "iu":
            raise ResarrayError(
                f"images '{path}': y is {labels.dtype} {list(labels.shape)}, it must be integers "
                f"[{count}], one label per image"
            )
        labels = labels.astype(np.int64)
        if labels.min() < 0:
            raise ResarrayError(f"images '{path}': y holds negative labels; 0 and up are allowed")
    if "classes" in arrays:
        classes = [str(name) for name in arrays["classes"]]
    else:
        classes = [] if labels is None else [str(i) for i in range(labels.max() + 1)]
    if labels is not None and labels.max() >= len(classes):
        raise ResarrayError(
            f"images '{path}': y goes up to {labels.max()}, classes has {len(classes)} names"
        )
    return Source(str(path), count, picture, labels, classes)


def _array_pictures(path: Path, x: np.ndarray) -> tuple[int, Callable[[int], Pillow.Image]]:
    if x.dtype != np.uint8 or x.ndim != 4 or x.shape[3] not in (1, 3) or not x.size:
        raise ResarrayError(
            f"images '{path}': x is {x.dtype} {list(x.shape)}, it must be uint8 [N][H][W][C] "
            "with C 1 or 3"
        )
    return len(x), lambda i: Pillow.fromarray(x[i, :, :, 0] if x.shape[3] == 1 else x[i])


def _blob_pictures(
    path: Path, blob: np.ndarray, offset: np.ndarray
) -> tuple[int, Callable[[int], Pillow.Image]]:
    valid = (
        blob.dtype == np.uint8
        and blob.ndim == offset.ndim == 1
        and offset.dtype.kind in "iu"
        and len(offset) >= 2
        and offset[0] >= 0
        and (np.diff(offset.astype(np.int64)) > 0).all()
        and offset[-1] <= len(blob)
    )
    if not valid:
        raise ResarrayError(
            f"images '{path}': blob must be uint8 [bytes] and offset ascending integers [N + 1] "
            "within it"
        )

    def picture(index: int) -> Pillow.Image:
        data = blob[offset[index] : offset[index + 1]].tobytes()
        return _open_picture(io.BytesIO(data), f"picture {index} of '{path}'")

    return len(offset) - 1, picture


def open_files(paths: list[Path]) -> Source:
    """Picture files, labels unknown."""
    return Source("files", len(paths), lambda i: _open_picture(paths[i], f"'{paths[i]}'"), None, [])


def _folder(path: Path) -> Source:
    classes = sorted(entry.name for entry in path.iterdir() if entry.is_dir())
    classes = [name for name in classes if _pictures(path / name)]
    if classes:
        files = [(file, i) for i, name in enumerate(classes) for file in _pictures(path / name)]
        paths = [file for file, _ in files]
        labels = np.array([label for _, label in files], np.int64)
    else:
        paths, labels = _pictures(path), None
    if not paths:
        raise ResarrayError(
            f"folder '{path}' holds no pictures ({', '.join(PICTURES)}): put them there, or in "
            "one sub-folder per class"
        )
    return Source(
        str(path), len(paths), lambda i: _open_picture(paths[i], f"'{paths[i]}'"), labels, classes
    )


def _pictures(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_file() and p.suffix.lower() in PICTURES)


def _open_picture(file: Path | io.BytesIO, what: str) -> Pillow.Image:
    try:
        with Pillow.open(file) as picture:
            return picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError) as error:
        raise ResarrayError(
            f"{what} cannot be read as a picture ({error}): replace or remove it"
        ) from error
