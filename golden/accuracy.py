"""Float against integer accuracy over many images: what is right, by class and by layer.

Images are evaluated in batches of a fixed size, each on one thread, and the batches' sums are added
in their order: the result is the same on any number of processes or machines.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import torch
from torch import Tensor

from resarray.spec.errors import ResarrayError
from resarray.spec.numerics import sqnr
from resarray.spec.pixels import Size
from resarray.spec.progress import Progress, silent

from . import distribute, fast
from .data import Images
from .float_graph import FloatGraph, run_float
from .graph import QGraph
from .pipeline import Network, batch_size, build_network, normalised, quantised

CROPS = (1, 5, 10)
TOP = 5
# Crops are of images that are larger by this, as 256 pixels for 224.
MARGIN = 8 / 7


@dataclass(frozen=True)
class LayerNoise:
    """A layer's signal-to-quantisation-noise ratio in dB over all images; None: exact, or nothing
    but zeros."""

    layer: str
    sqnr_db: float | None


@dataclass(frozen=True)
class ClassAccuracy:
    """Top-1 fractions over the ``count`` images of a class."""

    name: str
    count: int
    float_top1: float
    int8_top1: float


@dataclass(frozen=True)
class Accuracy:
    """Fractions over ``count`` images.

    float_top1, int8_top1: whose largest logit (the first, if equal) is the label's
    float_top5, int8_top5: whose label's logit is among the five largest
    agreement:         on which both networks choose the same class
    crops:             of each image, over which the probabilities are averaged
    seconds:           time that the integer reference took, of all processes together
    seconds_per_image: of one process: the median over the batches; a crop counts as an image
    layers:            the worst first
    classes:           those that lose most first
    warnings:          what a user should know
    """

    model: str
    images: str
    input_size: Size
    float_top1: float
    int8_top1: float
    float_top5: float
    int8_top5: float
    agreement: float
    count: int
    crops: int
    seconds: float
    seconds_per_image: float
    layers: list[LayerNoise]
    classes: list[ClassAccuracy]
    warnings: list[str]


@dataclass(frozen=True)
class Part:
    """Sums over a batch. float_rank, int8_rank: int64 [N], how many classes come before the
    label's; same: int64 [N]; energy: layer -> sums of squares of its float values and of what its
    integers differ by; seconds: of the integer reference, for so many ``inputs``."""

    labels: np.ndarray
    float_rank: np.ndarray
    int8_rank: np.ndarray
    same: np.ndarray
    energy: dict[str, tuple[float, float]]
    seconds: float
    inputs: int


@dataclass(frozen=True)
class Judge:
    """Both networks, without what another process could not get: `part` of some images."""

    float_graph: FloatGraph
    graph: QGraph
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    crops: int = 1
    layers: dict[str, str] = field(default_factory=dict)  # tensor -> the layer that makes it

    @classmethod
    def of(cls, network: Network, crops: int) -> Self:
        layers = {op.output: op.name for op in network.graph.ops}
        return cls(network.float_graph, network.graph, network.mean, network.std, crops, layers)

    def part(self, images: Images) -> Part:
        """Of images of the network's size, or larger ones to be cropped, with labels."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return self._part(images)
        finally:
            torch.set_num_threads(threads)

    def _part(self, images: Images) -> Part:
        labels = images.labels
        assert labels is not None  # else it is refused
        size = self.float_graph.shape[1:]
        if self.crops > 1:
            images = Images(cropped(images.pixels, size, self.crops), None, [])
        inputs = quantised(images, self.graph.tensors[self.graph.input], self.mean, self.std)
        start = time.monotonic()
        integers = fast.run(self.graph, inputs)
        seconds = time.monotonic() - start
        energy: dict[str, tuple[float, float]] = {}

        def observe(name: str, value: Tensor) -> None:
            if name in self.layers:
                tensor = self.graph.tensors[name]
                q = torch.from_numpy(integers[name])
                error = (q.float() - tensor.zero_point).mul_(tensor.scale).sub_(value)
                energy[self.layers[name]] = _square_sum(value), _square_sum(error)

        floats = normalised(images, self.mean, self.std)
        logits = run_float(self.float_graph, floats, observe).flatten(1).double().numpy()
        output = self.graph.tensors[self.graph.output]
        q = integers[output.name].reshape(len(logits), -1).astype(np.float64)
        int8_logits = (q - output.zero_point) * output.scale
        if self.crops > 1:
            logits, int8_logits = (_mean_of_crops(x, self.crops) for x in (logits, int8_logits))
        same = (logits.argmax(1) == int8_logits.argmax(1)).astype(np.int64)
        float_rank, int8_rank = rank(logits, labels), rank(int8_logits, labels)
        return Part(labels, float_rank, int8_rank, same, energy, seconds, len(inputs))


def accuracy(
    model: str,
    weights: str | None = None,
    images: str | None = None,
    *,
    crops: int = 1,
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Progress = silent,
    **options,
) -> Accuracy:
    """What the float and the integer network get right.

    Parameters
    ----------
    crops:      of each image: 1: the centre; 5: the corners too; 10: these and their mirror images
    jobs:       processes on this machine
    scheduler:  address of a Dask cluster that takes their place, as ``tcp://host:8786``
    options:    as those before them, of `pipeline.build_network`
    """
    if crops not in CROPS:
        raise ResarrayError(f"{crops} crops: choose 1, 5 or 10")
    if scheduler is not None:
        distribute.require_cluster(scheduler)
    network = build_network(model, weights, images, labelled=True, progress=progress, **options)
    if crops > 1 and network.source.ready:
        raise ResarrayError(
            f"images '{network.source.name}' are float tensors, of which no crops are made: give "
            "pixels, or leave out --crops"
        )
    return summary(network, evaluate(network, crops, jobs, scheduler, progress), crops)


def evaluate(
    network: Network, crops: int, jobs: int, scheduler: str | None, progress: Progress
) -> list[Part]:
    """The parts of all images of the network, in order."""
    judge = Judge.of(network, crops)
    height, width = network.input_size
    size = network.input_size
    if crops > 1:
        size = round(height * MARGIN), round(width * MARGIN)
    batch = max(1, batch_size(network.input_size) // crops)
    total = len(network.indices)
    chunks = [network.indices[first : first + batch] for first in range(0, total, batch)]

    def read(indices: np.ndarray) -> Images:
        return network.source.read(size, network.float_graph.shape[0], indices)

    parts: list[Part] = []
    done = 0
    for part in distribute.each(judge.part, read, chunks, jobs, scheduler):
        parts.append(part)
        done += len(part.labels)
        progress(done / total, f"classifying: {done} of {total} images")
    return parts


def summary(network: Network, parts: Iterable[Part], crops: int) -> Accuracy:
    """All parts together."""
    parts = list(parts)
    labels, float_rank, int8_rank, same = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("labels", "float_rank", "int8_rank", "same")
    )
    classes = []
    for label in np.unique(labels):
        of_class = labels == label
        float_top1, int8_top1 = (
            float((ranks[of_class] == 0).mean()) for ranks in (float_rank, int8_rank)
        )
        name = network.class_names[label] if label < len(network.class_names) else str(label)
        classes.append(ClassAccuracy(name, int(of_class.sum()), float_top1, int8_top1))
    return Accuracy(
        model=network.name,
        images=network.source.name,
        input_size=network.input_size,
        float_top1=float((float_rank == 0).mean()),
        int8_top1=float((int8_rank == 0).mean()),
        float_top5=float((float_rank < TOP).mean()),
        int8_top5=float((int8_rank < TOP).mean()),
        agreement=float(same.mean()),
        count=len(labels),
        crops=crops,
        seconds=sum(part.seconds for part in parts),
        seconds_per_image=float(np.median([part.seconds / part.inputs for part in parts])),
        layers=_noise(parts),
        classes=sorted(classes, key=lambda c: c.int8_top1 - c.float_top1),
        warnings=network.warnings,
    )


def _noise(parts: list[Part]) -> list[LayerNoise]:
    found = []
    for layer in parts[0].energy:
        signal, noise = (sum(part.energy[layer][i] for part in parts) for i in (0, 1))
        found.append(LayerNoise(layer, sqnr(signal, noise)))
    return sorted(found, key=lambda row: float("inf") if row.sqnr_db is None else row.sqnr_db)


def rank(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """int64 [N]: how many classes come before the label's in logits [N][classes]; of equal ones,
    those with lower numbers do."""
    own = logits[np.arange(len(labels)), labels][:, None]
    earlier = np.arange(logits.shape[1])[None] < labels[:, None]
    return ((logits > own) | ((logits == own) & earlier)).sum(1)


def cropped(pixels: np.ndarray, size: Size, crops: int) -> np.ndarray:
    """uint8 [N * crops][height][width][C] of [N][H][W][C]: of each image the centre, the four
    corners and, of 10, their mirror images."""
    (height, width), (tall, wide) = size, pixels.shape[1:3]
    down, right = tall - height, wide - width
    places = [(down // 2, right // 2), (0, 0), (0, right), (down, 0), (down, right)]
    found = [pixels[:, y : y + height, x : x + width] for y, x in places]
    if crops == 2 * len(places):
        found += [crop[:, :, ::-1] for crop in found]
    return np.stack(found, 1).reshape(-1, height, width, pixels.shape[3])


def _mean_of_crops(logits: np.ndarray, crops: int) -> np.ndarray:
    """Probabilities [N][classes], averaged over the crops of logits [N * crops][classes]."""
    e = np.exp(logits - logits.max(1, keepdims=True))
    return (e / e.sum(1, keepdims=True)).reshape(-1, crops, logits.shape[1]).mean(1)


def _square_sum(x: Tensor) -> float:
    """In float64, though the squares are of float32."""
    return x.square().sum(dtype=torch.float64).item()
