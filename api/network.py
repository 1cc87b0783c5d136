"""A network in floats: where the API begins."""

import copy
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from resarray.golden import pipeline
from resarray.golden.models import ModelSpec, ZooModel, find_model, of_module
from resarray.golden.user_model import users_code
from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError
from resarray.spec.pixels import Size, as_size
from resarray.spec.presets import DEFAULT
from resarray.spec.progress import Progress, silent

from . import arguments
from .images import Images, is_array, source_of
from .inspection import Inspection, inspect
from .program import Program
from .quantised import Quantised


def load(
    model: str | Path | nn.Module,
    weights: str | Path | None = None,
    *,
    example: torch.Tensor | np.ndarray | None = None,
    input_size: int | Size | str | None = None,
    mean: Sequence[float] | float | None = None,
    std: Sequence[float] | float | None = None,
    classes: Sequence[str] | None = None,
    name: str | None = None,
) -> "Network":
    """A trained network.

    Parameters
    ----------
    model:      an `nn.Module`, which is copied; a zoo name; ``"file.py:function"`` or
                ``"package.module:function"`` that returns a module; or a model file
    weights:    file of weights; None: the model's own, of the zoo those trained on the digits
    example:    an input [N][C][H][W] or [C][H][W], for its size and channels alone
    input_size: height and width in pixels: 48, (48, 80) or "48x80", to 1023 each; None: that of
                ``example``, else the model's
    mean, std:  of pixels scaled to [0, 1] that the network was trained with, one number or one per
                channel; None: the model's attributes, else ImageNet's
    classes:    names of the classes in the order of the logits; None: those of the images
    name:       of the network, 1 to 80 characters; None: the zoo's, or its class

    `ResarrayError` for a model that cannot be found or copied. What is wrong within it is said by
    `Network.inspect` and `Network.quantise`.
    """
    if isinstance(model, nn.Module):
        with users_code(f"model '{type(model).__name__}' cannot be copied"):
            spec = of_module(copy.deepcopy(model))
    elif isinstance(model, str | Path):
        spec = find_model(str(model))
    else:
        raise ResarrayError(
            f"a model of type {type(model).__name__} is given: give an nn.Module, a name of the "
            "zoo, file.py:function, package.module:function or a model file"
        )
    if example is not None:
        spec = _like(spec, example)
    if input_size is not None:
        input_size = as_size(input_size)
    elif example is not None:
        input_size = spec.input_size
    return Network(
        spec,
        None if weights is None else str(arguments.path(weights, "weights")),
        input_size,
        {
            "mean": mean,
            "std": std,
            "classes": arguments.optional(arguments.several, classes, "classes"),
        },
        arguments.optional(arguments.text, name, "name"),
    )


def _like(spec: ModelSpec, example: torch.Tensor | np.ndarray) -> ModelSpec:
    shape = tuple(int(side) for side in getattr(example, "shape", ()))
    if len(shape) not in (3, 4) or not all(shape):
        raise ResarrayError(
            f"an example input of shape {list(shape)} is given: give one of shape [C, H, W] or "
            "[N, C, H, W]"
        )
    channels, height, width = shape[-3:]
    if isinstance(spec, ZooModel) and channels != spec.channels:
        raise ResarrayError(
            f"an example input of {channels} channels is given, model '{spec.name}' takes "
            f"{spec.channels}"
        )
    return dataclasses.replace(spec, input_size=(height, width), channels=channels)


class Network:
    """A network in floats, see `load`."""

    def __init__(
        self,
        spec: ModelSpec,
        weights: str | None,
        input_size: Size | None,
        options: dict,
        name: str | None,
    ):
        self._spec = spec
        self._weights = weights
        self._input_size = input_size
        self._options = options
        self._name = name

    @property
    def name(self) -> str:
        """Of the network."""
        return self._spec.name if self._name is None else self._name

    @property
    def input_size(self) -> Size | None:
        """Height and width of its input in pixels, as given or as the model says; None: the
        images' own."""
        return self._spec.input_size if self._input_size is None else self._input_size

    def inspect(
        self,
        presets: str | Sequence[str | Config] | None = None,
        *,
        latency: int = 32,
        bytes_per_cycle: float | None = None,
        progress: Progress = silent,
    ) -> Inspection:
        """Every operator with its figures and whether it can run, and the cycles that the whole
        network will take; nothing is quantised on real images.

        Parameters
        ----------
        presets:         configurations to predict cycles for, or one, as of `Quantised.compile`;
                         None: all that come along, of which ``"tiny"`` takes a minute for large
                         inputs
        latency:         memory latency in cycles, 1 or more
        bytes_per_cycle: memory bandwidth, reads and writes together; None: one word of each per
                         cycle
        progress:        called with the fraction done (None: not known) and what is being done

        What cannot run is in the result with the reason, not an error. `ResarrayError` where the
        network cannot be read at all, has no input size, or a preset is unknown.
        """
        return inspect(
            self._spec,
            input_size=self._input_size,
            name=self._name,
            presets=arguments.optional(arguments.several, presets, "presets"),
            latency=arguments.whole(latency, "latency"),
            bytes_per_cycle=arguments.optional(
                arguments.number, bytes_per_cycle, "bytes_per_cycle"
            ),
            progress=progress,
        )

    def quantise(
        self,
        images: Images | None = None,
        *,
        count: int = pipeline.CALIBRATION_COUNT,
        progress: Progress = silent,
    ) -> Quantised:
        """The network as integers, its feature maps' ranges measured on ``images``.

        Parameters
        ----------
        images:   some dozens as the network will see them: path or ``"digits"`` as of ``--images``,
                  list of picture files, or array or tensor: uint8 [N][H][W][C] pixels, fitted to
                  the input's size, or float [N][C][H][W] of that size, already normalised; None:
                  the digits, for a zoo model, or of a file that is quantised already
        count:    how many of them are measured, evenly spread, 1 or more
        progress: called with the fraction done (None: not known) and what is being done

        `ResarrayError` names every operator that cannot run, with why; or says what is wrong with
        the weights or images.
        """
        count = arguments.whole(count, "count")
        has_scales = self._spec.file is not None and self._spec.file.quantised
        if images is None and not has_scales and not isinstance(self._spec, ZooModel):
            raise ResarrayError(
                f"nothing says on what the ranges of '{self.name}' are to be measured: give "
                "quantise() images, some dozens of pictures as the network will see them"
            )
        network = pipeline.build_network(
            self._spec,
            self._weights,
            None if images is None else source_of(images),
            input_size=self._input_size,
            calibration_count=count,
            name=self._name,
            progress=progress,
            **self._options,
        )
        of_array = images is not None and is_array(images)
        return Quantised(network, self._weights, self._options["classes"], of_array)

    def compile(self, preset: str | Config = DEFAULT, batch: int = 1, **options: Any) -> Program:
        """The program of a file that is quantised already, or of a zoo model measured on the
        digits; the arguments are those of `Quantised.compile`."""
        return self.quantise().compile(preset, batch, **options)

    def __repr__(self) -> str:
        size = self.input_size
        at = "" if size is None else f" at {size[0]}x{size[1]}"
        return f"<resarray.Network {self.name}{at}>"

    def _repr_html_(self) -> str:
        from resarray.report.notebook import of_text

        try:
            return self.inspect(presets=())._repr_html_()
        except ResarrayError as error:  # a notebook shows what there is
            return of_text(self.name, str(error))
