"""From a model's name and images to everything that a run on the accelerator is compared with."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from resarray.spec.errors import ResarrayError
from resarray.spec.progress import Progress, silent

from . import fast
from .data import Images, Source, open_source, spread
from .float_graph import FloatGraph, run_float
from .graph import QGraph
from .importer import import_model
from .models import ModelSpec, find_model
from .quantise import normalise, quantise, quantise_input
from .train import cached_weights, digits_size, float_logits, top1
from .weights import build_with_weights

CALIBRATION_COUNT = 64
# Images per call of the integer reference.
BATCH = 32


@dataclass(frozen=True)
class Network:
    """A quantised network and what is needed to run it on images.

    Attributes
    ----------
    spec:         the model and its input's mean and standard deviation
    float_model:  the float network, in evaluation mode
    float_graph:  the same as operators, before quantisation
    graph:        the integer graph
    input_size:   height and width of its input in pixels
    source:       the images to run
    indices:      which of them
    """

    spec: ModelSpec
    float_model: nn.Module
    float_graph: FloatGraph
    graph: QGraph
    input_size: int
    source: Source
    indices: np.ndarray

    def images(self, indices: np.ndarray) -> Images:
        """Those images of the source, fitted to the network's input."""
        return self.source.read(self.input_size, self.spec.channels, indices)

    def float_logits(self, pixels: np.ndarray) -> np.ndarray:
        """float32 [N][classes] of the float network for uint8 [N][H][W][C]."""
        return float_logits(self.float_model, normalise(pixels, self.spec.mean, self.spec.std))

    def quantise(self, pixels: np.ndarray) -> np.ndarray:
        """int8 [N][C][H][W], the integer graph's input, for uint8 [N][H][W][C]."""
        tensor = self.graph.tensors[self.graph.input]
        return quantise_input(tensor, pixels, self.spec.mean, self.spec.std)


@dataclass(frozen=True)
class Prepared:
    """A network with images, and every result that the accelerator's is compared with.

    Attributes
    ----------
    graph:         the integer graph
    float_model:   the float network
    float_graph:   the same as operators, with the integer graph's tensor names
    input_size:    height and width of the input in pixels
    mean, std:     of the pixels, per channel, that the model was trained with
    pixels:        uint8 [N][H][W][C], the images
    inputs_int8:   int8 [N][C][H][W], the graph's input
    labels:        int64 [N], or None where unknown
    class_names:   names of the labels
    float_logits:  float32 [N][classes] of the float network
    expected:      tensor name -> int8 [N][C][H][W] of the integer graph
    float_top1:    fraction that the float network gets right; None without labels
    int8_top1:     the integer graph's
    """

    graph: QGraph
    float_model: nn.Module
    float_graph: FloatGraph
    input_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    pixels: np.ndarray
    inputs_int8: np.ndarray
    labels: np.ndarray | None
    class_names: list[str]
    float_logits: np.ndarray
    expected: dict[str, np.ndarray]
    float_top1: float | None
    int8_top1: float | None

    def float_tensors(self, count: int) -> dict[str, np.ndarray]:
        """Every tensor of the integer graph as the float network has it: tensor name -> float32
        [n][C][H][W] for the first ``count`` images, or all where there are fewer."""
        found = {}

        def keep(name: str, value: Tensor) -> None:
            if name in self.graph.tensors:
                found[name] = value.numpy()

        run_float(self.float_graph, normalise(self.pixels[:count], self.mean, self.std), keep)
        return found


def prepare(
    model: str,
    weights: str | None = None,
    images: str = "digits",
    input_size: int | None = None,
    count: int = 1,
    calibration_count: int = CALIBRATION_COUNT,
    calibration_images: str | None = None,
    progress: Progress = silent,
) -> Prepared:
    """Everything about ``count`` images (evenly spread over the source) on ``model``.

    The arguments are those of `build_network`.
    """
    network = build_network(
        model, weights, images, input_size, count, calibration_count, calibration_images, progress
    )
    chosen = network.images(network.indices)
    inputs = network.quantise(chosen.pixels)
    progress(None, f"computing {len(inputs)} golden images")
    logits = network.float_logits(chosen.pixels)
    expected = fast.run(network.graph, inputs)
    labels = chosen.labels
    int8_logits = expected[network.graph.output][:, :, 0, 0]
    return Prepared(
        graph=network.graph,
        float_model=network.float_model,
        float_graph=network.float_graph,
        input_size=network.input_size,
        mean=network.spec.mean,
        std=network.spec.std,
        pixels=chosen.pixels,
        inputs_int8=inputs,
        labels=labels,
        class_names=chosen.classes,
        float_logits=logits,
        expected=expected,
        float_top1=None if labels is None else top1(logits, labels),
        int8_top1=None if labels is None else top1(int8_logits, labels),
    )


def build_network(
    model: str,
    weights: str | None = None,
    images: str = "digits",
    input_size: int | None = None,
    count: int | None = None,
    calibration_count: int = CALIBRATION_COUNT,
    calibration_images: str | None = None,
    progress: Progress = silent,
) -> Network:
    """The quantised network.

    Parameters
    ----------
    model:               zoo name or ``file.py:function``
    weights:             file of weights; None: those trained on the digits for a zoo model, the
                         model's own for a user's
    images:              source of images, see `data`
    input_size:          height and width in pixels; None: the model's (for digits: as trained)
    count:               images to run; None: all
    calibration_count:   images that the ranges are measured on
    calibration_images:  their source; None: the digits' training split for digits, otherwise the
                         source's images that are not run, or all where there are no others
    """
    spec = find_model(model)
    size = _input_size(spec, weights, input_size)
    source = open_source(images)
    indices = spread(source.count, count)
    if calibration_count < 1:
        raise ResarrayError(f"{calibration_count} calibration images: at least 1 is needed")

    float_model = _float_model(spec, weights, progress)
    progress(None, f"importing {spec.name}")
    calibration = _calibration(
        source, indices, calibration_images, calibration_count, size, spec.channels
    )
    float_graph = import_model(float_model, (spec.channels, size, size), spec.name)
    classes, *rest = float_graph.shapes[float_graph.output]
    if rest != [1, 1]:
        raise ResarrayError(
            f"model '{spec.name}' returns {[classes, *rest]}: it must return the logits "
            "[N, classes]; a larger input_size does not change that"
        )
    if source.labels is not None and source.labels.max() >= classes:
        raise ResarrayError(
            f"images '{source.name}' have labels up to {source.labels.max()}, model '{spec.name}' "
            f"has {classes} classes: give weights trained for these images"
        )
    graph = quantise(float_graph, normalise(calibration.pixels, spec.mean, spec.std), progress)
    return Network(spec, float_model, float_graph, graph, size, source, indices)


def _input_size(spec: ModelSpec, weights: str | None, input_size: int | None) -> int:
    if input_size is None:
        input_size = digits_size(spec.name) if spec.zoo and weights is None else spec.input_size
    if input_size is None:
        raise ResarrayError(
            f"model '{spec.name}' has no default input size: give one, or set the module's "
            "attribute input_size"
        )
    if not spec.min_size <= input_size <= 1023:
        raise ResarrayError(
            f"input size {input_size}: model '{spec.name}' takes {spec.min_size} to 1023 pixels"
        )
    return input_size


def _float_model(spec: ModelSpec, weights: str | None, progress: Progress) -> nn.Module:
    if weights is not None:
        return build_with_weights(spec, weights)
    if not spec.zoo:
        return spec.build(None).eval()
    return build_with_weights(spec, cached_weights(spec.name, progress))


def _calibration(
    source: Source,
    indices: np.ndarray,
    calibration_images: str | None,
    count: int,
    size: int,
    channels: int,
) -> Images:
    if calibration_images is None and source.name == "digits":
        calibration_images = "digits-train"
    if calibration_images is not None:
        other = open_source(calibration_images)
        return other.read(size, channels, spread(other.count, count))
    others = np.setdiff1d(np.arange(source.count), indices)
    candidates = others if len(others) else indices
    return source.read(size, channels, candidates[spread(len(candidates), count)])
