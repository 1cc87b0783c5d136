"""Images of all kinds: handwritten digits, arrays, and pictures.

Sources
-------
``digits``        the held-out fifth of the digits in ``digits.csv.gz``; ``digits-train``: the rest
``NAME.npz``      ``x``, an array of images as below, ``y`` int [N]; or pictures in a ``blob``:
                  ``blob`` uint8 (encoded pictures end to end), ``offset`` int [N + 1], ``y``.
                  Optional in both: ``y``, and ``classes``, the class names [names]
``NAME.npy``      an array of images
folder            one sub-folder of pictures per class, or pictures alone (labels unknown)
a picture         one image (label unknown)

An array is uint8 [N][H][W][C], [N][C][H][W] or [N][H][W] (pixels), or float [N][C][H][W] or
[N][H][W]: tensors that are ready for the network, already normalised.

The digits are the test set of E. Alpaydin and C. Kaynak's "Optical Recognition of Handwritten
Digits" (UCI Machine Learning Repository, 1998, doi:10.24432/C50P49, licence CC BY 4.0), in the file
that scikit-learn makes of it: a line has 8x8 pixels from 0 to 16, and the label.
"""

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from resarray.spec.errors import ResarrayError, reason
from resarray.spec.pixels import Size, as_size, size_text

DIGITS = Path(__file__).with_name("digits.csv.gz")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff")
# In numpy's sentences about what it does not load.
_OBJECTS = re.compile("pickle|Python objects")
# Labels are below this.
MAX_CLASSES = 65_536
# A picture may have so many pixels, and as many once it is resized.
MAX_PIXELS = 80_000_000
# Pictures that are looked at for the size of all.
SAMPLE = 16


@dataclass(frozen=True)
class Images:
    """pixels: uint8 [N][H][W][C], or float32 [N][C][H][W] where they are ready for the network;
    labels: int64 [N], or None where unknown; classes: names."""

    pixels: np.ndarray
    labels: np.ndarray | None
    classes: list[str]

    def __len__(self) -> int:
        return len(self.pixels)

    def visible(self) -> np.ndarray:
        """uint8 [N][H][W][1 or 3], to look at: of other channel counts the first channel; what is
        ready for the network is stretched from its lowest to its highest value."""
        if self.pixels.dtype == np.uint8:
            return self.pixels if self.pixels.shape[3] in (1, 3) else self.pixels[..., :1]
        x = self.pixels.transpose(0, 2, 3, 1).astype(np.float64)
        x = x if x.shape[3] == 3 else x[..., :1]
        lowest = x.min((1, 2, 3), keepdims=True)
        span = x.max((1, 2, 3), keepdims=True) - lowest
        return np.rint((x - lowest) / np.where(span > 0, span, 1) * 255).astype(np.uint8)


@dataclass(frozen=True)
class Source:
    """Images that are read one at a time.

    image(index): a picture, or of an array uint8 [H][W][C]; where ``ready`` float32 [C][H][W]
    shape:        (C, H, W) of an array's images; None: pictures, each of its own
    by_folder:    whether the labels are the places of sub-folders in alphabetical order, and
                  ``classes`` their names
    """

    name: str
    count: int
    image: Callable[[int], Pillow.Image | np.ndarray]
    labels: np.ndarray | None
    classes: list[str]
    shape: tuple[int, int, int] | None = None
    ready: bool = False
    by_folder: bool = False

    def read(self, size: int | Size, channels: int, indices: np.ndarray | None = None) -> Images:
        """The images ``indices`` (None: all) of height and width ``size``: resized bilinearly until
        they just cover it, then the centre cropped.

        `ResarrayError` where images of that size and so many channels cannot be made of them.
        """
        sides = as_size(size)
        self._require(sides, channels)
        if indices is None:
            indices = np.arange(self.count)
        pixels = np.stack([self._fitted(int(i), sides, channels) for i in indices])
        labels = None if self.labels is None else self.labels[indices]
        return Images(pixels, labels, self.classes)

    def own_size(self) -> Size | None:
        """Height and width of all images (of pictures, of a sample); None where they differ."""
        if self.shape is not None:
            return self.shape[1:]
        sample = {self._picture_size(int(i)) for i in spread(self.count, SAMPLE)}
        return sample.pop() if len(sample) == 1 else None

    def _picture_size(self, index: int) -> Size:
        picture = self.image(index)
        assert isinstance(picture, Pillow.Image)  # an array's images have a shape
        return picture.height, picture.width

    def _require(self, size: Size, channels: int) -> None:
        colours = (1, 3)
        own = colours if self.shape is None else self.shape[:1]
        if channels in own or (not self.ready and {channels, *own} <= {*colours}):
            if self.ready and self.shape is not None and self.shape[1:] != size:
                raise ResarrayError(
                    f"images '{self.name}' are tensors of {size_text(self.shape[1:])}, the network "
                    f"takes {size_text(size)}: floats are not resized; give that --input-size"
                )
            return
        has = "1 or 3 channels" if self.shape is None else f"shape {list(self.shape)} [C, H, W]"
        count = f"{channels} channel" + ("s" if channels != 1 else "")
        raise ResarrayError(
            f"images '{self.name}' have {has}, the network takes {count}: give images of {count}, "
            "as an .npz file with x uint8 [N][H][W][C] or float [N][C][H][W]"
        )

    def _fitted(self, index: int, size: Size, channels: int) -> np.ndarray:
        image = self.image(index)
        if isinstance(image, Pillow.Image):
            return _fit(image, size, channels, f"picture {index} of '{self.name}'")
        if self.ready:
            return image
        what = f"image {index} of '{self.name}'"
        if image.shape[2] in (1, 3):
            picture = Pillow.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
            return _fit(picture, size, channels, what)
        planes = [
            _fit(Pillow.fromarray(np.ascontiguousarray(image[:, :, c])), size, 1, what)
            for c in range(channels)
        ]
        return np.concatenate(planes, axis=2)


def spread(total: int, count: int | None) -> np.ndarray:
    """At most ``count`` (None: all) of the numbers below ``total``, evenly spread, since sources
    may be sorted by class."""
    if count is not None and count < 1:
        raise ResarrayError(f"{count} images asked for: at least 1 is needed")
    if count is None or count >= total:
        return np.arange(total)
    return np.arange(count) * total // count


def open_source(source: str | Source) -> Source:
    """The image source called ``source`` (see the module), or itself; `ResarrayError` where there
    is none."""
    if isinstance(source, Source):
        return source
    if source in ("digits", "digits-train"):
        return _digits(train=source == "digits-train")
    if not source:
        raise ResarrayError(
            "--images '' names nothing: give 'digits', an .npz or .npy file or a folder of pictures"
        )
    path = Path(source)
    if path.is_dir():
        return _folder(path)
    if path.is_file():
        if path.suffix == ".npz":
            return _npz(path)
        if path.suffix == ".npy":
            return _npy(path)
        if path.suffix.lower() in PICTURES:
            return open_files([path], source)
        raise ResarrayError(
            f"images '{source}' are of an unknown kind: give an .npz or .npy file, a picture "
            f"({', '.join(PICTURES)}) or a folder of pictures"
        )
    raise ResarrayError(
        f"images '{source}' not found: give 'digits', an .npz or .npy file or a folder of pictures"
    )


def array_source(x: np.ndarray, name: str = "array") -> Source:
    """The images of an array, as the ``x`` of an .npz file; labels unknown."""
    return _array(Path(name), "x", x)


def load_images(
    source: str, size: int | Size, channels: int = 3, count: int | None = None
) -> Images:
    """At most ``count`` images of ``source``, evenly spread (None: all); see `Source.read`."""
    opened = open_source(source)
    return opened.read(size, channels, spread(opened.count, count))


def _fit(picture: Pillow.Image, size: Size, channels: int, what: str) -> np.ndarray:
    """uint8 [height][width][channels]."""
    picture = picture.convert("RGB" if channels == 3 else "L")
    tall, wide = size
    if picture.size != (wide, tall):
        width, height = picture.size
        scale = max(wide / width, tall / height)
        width, height = max(wide, round(width * scale)), max(tall, round(height * scale))
        if width * height > MAX_PIXELS:
            own = size_text(picture.size[::-1])
            raise ResarrayError(
                f"{what} has {own} pixels, and would have {size_text((height, width))} where it "
                f"just covers the input's {size_text(size)}: crop or remove it"
            )
        left, top = (width - wide) // 2, (height - tall) // 2
        picture = picture.resize((width, height), Pillow.Resampling.BILINEAR)
        picture = picture.crop((left, top, left + wide, top + tall))
    return np.asarray(picture, np.uint8).reshape(tall, wide, channels)


def _digits(train: bool) -> Source:
    table = np.loadtxt(DIGITS, delimiter=",")
    held_out = np.arange(len(table)) % 5 == 4
    table = table[~held_out if train else held_out]
    pixels = np.round(table[:, :-1] * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8)
    return Source(
        name="digits-train" if train else "digits",
        count=len(pixels),
        image=lambda i: pixels[i, :, :, None],
        labels=table[:, -1].astype(np.int64),
        classes=[str(digit) for digit in range(10)],
        shape=(1, *pixels.shape[1:]),
    )


# -- arrays ----------------------------------------------------------------------------------


def _npz(path: Path) -> Source:
    def read(name: str) -> np.ndarray | None:
        return archive[name] if name in archive.files else None

    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise ResarrayError(f"images '{path}' are a single array: name the file .npy")
        with archive:
            x, blob, offset, labels, names = map(read, ("x", "blob", "offset", "y", "classes"))
            members = archive.files
    except ResarrayError:
        raise
    except Exception as error:  # zipfile, zlib, numpy and the system each raise their own
        raise ResarrayError(
            f"images '{path}' cannot be read as .npz ({_why(error)}): save arrays x and y with "
            "np.savez"
        ) from error
    if x is not None:
        source = _array(path, "x", x)
    elif blob is not None and offset is not None:
        source = _blob(path, blob, offset)
    else:
        raise ResarrayError(
            f"images '{path}' hold {', '.join(sorted(members)) or 'nothing'}: an array 'x' (uint8 "
            "[N][H][W][C] or float [N][C][H][W]) with labels 'y' is needed, or 'blob', 'offset' "
            "and 'y'"
        )
    labels = None if labels is None else _labels(path, labels, source.count)
    if names is not None:
        classes = _class_names(path, names)
    else:
        classes = [] if labels is None else [str(i) for i in range(labels.max() + 1)]
    if labels is not None and labels.max() >= len(classes):
        raise ResarrayError(
            f"images '{path}': y goes up to {labels.max()}, classes has {len(classes)} names"
        )
    return Source(
        source.name, source.count, source.image, labels, classes, source.shape, source.ready
    )


def _npy(path: Path) -> Source:
    try:
        x = np.load(path, allow_pickle=False, mmap_mode="r")
    except Exception as error:  # numpy and the system each raise their own
        raise ResarrayError(
            f"images '{path}' cannot be read as .npy ({_why(error)}): save an array with np.save"
        ) from error
    if not isinstance(x, np.ndarray):
        raise ResarrayError(f"images '{path}' hold several arrays: name the file .npz")
    return _array(path, "it", x)


def _why(error: Exception) -> str:
    """What numpy says, without its advice to unpickle."""
    text = reason(error)
    return "it holds Python objects, not numbers" if _OBJECTS.search(text) else text


def _labels(path: Path, labels: np.ndarray, count: int) -> np.ndarray:
    """int64 [count], checked before anything is made of them."""
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise ResarrayError(
            f"images '{path}': y is {labels.dtype} {list(labels.shape)}, it must be integers "
            f"[{count}], one label per image"
        )
    if labels.min() < 0:
        raise ResarrayError(f"images '{path}': y holds negative labels; 0 and up are allowed")
    if labels.max() >= MAX_CLASSES:
        raise ResarrayError(
            f"images '{path}': y holds the label {labels.max()}; 0 to {MAX_CLASSES - 1} are allowed"
        )
    return labels.astype(np.int64)


def _class_names(path: Path, names: np.ndarray) -> list[str]:
    if names.ndim != 1 or names.dtype.kind not in "USiu" or not len(names):
        raise ResarrayError(
            f"images '{path}': classes is {names.dtype} {list(names.shape)}, it must be the names "
            "[classes], one per class"
        )
    if len(names) > MAX_CLASSES:
        raise ResarrayError(
            f"images '{path}': classes has {len(names)} names; at most {MAX_CLASSES} are allowed"
        )
    if names.dtype.kind == "S":
        return [name.decode(errors="replace") for name in names.tolist()]
    return [str(name) for name in names.tolist()]


def _array(path: Path, what: str, x: np.ndarray) -> Source:
    """The images of an array: uint8 pixels, or floats that are ready for the network."""
    ready = x.dtype.kind == "f"
    if not (ready or x.dtype == np.uint8) or x.ndim not in (3, 4) or not x.size:
        raise ResarrayError(
            f"images '{path}': {what} is {x.dtype} {list(x.shape)}, it must be uint8 pixels "
            "[N][H][W][C] or [N][H][W], or float tensors [N][C][H][W] that are ready for the "
            "network"
        )
    if x.ndim == 3:
        x = x[:, None] if ready else x[..., None]
    if not ready and _channels_first(path, what, x.shape):
        x = x.transpose(0, 2, 3, 1)
    if not ready:
        _, height, width, channels = x.shape
        return Source(
            str(path),
            len(x),
            lambda i: np.ascontiguousarray(x[i]),
            None,
            [],
            (channels, height, width),
        )

    def image(index: int) -> np.ndarray:
        with np.errstate(over="ignore"):  # of float64: then it is not finite, which is said
            found = np.ascontiguousarray(x[index], np.float32)
        if not np.isfinite(found).all():
            raise ResarrayError(
                f"images '{path}': image {index} holds values that are not finite numbers "
                "(NaN or infinity): replace or remove it"
            )
        return found

    return Source(str(path), len(x), image, None, [], x.shape[1:], ready=True)


def _channels_first(path: Path, what: str, shape: tuple[int, ...]) -> bool:
    """Whether uint8 of this shape is [N][C][H][W]: the channels are the fewest of the three. The
    ``x`` of an .npz file is [N][H][W][C] unless it can only be the other."""
    _, first, middle, last = shape
    if last in (1, 3) and first not in (1, 3):
        return False
    if first in (1, 3) and last not in (1, 3):
        return True
    if what == "x" or last < min(first, middle):
        return False
    if first < min(middle, last):
        return True
    raise ResarrayError(
        f"images '{path}' are uint8 {list(shape)}: which of these are the channels is not clear; "
        "save them as x [N][H][W][C] with np.savez"
    )


def _blob(path: Path, blob: np.ndarray, offset: np.ndarray) -> Source:
    valid = (
        blob.dtype == np.uint8
        and blob.ndim == offset.ndim == 1
        and offset.dtype.kind in "iu"
        and len(offset) >= 2
        and offset[0] >= 0
        and offset[-1] <= len(blob)
        and (np.diff(offset.astype(np.int64)) > 0).all()
    )
    if not valid:
        raise ResarrayError(
            f"images '{path}': blob must be uint8 [bytes] and offset ascending integers [N + 1] "
            "within it"
        )

    def picture(index: int) -> Pillow.Image:
        data = blob[offset[index] : offset[index + 1]].tobytes()
        return _open_picture(io.BytesIO(data), f"picture {index} of '{path}'")

    return Source(str(path), len(offset) - 1, picture, None, [])


# -- pictures --------------------------------------------------------------------------------


def open_files(paths: list[Path], name: str = "files") -> Source:
    """Picture files, labels unknown."""
    return Source(name, len(paths), lambda i: _open_picture(paths[i], f"'{paths[i]}'"), None, [])


def _folder(path: Path) -> Source:
    folders = sorted(entry for entry in path.iterdir() if entry.is_dir() and _shown(entry))
    paths, classes, labels = _pictures(path), [], None
    within = [_pictures(folder) for folder in folders]
    if any(within):
        # Any of these would move the labels, or leave pictures out.
        for folder, found in zip(folders, within, strict=True):
            if not found:
                raise ResarrayError(
                    f"folder '{folder}' holds no pictures, those beside it do, which makes each a "
                    "class: put pictures of its class there, or move it elsewhere"
                )
        if paths:
            raise ResarrayError(
                f"folder '{path}' holds pictures ('{paths[0].name}') beside sub-folders of "
                "pictures, one per class: put each picture into that of its class"
            )
        classes = [folder.name for folder in folders]
        paths = [file for found in within for file in found]
        labels = np.repeat(np.arange(len(within)), [len(found) for found in within])
    if not paths:
        raise ResarrayError(
            f"folder '{path}' holds no pictures ({', '.join(PICTURES)}): put them there, or in "
            "one sub-folder per class"
        )
    return Source(
        str(path),
        len(paths),
        lambda i: _open_picture(paths[i], f"'{paths[i]}'"),
        labels,
        classes,
        by_folder=labels is not None,
    )


def _pictures(path: Path) -> list[Path]:
    return sorted(
        p for p in path.iterdir() if p.is_file() and p.suffix.lower() in PICTURES and _shown(p)
    )


def _shown(path: Path) -> bool:
    """Whether it is not hidden, as what systems and tools leave beside pictures is."""
    return not path.name.startswith(".")


def _open_picture(file: Path | io.BytesIO, what: str) -> Pillow.Image:
    """An RGB picture. Transparency is dropped, as by the usual loaders for training."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, about sizes and metadata
            with Pillow.open(file) as picture:
                width, height = picture.size
                if width * height > MAX_PIXELS:
                    raise ResarrayError(
                        f"{what} has {width * height:,} pixels: at most {MAX_PIXELS:,} are read; "
                        "shrink or remove it"
                    )
                return _to_rgb(picture, what)
    except ResarrayError:
        raise
    except Pillow.DecompressionBombError as error:
        raise ResarrayError(
            f"{what} has more pixels than the {MAX_PIXELS:,} that are read: shrink or remove it"
        ) from error
    except Exception as error:  # a broken picture can raise anything
        found = "it is no picture" if isinstance(error, Pillow.UnidentifiedImageError) else None
        raise ResarrayError(
            f"{what} cannot be read as a picture ({found or reason(error)}): replace or remove it"
        ) from error


def _to_rgb(picture: Pillow.Image, what: str) -> Pillow.Image:
    if picture.mode.startswith("I;16") or (
        picture.mode == "I" and picture.format in ("PNG", "PPM")  # those have 16 bits at most
    ):
        values = np.asarray(picture).astype(np.uint32)
        # Pillow would clip to 255.
        picture = Pillow.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
    elif picture.mode in ("I", "F"):
        kind = "32-bit integers" if picture.mode == "I" else "floating-point numbers"
        raise ResarrayError(
            f"{what} has pixels that are {kind}, of which black and white are not known: save it "
            "with 8 or 16 bits"
        )
    return picture.convert("RGB")
