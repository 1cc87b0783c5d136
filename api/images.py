"""What the API takes as images: names of sources, arrays and tensors."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from resarray.golden.data import Source, array_source, open_files, open_source
from resarray.spec.errors import ResarrayError
from resarray.spec.image import Image
from resarray.spec.layout import from_dict
from resarray.spec.pixels import quantise_pixels, quantise_values

if TYPE_CHECKING:
    import torch

    Images = str | Path | list[Path] | np.ndarray | torch.Tensor
else:
    Images = Any


def source_of(images: Any) -> Source:
    """The source of ``images``, see `Images`: a path or ``"digits"`` (see
    `resarray.golden.data`), a list of picture files, or an array or tensor, uint8 [N][H][W][C]
    pixels or float [N][C][H][W] that are
    ready for the network. `ResarrayError` for anything else."""
    if isinstance(images, str | Path):
        return open_source(str(images))
    if isinstance(images, list | tuple) and all(isinstance(each, str | Path) for each in images):
        if not images:
            raise ResarrayError("an empty list of pictures is given: at least 1 is needed")
        return open_files([Path(each) for each in images])
    if isinstance(images, np.ndarray):
        return array_source(images)
    if hasattr(images, "detach"):  # a tensor: not an import, which takes seconds
        try:
            array = images.detach().cpu().numpy()
        except (TypeError, RuntimeError) as error:  # NotImplementedError among them
            raise ResarrayError(
                f"images as a tensor of {images.dtype}, {images.layout}, device {images.device} "
                "are given, which NumPy cannot read: give a dense one of torch.uint8 or "
                "torch.float32"
            ) from error
        return array_source(array)
    raise ResarrayError(
        f"images of type {type(images).__name__} are given: give a path, 'digits', a list of "
        "picture files, or an array or tensor, uint8 [N][H][W][C] or float [N][C][H][W]"
    )


def is_array(images: Images) -> bool:
    """Whether these are images themselves, not where they are."""
    return not isinstance(images, str | Path)


def read_inputs(image: Image, source: Source) -> np.ndarray:
    """int8 [N, C, H, W] of all images of ``source``, for a program that knows its pixels, or for
    any where they are floats."""
    if not source.ready and "pixels" not in image.manifest:
        raise ResarrayError(
            "the program does not say how pictures become its inputs: compile it again with "
            "'resarray compile'"
        )
    entry = image.manifest["inputs"][0]
    shape = from_dict(entry["layout"])
    if source.shape is None and shape.channels not in (1, 3):
        raise ResarrayError(
            f"the program takes {shape.channels} channels, pictures have 1 or 3: write such inputs "
            "from Python, as an array of so many channels"
        )
    read = source.read((shape.height, shape.width), shape.channels)
    if source.ready:
        return quantise_values(read.pixels, entry["scale"], entry["zero_point"])
    pixels = image.manifest["pixels"]
    return quantise_pixels(
        read.pixels, pixels["mean"], pixels["std"], entry["scale"], entry["zero_point"]
    )
