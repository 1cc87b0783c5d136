"""Networks that others quantised, here and there: how often both give the same class.

``python -m resarray.bench.agreement FOLDER`` quantises networks with ONNX Runtime (QDQ, a scale for
each channel of weights) and with torchao (PT2E), runs them there and here, and prints the table of
docs/models.md.
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
from torch import nn

from resarray.golden import fast
from resarray.golden.data import spread
from resarray.golden.models import ZOO
from resarray.golden.pipeline import Network, build_network
from resarray.golden.train import cached_weights, digits_size
from resarray.golden.weights import build_with_weights

CALIBRATION_COUNT = 64
TYPES = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8}
LEVELS = {
    "ONNX Runtime, optimised": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
    "ONNX Runtime, as written": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
}
HEADER = "| network | images | activations | runtime | same class | largest difference |"


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


def trained(case: Case, folder: Path | None) -> nn.Module:
    """The float network."""
    weights = folder / case.weights if folder and case.weights else cached_weights(case.model)
    return build_with_weights(ZOO[case.model], weights).eval()


def export(case: Case, model: nn.Module, path: Path) -> None:
    """The float network as an ONNX file."""
    x = torch.zeros(1, ZOO[case.model].channels, case.size, case.size)
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


def converted(model: nn.Module, samples: torch.Tensor, path: Path) -> nn.Module:
    """The network as torchao makes it, with the project's quantiser; also as an archive."""
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    from resarray.golden.pt2e import ResarrayQuantizer

    batch = ({0: torch.export.Dim("batch")},)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.export.export(model, (samples[:2],), dynamic_shapes=batch)
        prepared = prepare_pt2e(program.module(), ResarrayQuantizer())
        prepared(samples)
        result = convert_pt2e(prepared)
        torch.export.save(torch.export.export(result, (samples[:2],), dynamic_shapes=batch), path)
    return result


def agreement(network: Network, theirs: np.ndarray) -> Agreement:
    """Ours against theirs [N][values]."""
    tensor = network.graph.tensors[network.graph.output]
    chosen = network.quantise(network.images(network.indices))
    ours = fast.run(network.graph, chosen)[network.graph.output]
    ours = ours.reshape(len(ours), -1).astype(np.int64)
    steps = np.rint(theirs.reshape(len(ours), -1) / tensor.scale) + tensor.zero_point
    same = (ours.argmax(1) == steps.argmax(1)).mean()
    return Agreement(len(ours), float(same), int(np.abs(ours - steps).max()))


def rows(case: Case, folder: Path | None, count: int) -> Iterator[str]:
    """Of the table, for one network."""

    def given(name: str) -> str:
        return str(folder / name) if folder and name in CIFAR + DIGITS else name

    def row(kind: str, where: str, network: Network, theirs: np.ndarray) -> str:
        found = agreement(network, theirs)
        return (
            f"| `{case.model}`, {case.size}×{case.size} | {found.count} | {kind} | {where} "
            f"| {100 * found.same:.1f} % | {found.steps} |"
        )

    with tempfile.TemporaryDirectory() as made:
        source = Path(made) / f"{case.model}.onnx"
        model, spec = trained(case, folder), ZOO[case.model]
        export(case, model, source)
        network_of = partial(build_network, mean=spec.mean, std=spec.std, calibration_count=1)
        floats = network_of(str(source), images=given(case.calibration))
        places = spread(floats.source.count, CALIBRATION_COUNT)
        samples = floats.inputs(floats.images(places))
        for kind in TYPES:
            target = Path(made) / f"{case.model}_{kind}.onnx"
            quantised(source, target, kind, samples.numpy())
            network = network_of(str(target), images=given(case.images), count=count)
            inputs = network.inputs(network.images(network.indices))
            for level in LEVELS:
                yield row(kind, level, network, runtime(target, level, inputs.numpy()))
        archive = Path(made) / f"{case.model}.pt2"
        module = converted(model, samples, archive)
        network = network_of(str(archive), images=given(case.images), count=count)
        inputs = network.inputs(network.images(network.indices))
        with torch.no_grad():
            theirs = torch.cat([module(part) for part in inputs.split(50)]).numpy()
        yield row("int8", "PyTorch (PT2E)", network, theirs)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    print(f"{HEADER}\n|{'---|' * (HEADER.count('|') - 1)}")
    for case in CASES:
        if not case.weights or (folder and (folder / case.weights).exists()):
            for row in rows(case, folder, 500):
                print(row, flush=True)


if __name__ == "__main__":
    main()
