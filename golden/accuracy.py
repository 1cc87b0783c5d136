"""Float against integer accuracy over many images."""

import time
from dataclasses import dataclass

from resarray.spec.pixels import Size
from resarray.spec.progress import Progress, silent

from . import fast
from .pipeline import batch_size, build_network


@dataclass(frozen=True)
class Accuracy:
    """Top-1 fractions over ``count`` images; ``agreement``: images on which both networks choose
    the same class; ``seconds``: time that the integer reference took; ``warnings``: what a user
    should know."""

    model: str
    images: str
    input_size: Size
    float_top1: float
    int8_top1: float
    agreement: float
    count: int
    seconds: float
    warnings: list[str]


def accuracy(
    model: str,
    weights: str | None = None,
    images: str | None = None,
    *,
    progress: Progress = silent,
    **options,
) -> Accuracy:
    """Top-1 of the float and of the integer network; the arguments of `pipeline.build_network`."""
    network = build_network(model, weights, images, labelled=True, progress=progress, **options)
    total, batch = len(network.indices), batch_size(network.input_size)
    float_right = int8_right = same = 0
    seconds = 0.0
    for first in range(0, total, batch):
        part = network.images(network.indices[first : first + batch])
        float_class = network.float_logits(part).argmax(1)
        start = time.monotonic()
        result = fast.run(network.graph, network.quantise(part), keep_all=False)
        seconds += time.monotonic() - start
        int8_class = result[network.graph.output][:, :, 0, 0].argmax(1)
        float_right += int((float_class == part.labels).sum())
        int8_right += int((int8_class == part.labels).sum())
        same += int((int8_class == float_class).sum())
        done = first + len(part)
        progress(done / total, f"classifying: {done} of {total} images")
    return Accuracy(
        model=network.name,
        images=network.source.name,
        input_size=network.input_size,
        float_top1=float_right / total,
        int8_top1=int8_right / total,
        agreement=same / total,
        count=total,
        seconds=seconds,
        warnings=network.warnings,
    )
