"""Whole trained networks on the RTL: every stored tensor and the class equal the golden model's."""

import numpy as np
import pytest

from resarray.compiler.compile import compile_graph
from resarray.compiler.placement import complete
from resarray.golden.pipeline import prepare
from resarray.sim.run import MemoryModel, run_many
from resarray.spec.presets import preset
from tests.golden.shared import SHARED_DATA, needs

from .rtl import check_counters

pytestmark = pytest.mark.verifies("accelerator", "networks", by="program")


def run_network(prepared, config, simulator, stall=0.0):
    """Run every prepared image; all tensors must be equal."""
    image = compile_graph(prepared.graph, config)
    programs = [(image, x[None]) for x in prepared.inputs_int8]
    memory = [MemoryModel(stall_probability=stall, seed=i) for i in range(len(programs))]
    results = run_many(programs, simulator=simulator, memory=memory)
    expected = complete(prepared.graph, config, prepared.expected)
    for index, result in enumerate(results):
        assert set(result.tensors) >= {prepared.graph.output}
        for name, tensor in result.tensors.items():
            np.testing.assert_array_equal(tensor[0], expected[name][index], name)
        check_counters(result)
    return image, results


@pytest.mark.long
def test_resnet8_on_icarus(icarus):
    run_network(prepare("resnet8", count=1), preset("tiny"), icarus)


def test_resnet8_on_verilator():
    prepared = prepare("resnet8", count=4)
    _, results = run_network(prepared, preset("tiny"), "verilator")
    classes = [int(r.tensors[prepared.graph.output][0].argmax()) for r in results]
    assert classes == prepared.expected[prepared.graph.output][:, :, 0, 0].argmax(1).tolist()


@pytest.mark.long
def test_an_inception_network_under_stalls():
    """28x28 digits: branches with pools of stride 1, concatenations, trained."""
    run_network(prepare("digits_inception", count=1), preset("tiny"), "verilator", stall=0.3)


@needs("resnet20-12fca82f.th", "cifar10_test_jpeg.npz")
def test_resnet20_with_trained_weights():
    """CIFAR-10 pictures, zero-padded identity shortcuts, published weights."""
    prepared = prepare(
        "resnet20",
        weights=str(SHARED_DATA / "resnet20-12fca82f.th"),
        images=str(SHARED_DATA / "cifar10_test_jpeg.npz"),
        count=2,
    )
    image, results = run_network(prepared, preset("default"), "verilator")
    predicted = sum(layer["predicted_cycles"] for layer in image.manifest["layers"])
    for result in results:
        assert abs(predicted - result.cycles) < 0.05 * result.cycles


def test_a_quantised_onnx_file(tmp_path):
    """With the scales of the file."""
    onnx = pytest.importorskip("onnx", reason="no onnx: install the extra [onnx]")
    from tests.golden.importers.onnx_networks import SIZE, residual

    onnx.save(residual(1, np.uint8), tmp_path / "small.onnx")
    x = np.random.default_rng(1).normal(size=(2, 3, SIZE, SIZE)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    prepared = prepare(str(tmp_path / "small.onnx"), images=str(tmp_path / "x.npy"), count=2)
    assert prepared.float_graph.scales
    run_network(prepared, preset("tiny"), "verilator", stall=0.2)
