"""From a model's name and images to everything that a run on the accelerator is compared with."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from resarray.spec.errors import ResarrayError
from resarray.spec.pixels import Size, as_size, quantise_values, size_text
from resarray.spec.progress import Progress, silent

from . import fast, user_model
from .data import Images, Source, open_source, spread
from .datasets import open_images
from .equalise import equalise
from .float_graph import FloatGraph, run_float
from .float_module import FloatModule
from .graph import QGraph
from .importer import import_model
from .importers.files import ModelFile
from .importers.torch_export import read_model
from .models import IMAGENET_MEAN, IMAGENET_STD, ModelSpec, ZooModel, find_model
from .ops import QTensor, Shape
from .passes import simplify
from .quantise import normalise, quantise, quantise_input, unscaled
from .train import cached_weights, digits_size, top1
from .weights import build_with_weights

CALIBRATION_COUNT = 64
# Of all calibration images together: values, each a float of 4 bytes.
MAX_SAMPLES = 1 << 28
# Images per call of the networks.
BATCH = 32
# Of an output's largest value: rounding in another order differs by much less, another network by
# more.
SAME_OUTPUT = 0.01
CHECKED_IMAGES = 4
# Names in a message.
SHOWN = 4


@dataclass(frozen=True)
class Network:
    """A quantised network and what is needed to run it on images.

    Attributes
    ----------
    name:         of the model
    float_model:  the float network, in evaluation mode
    float_graph:  the same as operators, before quantisation
    graph:        the integer graph
    mean, std:    of pixels scaled to [0, 1], per channel; None: only images that are ready for it
    source:       the images to run
    indices:      which of them
    class_names:  names of the labels
    warnings:     what a user should know, a sentence each
    """

    name: str
    float_model: nn.Module
    float_graph: FloatGraph
    graph: QGraph
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    source: Source
    indices: np.ndarray
    class_names: list[str]
    warnings: list[str]

    @property
    def input_size(self) -> Size:
        """Height and width of its input in pixels."""
        return self.float_graph.shapes[self.float_graph.input][1:]

    def images(self, indices: np.ndarray) -> Images:
        """Those images of the source, fitted to the network's input."""
        channels = self.float_graph.shapes[self.float_graph.input][0]
        return self.source.read(self.input_size, channels, indices)

    def on(
        self,
        images: str | Source,
        count: int | None = None,
        classes: Sequence[str] | None = None,
    ) -> "Network":
        """The same network to run on others: ``count`` of ``images`` (None: all), evenly spread.
        ``classes`` as for `build_network`. `ResarrayError` where they do not fit the network."""
        source = open_images(images)
        if not source.ready and (self.mean is None or self.std is None):
            raise ResarrayError(
                f"images '{source.name}' are pixels, and mean and std of those that model "
                f"'{self.name}' was trained with are not known: give --mean and --std, or float "
                "tensors that are ready for the network"
            )
        source = _with_classes(self, self.float_graph, source, classes, labelled=False)
        if not source.classes:
            source = dataclasses.replace(source, classes=self.class_names)
        return dataclasses.replace(
            self,
            source=source,
            indices=spread(source.count, count),
            class_names=source.classes,
        )

    def inputs(self, images: Images) -> Tensor:
        """float [N][C][H][W], normalised."""
        return normalised(images, self.mean, self.std)

    def float_outputs(self, images: Images) -> dict[str, np.ndarray]:
        """The float network's outputs: tensor name -> float32 [N][C][H][W]."""
        found = _answers(self.float_model, self.inputs(images), self.name)
        return {
            name: values.reshape(-1, *self.graph.tensors[name].shape)
            for name, values in zip(self.graph.outputs, found, strict=True)
        }

    def float_logits(self, images: Images) -> np.ndarray:
        """float32 [N][values] of its first output."""
        return _flat(self.float_outputs(images)[self.graph.output])

    def quantise(self, images: Images) -> np.ndarray:
        """int8 [N][C][H][W], the integer graph's input."""
        return quantised(images, self.graph.tensors[self.graph.input], self.mean, self.std)


@dataclass(frozen=True)
class Prepared:
    """A network with images, and every result that the accelerator's is compared with.

    Attributes
    ----------
    name:          of the model
    graph:         the integer graph
    float_model:   the float network
    float_graph:   the same as operators, with the integer graph's tensor names
    input_size:    height and width of the input in pixels
    mean, std:     of the pixels, per channel, that the model was trained with; None: not known
    source:        name of the images
    pixels:        uint8 [N][H][W][1 or 3], the images to look at
    inputs:        float [N][C][H][W], the images as the float network takes them
    inputs_int8:   int8 [N][C][H][W], the graph's input
    labels:        int64 [N], or None where unknown
    class_names:   names of the labels
    float_outputs: tensor name -> float32 [N][C][H][W] of the float network's outputs
    expected:      tensor name -> int8 [N][C][H][W] of the integer graph
    float_top1:    fraction that the float network gets right; None without labels
    int8_top1:     the integer graph's
    warnings:      what a user should know, a sentence each
    """

    name: str
    graph: QGraph
    float_model: nn.Module
    float_graph: FloatGraph
    input_size: Size
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    source: str
    pixels: np.ndarray
    inputs: Tensor
    inputs_int8: np.ndarray
    labels: np.ndarray | None
    class_names: list[str]
    float_outputs: dict[str, np.ndarray]
    expected: dict[str, np.ndarray]
    float_top1: float | None
    int8_top1: float | None
    warnings: list[str]

    @property
    def float_logits(self) -> np.ndarray:
        """float32 [N][values] of the first output."""
        return _flat(self.float_outputs[self.graph.output])

    def float_tensors(self, count: int) -> dict[str, np.ndarray]:
        """Every tensor of the integer graph as the float network has it: tensor name -> float32
        [n][C][H][W] for the first ``count`` images, or all where there are fewer."""
        found = {}

        def keep(name: str, value: Tensor) -> None:
            if name in self.graph.tensors:
                found[name] = value.numpy()

        run_float(self.float_graph, self.inputs[:count], keep)
        return found


def prepare(
    model: str | ModelSpec,
    weights: str | None = None,
    images: str | Source | None = None,
    *,
    count: int = 1,
    progress: Progress = silent,
    **options,
) -> Prepared:
    """Everything about ``count`` images (evenly spread over the source) on ``model``.

    The arguments are those of `build_network`.
    """
    network = build_network(model, weights, images, count=count, progress=progress, **options)
    return golden_results(network, progress)


def golden_results(network: Network, progress: Progress = silent) -> Prepared:
    """``network`` with its images, and what the float network and the integer graph make of
    them."""
    chosen = network.images(network.indices)
    inputs = network.quantise(chosen)
    images = "1 golden image" if len(inputs) == 1 else f"{len(inputs)} golden images"
    progress(None, f"computing {images}")
    outputs = network.float_outputs(chosen)
    expected = fast.run(network.graph, inputs)
    labels = chosen.labels
    logits, int8_logits = (_flat(each[network.graph.output]) for each in (outputs, expected))
    return Prepared(
        name=network.name,
        graph=network.graph,
        float_model=network.float_model,
        float_graph=network.float_graph,
        input_size=network.input_size,
        mean=network.mean,
        std=network.std,
        source=network.source.name,
        pixels=chosen.visible(),
        inputs=network.inputs(chosen),
        inputs_int8=inputs,
        labels=labels,
        class_names=network.class_names,
        float_outputs=outputs,
        expected=expected,
        float_top1=None if labels is None else top1(logits, labels),
        int8_top1=None if labels is None else top1(int8_logits, labels),
        warnings=network.warnings,
    )


@dataclass(frozen=True)
class Subject:
    """A network that is to be trained, and the images for it.

    Attributes
    ----------
    spec:      of the model
    model:     the float network
    source:    the images, which have labels
    size:      height and width of its input in pixels
    channels:  of its input
    mean, std: of pixels scaled to [0, 1], per channel; None: only images that are ready for it
    classes:   how many logits it has
    warnings:  what a user should know, a sentence each
    """

    spec: ModelSpec
    model: nn.Module
    source: Source
    size: Size
    channels: int
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    classes: int
    warnings: list[str]


def open_subject(
    model: str,
    weights: str | None,
    images: str,
    *,
    input_size: int | Size | str | None = None,
    mean: Sequence[float] | float | None = None,
    std: Sequence[float] | float | None = None,
) -> Subject:
    """The network, a zoo model with as many classes as the images have, or ``weights``; the
    arguments are those of `build_network`."""
    spec = find_model(model)
    source = open_images(images)
    if source.labels is None:
        raise ResarrayError(
            f"images '{source.name}' have no labels: put them in one sub-folder per class, or give "
            "--images with them, as an .npz file with y"
        )
    if input_size is None and isinstance(spec, ZooModel) and source.name == "digits-train":
        input_size = digits_size(model)
    size = _input_size(spec, input_size, source)
    if weights is None and isinstance(spec, ZooModel):
        count, build = len(source.classes), spec.build
        spec = dataclasses.replace(spec, build=lambda _: build(count))
    float_model = _float_model(spec, weights)
    channels = _channels(spec, float_model, size, source)
    mean, std, warnings = _normalisation(spec, mean, std, channels, source)
    answer = user_model.outputs_of(
        user_model.forward(float_model.eval(), torch.zeros(2, channels, *size), spec.name)
    )
    if not answer or answer[0].shape[0] != 2 or answer[0].flatten(1).shape[1] != answer[0].shape[1]:
        raise ResarrayError(
            f"model '{spec.name}' does not return logits [N, classes], which training needs"
        )
    classes = answer[0].shape[1]
    if source.labels.max() >= classes or (source.by_folder and len(source.classes) != classes):
        raise ResarrayError(
            f"images '{source.name}' have {_counted(len(source.classes), 'class', 'classes')}, "
            f"model '{spec.name}' has {classes}: give images and a network of the same classes"
        )
    return Subject(spec, float_model, source, size, channels, mean, std, classes, warnings)


def build_network(
    model: str | ModelSpec,
    weights: str | None = None,
    images: str | Source | None = None,
    *,
    input_size: int | Size | str | None = None,
    count: int | None = None,
    calibration_count: int = CALIBRATION_COUNT,
    calibration_images: str | Source | None = None,
    mean: Sequence[float] | float | None = None,
    std: Sequence[float] | float | None = None,
    classes: Sequence[str] | None = None,
    name: str | None = None,
    labelled: bool = False,
    progress: Progress = silent,
) -> Network:
    """The quantised network.

    Parameters
    ----------
    model:               see `find_model`, or what `models` made of one
    weights:             file of weights; None: those trained on the digits for a zoo model, the
                         model's own for a user's
    images:              source of images, or its name, see `data`; None: the digits, but the
                         calibration's for a user's model where those are given
    input_size:          height and width in pixels; None: the model's (for digits: as trained), or
                         that of the images where all have one
    count:               images to run; None: all
    calibration_count:   images that the ranges are measured on, evenly spread over their source
    calibration_images:  that source; None: ``images``. Of the digits, the training split
    mean, std:           of pixels scaled to [0, 1], per channel or one for all; None: the model's
    classes:             names of the network's classes, in the order of its logits; None: those of
                         the images
    name:                of the network; None: the zoo's, or the class of a user's model
    labelled:            whether images without labels and networks without classes are refused
    """
    spec = model if isinstance(model, ModelSpec) else find_model(model)
    found_name = spec.name
    spec = _named(spec, name)
    source = _source(spec, images, calibration_images)
    if labelled and source.labels is None:
        raise ResarrayError(
            f"images '{source.name}' have no labels: put them in one sub-folder per class, or give "
            "--images with them, as an .npz file with y"
        )
    calibration = open_images(calibration_images) if calibration_images else source
    size = input_size
    in_zoo = isinstance(spec, ZooModel)
    if size is None and in_zoo and weights is None:
        size = digits_size(found_name)
    size = _input_size(spec, size, source)
    indices = spread(source.count, count)
    if calibration_count < 1:
        raise ResarrayError(f"{calibration_count} calibration images: at least 1 is needed")
    if source.ready != calibration.ready:
        raise ResarrayError(
            f"images '{source.name}' and '{calibration.name}' are of two kinds, pixels and float "
            "tensors: give both as pixels, or both as tensors that are ready for the network"
        )

    trained = cached_weights(found_name, progress) if in_zoo and weights is None else weights
    if spec.file is None:
        float_model = _float_model(spec, trained)
        channels = _channels(spec, float_model, size, source)
    else:
        float_model = _file_model(spec, spec.file, size, weights)
        channels = spec.file.channels
    progress(None, f"importing {spec.name}")
    mean, std, warnings = _normalisation(spec, mean, std, channels, source)
    samples = _samples(calibration, calibration_count, size, channels)
    inputs = normalised(samples, mean, std)
    if isinstance(float_model, FloatModule):
        float_graph = simplify(float_model.graph)
    else:
        float_model = user_model.with_outputs(float_model, (channels, *size), spec.name)
        float_graph = import_model(float_model, (channels, *size), spec.name)
    warnings += [] if spec.file is None else spec.file.warnings
    source = _with_classes(spec, float_graph, source, classes, labelled)
    if float_graph.scales:  # to compare it with float numbers then says nothing
        warnings += _unscaled(float_graph)
    else:
        _check_same(spec, float_model, float_graph, inputs[:CHECKED_IMAGES])
        if len(inputs) == 1:
            warnings.append(
                "calibrated on one image: what exceeds its ranges in another is clipped; give a "
                "dozen or more"
            )
    float_graph = equalise(float_graph, inputs)
    graph = quantise(float_graph, inputs, progress)
    return Network(
        spec.name,
        float_model,
        float_graph,
        graph,
        mean,
        std,
        source,
        indices,
        source.classes,
        warnings,
    )


def read_network(
    model: str | ModelSpec,
    *,
    input_size: int | Size | str | None = None,
    name: str | None = None,
) -> FloatGraph:
    """Every operator of a network as the front end reads it, nothing folded, fused, refused or
    quantised. A zoo model has random weights of one seed.

    The arguments are those of `build_network`; ``input_size``: None: the model's own.
    """
    spec = model if isinstance(model, ModelSpec) else find_model(model)
    spec = _named(spec, name)
    size = _input_size(spec, input_size, None)
    if spec.file is not None:
        return _file_model(spec, spec.file, size, None).graph
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        float_model = _float_model(spec, None)
    shape = (_channels(spec, float_model, size, None), *size)
    return read_model(user_model.with_outputs(float_model, shape, spec.name), shape, spec.name)


# -- what was given --------------------------------------------------------------------------


def _named(spec: ModelSpec, name: str | None) -> ModelSpec:
    name = spec.name if name is None else name
    if not name.strip() or not name.isprintable() or len(name) > 80:
        raise ResarrayError(
            f"name {name!r} is none: give a name (--name) of 1 to 80 characters that can be printed"
        )
    return dataclasses.replace(spec, name=name)


def _source(
    spec: ModelSpec, images: str | Source | None, calibration_images: str | Source | None
) -> Source:
    if images is None and calibration_images is not None and not isinstance(spec, ZooModel):
        # Whoever only calibrates need not have images of the network's classes.
        source = open_images(calibration_images)
        return dataclasses.replace(source, labels=None, classes=[], by_folder=False)
    return open_images("digits" if images is None else images)


def _input_size(spec: ModelSpec, given: object, source: Source | None) -> Size:
    size = spec.input_size if given is None else as_size(given)
    if size is None and source is not None and source.name not in ("digits", "digits-train"):
        size = source.own_size()
        if size is None:
            raise ResarrayError(
                f"model '{spec.name}' has no default input size, and the pictures of "
                f"'{source.name}' are of several: give --input-size 48 or 48x80 (height x width), "
                "or set the module's attribute input_size"
            )
    if size is None:
        raise ResarrayError(
            f"model '{spec.name}' has no default input size: give --input-size 48 or 48x80 "
            "(height x width), or set the module's attribute input_size"
        )
    if not all(spec.min_size <= side <= spec.max_size for side in size):
        shown = size[0] if size[0] == size[1] else size_text(size)
        raise ResarrayError(
            f"input size {shown}: model '{spec.name}' takes {spec.min_size} to {spec.max_size} "
            "pixels"
        )
    return size


def _float_model(spec: ModelSpec, weights: str | Path | None) -> nn.Module:
    model = user_model.plain(spec.build(None), spec.name)
    # Whatever asks a user's network for its parameters runs its code.
    with user_model.users_code(f"the parameters of model '{spec.name}' cannot be read or set"):
        if weights is not None:
            model = build_with_weights(spec, weights)
        user_model.require_finite(model, spec.name)
    return model


def _file_model(
    spec: ModelSpec, file: ModelFile, size: Size, weights: str | Path | None
) -> FloatModule:
    if weights is not None:
        spec.build(None)  # which refuses
    if file.size is not None and file.size != size:
        raise ResarrayError(
            f"input size {size_text(size)}: the input of model '{spec.name}' has the size "
            f"{size_text(file.size)} in its file; leave out --input-size"
        )
    return FloatModule(dataclasses.replace(file.read((file.channels, *size)), name=spec.name))


def _unscaled(graph: FloatGraph) -> list[str]:
    """What a user should know about the tensors that a quantised network has no scale of."""
    missing = unscaled(graph)
    if not missing:
        return []
    shown = ", ".join(f"'{name}'" for name in missing[:SHOWN])
    more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
    return [
        f"model '{graph.name}' is quantised, but has no scale of {shown}{more}: measured on the "
        "calibration images"
    ]


def _channels(spec: ModelSpec, model: nn.Module, size: Size, source: Source | None) -> int:
    if isinstance(spec, ZooModel):
        return spec.channels
    found = user_model.input_channels(model, size) or spec.channels
    if found is None and source is not None and source.shape is not None:
        found = source.shape[0]
    if found is None:  # pictures: grey or colour, where only one of these works
        taken = [c for c in (1, 3) if user_model.takes(model, (c, *size))]
        found = taken[0] if len(taken) == 1 else None
    if found is None:
        raise ResarrayError(
            f"how many channels the input of model '{spec.name}' has cannot be seen from its "
            "layers: set the module's attribute channels"
        )
    return found


def _normalisation(
    spec: ModelSpec, mean: object, std: object, channels: int, source: Source
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None, list[str]]:
    """Mean and standard deviation per channel, and what a user should know about them."""
    given = mean is not None or std is not None
    warnings = []
    mean = spec.mean if mean is None else user_model.per_channel(mean, "mean")
    std = spec.std if std is None else user_model.per_channel(std, "std")
    if source.ready and mean is None and std is None:
        return None, None, []
    if source.ready and given:
        warnings.append(
            f"images '{source.name}' are float tensors and used as they are: mean and std hold for "
            "pictures alone"
        )
    if mean is None or std is None:
        missing = " and ".join(n for n, v in (("mean", mean), ("std", std)) if v is None)
        missing_is = f"{missing} {'are' if ' ' in missing else 'is'}"
        if channels not in (1, 3):
            raise ResarrayError(
                f"model '{spec.name}' takes {channels} channels, and {missing_is} not known for "
                "its pixels: give --mean and --std, one number or one per channel, or set the "
                "module's attributes mean and std"
            )
        mean = IMAGENET_MEAN[:channels] if mean is None else mean
        std = IMAGENET_STD[:channels] if std is None else std
        warnings.append(
            f"{missing_is} not known for the pixels that model '{spec.name}' was trained with: "
            f"ImageNet's are assumed (mean {_listed(mean)}, std {_listed(std)}); give --mean and "
            "--std, or set the module's attributes mean and std"
        )
    for what, values in (("mean", mean), ("std", std)):
        if len(values) not in (1, channels):
            raise ResarrayError(
                f"{what} has {len(values)} values, model '{spec.name}' takes {channels} channels: "
                "give one number, or one per channel"
            )
    mean, std = (values * channels if len(values) == 1 else values for values in (mean, std))
    return mean, std, warnings


def _listed(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _samples(source: Source, count: int, size: Size, channels: int) -> Images:
    """The images that the ranges are measured on; they do not depend on those that are run."""
    if source.name == "digits":
        source = open_source("digits-train")
    most = max(1, MAX_SAMPLES // (channels * size[0] * size[1]))
    return source.read(size, channels, spread(source.count, min(count, most)))


def has_classes(shape: Shape) -> bool:
    """Whether an output [C, H, W] is a vector, as logits are."""
    return shape[1:] == (1, 1)


def _with_classes(
    spec: ModelSpec | Network,
    graph: FloatGraph,
    source: Source,
    names: Sequence[str] | None,
    labelled: bool,
) -> Source:
    """``source`` with the names of the network's classes, where logits, labels and names fit each
    other; class folders get the labels that their names have among ``names``. Without labels and
    names where the network has no classes, which is refused where they are wanted."""
    classes, height, width = graph.shapes[graph.output]
    if not has_classes(graph.shapes[graph.output]):
        if names is not None or labelled:
            what = "--classes names" if names is not None else "the accuracy counts"
            raise ResarrayError(
                f"model '{spec.name}' returns {[classes, height, width]}, a map without classes, "
                f"and {what} those of logits [N, classes]: use 'resarray sim', without --classes, "
                "which compares every value"
            )
        return dataclasses.replace(source, labels=None, classes=[], by_folder=False)
    if names is not None and len(names) != classes:
        given = _counted(len(names), "class name is", "class names are")
        raise ResarrayError(
            f"{given} given, model '{spec.name}' has {_counted(classes, 'class', 'classes')}: give "
            "one name per class"
        )
    known = source.classes if names is None else list(names)
    for name in known:
        if known.count(name) > 1:
            raise ResarrayError(f"class name '{name}' is given twice: give each class its own name")
    if source.by_folder and names is not None:
        for name in source.classes:
            if name not in known:
                raise ResarrayError(
                    f"folder '{name}' of '{source.name}' is called as none of the classes given: "
                    "class folders have the names of --classes"
                )
        places = np.array([known.index(name) for name in source.classes])
        return dataclasses.replace(source, labels=places[source.labels], classes=known)
    if source.by_folder and len(source.classes) != classes:
        raise ResarrayError(
            f"images '{source.name}' have {_counted(len(source.classes), 'class folder')}, model "
            f"'{spec.name}' has {_counted(classes, 'class', 'classes')}, so that the folders' "
            "alphabetical order is not that of the logits: give --classes, the names of the "
            "classes in the order of the logits"
        )
    if source.labels is not None and source.labels.max() >= classes:
        raise ResarrayError(
            f"images '{source.name}' have labels up to {source.labels.max()}, model '{spec.name}' "
            f"has {_counted(classes, 'class', 'classes')}: give weights trained for these images, "
            "or other --images"
        )
    if len(known) > classes:
        raise ResarrayError(
            f"images '{source.name}' name {len(known)} classes, model '{spec.name}' has {classes}: "
            "give --classes, one name per class"
        )
    return dataclasses.replace(source, classes=known)


def _counted(number: int, what: str, plural: str = "") -> str:
    return f"{number} {what}" if number == 1 else f"{number} {plural or what + 's'}"


# -- computing -------------------------------------------------------------------------------


def normalised(
    images: Images, mean: tuple[float, ...] | None, std: tuple[float, ...] | None
) -> Tensor:
    """float [N][C][H][W], the float network's input."""
    if images.pixels.dtype != np.uint8:
        return torch.from_numpy(np.ascontiguousarray(images.pixels))
    assert mean is not None and std is not None  # only images that are ready go without
    return normalise(images.pixels, mean, std)


def quantised(
    images: Images,
    tensor: QTensor,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
) -> np.ndarray:
    """int8 [N][C][H][W], as the integer graph's input ``tensor`` takes them."""
    if images.pixels.dtype != np.uint8:
        return quantise_values(images.pixels, tensor.scale, tensor.zero_point)
    assert mean is not None and std is not None  # only images that are ready go without
    return quantise_input(tensor, images.pixels, mean, std)


def batch_size(size: Size) -> int:
    """Images per call: fewer of large ones, whose feature maps take gigabytes."""
    return max(1, min(BATCH, BATCH * 256 * 256 // (size[0] * size[1])))


def _flat(values: np.ndarray) -> np.ndarray:
    """[N][values] of [N][C][H][W]."""
    return values.reshape(len(values), -1)


def _answers(model: nn.Module, x: Tensor, name: str) -> list[np.ndarray]:
    """float32 [N][values] of each output."""
    parts = [_answer(model, part, name) for part in x.split(batch_size((x.shape[2], x.shape[3])))]
    return [torch.cat(found).numpy() for found in zip(*parts, strict=True)]


def _answer(model: nn.Module, x: Tensor, name: str) -> list[Tensor]:
    """float [N][values] of each output for one batch."""
    answer = user_model.outputs_of(user_model.forward(model, x, name))
    if len(x) == 1 and any(output.shape[:1] != (1,) for output in answer):
        # squeeze() takes the N of one image too.
        pair = user_model.forward(model, torch.cat([x, x]), name)
        answer = tuple(output[:1] for output in user_model.outputs_of(pair))
    if not answer or any(output.shape[:1] != x.shape[:1] for output in answer):
        raise ResarrayError(
            f"forward() of model '{name}' returns something else for {len(x)} images than for 2: "
            "it must return tensors [N, ...] of any number of images"
        )
    return [output.reshape(len(x), -1).float() for output in answer]


def _check_same(spec: ModelSpec, model: nn.Module, graph: FloatGraph, x: Tensor) -> None:
    """`ResarrayError` where the operators that were imported are not what forward() computes."""
    found: dict[str, np.ndarray] = {}

    def keep(name: str, value: Tensor) -> None:
        if name in graph.outputs:
            found[name] = value.numpy().reshape(len(x), -1)

    own = _answers(model, x, spec.name)
    run_float(graph, x, keep)
    imported = [found[name] for name in graph.outputs]
    if not all(np.isfinite(values).all() for values in own + imported):
        raise ResarrayError(
            f"model '{spec.name}' answers numbers that are not finite on the calibration images: "
            "check its weights, and mean and std"
        )
    if len(own) != len(imported) or not all(map(_same, own, imported)):
        raise ResarrayError(
            f"model '{spec.name}' computes something else than the operators that torch.export "
            "finds in it: its forward() must not depend on chance, on the number of images or on "
            "what it was called with before"
        )


def _same(own: np.ndarray, imported: np.ndarray) -> bool:
    largest = max(np.abs(own).max(), 1e-30)
    return own.shape == imported.shape and np.abs(own - imported).max() <= SAME_OUTPUT * largest
