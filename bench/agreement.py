"""Networks that ONNX Runtime quantised, here and there: how often both give the same class.

``python -m resarray.bench.agreement FOLDER`` exports networks with PyTorch, quantises them with
ONNX Runtime (QDQ, a scale for each channel of weights) and prints the table of docs/models.md.
FOLDER has weights and images (``CASES``), those of CIFAR-10 and of networks that ``resarray train``
has trained; what it lacks is left out. Without it, networks of the zoo as they come alone.
"""

import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

from resarray.golden import fast
from resarray.golden.data import spread
from resarray.golden.models import ZOO
from resarray.golden.pipeline import Network, build_network
from resarray.golden.train import cached_weights, digits_size
from resarray.golden.weights import build_with_weights

CALIBRATION_COUNT = 64
TYPES = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8}
LEVELS = {
    "as optimised": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
    "as written": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
}
HEADER = "| network | images | activations | ONNX Runtime | same class | largest difference |"


@dataclass(frozen=True)
class Case:
    """A zoo network with its weights and images; the weights "": those trained on the digits."""

    model: str
    size: int
    weights: str = ""
    images: str = "digits"
    calibration: str = "digits-train"


CIFAR = ("cifar10_test_jpeg.npz", "cifar10_train_jpeg.npz")
DIGITS = ("digits_test.npz", "digits_train.npz")  # 500 and 1,297 of the digits
CASES = (
    Case("resnet20", 32, "resnet20-12fca82f.th", *CIFAR),
    Case("resnet18", 48, "resnet18_cifar10_48.pth", *CIFAR),
    Case("mobilenet_v2", 32, "mobilenet_v2_digits.pth", *DIGITS),
    Case("googlenet", 32, "googlenet_digits.pth", *DIGITS),
    *(Case(name, digits_size(name)) for name in ("digits_inception", "resnet8")),
)


@dataclass(frozen=True)
class Agreement:
    """Of ``count`` images: the fraction with the same class, and by how many steps of its scale an
    output differs at most."""

    count: int
    same: float
    steps: int


def export(case: Case, folder: Path | None, path: Path) -> None:
    """The float network as ``path``."""
    spec = ZOO[case.model]
    weights = folder / case.weights if folder and case.weights else cached_weights(case.model)
    model = build_with_weights(spec, weights).eval()
    x = torch.zeros(1, spec.channels, case.size, case.size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (x,),
            str(path),
            dynamo=False,
            input_names=["image"],
            dynamic_axes={"image": {0: "N"}},
        )


class _Samples(CalibrationDataReader):
    def __init__(self, samples: np.ndarray):
        self._samples: Iterator[np.ndarray] = iter(samples)

    def get_next(self) -> dict[str, np.ndarray] | None:
        sample = next(self._samples, None)
        return None if sample is None else {"image": sample[None]}


def quantised(source: Path, target: Path, kind: str, samples: np.ndarray) -> None:
    """``target`` as ONNX Runtime makes it of ``source``; float [N][C][H][W] ``samples``."""
    quantize_static(
        source,
        target,
        _Samples(samples),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=TYPES[kind],
        weight_type=QuantType.QInt8,
    )


def runtime(path: Path, level: str, inputs: np.ndarray) -> np.ndarray:
    """ONNX Runtime's outputs [N][values]."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = LEVELS[level]
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (output,) = session.get_outputs()
    return np.concatenate([session.run([output.name], {"image": x[None]})[0] for x in inputs])


def agreement(network: Network, path: Path, level: str) -> Agreement:
    """Ours against ONNX Runtime's."""
    chosen = network.images(network.indices)
    tensor = network.graph.tensors[network.graph.output]
    ours = fast.run(network.graph, network.quantise(chosen))[network.graph.output]
    ours = ours.reshape(len(ours), -1).astype(np.int64)
    theirs = runtime(path, level, network.inputs(chosen).numpy()).reshape(len(ours), -1)
    steps = np.rint(theirs / tensor.scale) + tensor.zero_point
    same = (ours.argmax(1) == steps.argmax(1)).mean()
    return Agreement(len(ours), float(same), int(np.abs(ours - steps).max()))


def rows(case: Case, folder: Path | None, count: int) -> Iterator[str]:
    """Of the table, for one network."""

    def given(name: str) -> str:
        return str(folder / name) if folder and name in CIFAR + DIGITS else name

    with tempfile.TemporaryDirectory() as made:
        source = Path(made) / f"{case.model}.onnx"
        export(case, folder, source)
        spec = ZOO[case.model]
        network_of = partial(build_network, mean=spec.mean, std=spec.std, calibration_count=1)
        floats = network_of(str(source), images=given(case.calibration))
        places = spread(floats.source.count, CALIBRATION_COUNT)
        samples = floats.inputs(floats.images(places)).numpy()
        for kind in TYPES:
            target = Path(made) / f"{case.model}_{kind}.onnx"
            quantised(source, target, kind, samples)
            network = network_of(str(target), images=given(case.images), count=count)
            for level in LEVELS:
                found = agreement(network, target, level)
                yield (
                    f"| `{case.model}`, {case.size}×{case.size} | {found.count} | {kind} | {level} "
                    f"| {100 * found.same:.1f} % | {found.steps} |"
                )


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    print(f"{HEADER}\n|{'---|' * (HEADER.count('|') - 1)}")
    for case in CASES:
        if not case.weights or (folder and (folder / case.weights).exists()):
            for row in rows(case, folder, 500):
                print(row, flush=True)


if __name__ == "__main__":
    main()
