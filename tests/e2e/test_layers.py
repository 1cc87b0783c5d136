"""Random layers and small graphs, end to end on both simulators."""

import dataclasses
import itertools

import numpy as np
import pytest

from resarray.compiler.compile import compile_graph
from resarray.spec.config import Config
from resarray.spec.presets import preset
from tests.compiler.reference import Builder, pooled_resnet, random_graph

from .rtl import run_and_compare

pytestmark = pytest.mark.verifies("accelerator", "compiler", "drain", "pools", by="program")

LAYERS = 50
KERNELS, STRIDES = (1, 3, 5, 7), (1, 2)


def random_layer(seed: int) -> Builder:
    """One convolution: kernels 1 to 7, strides 1 and 2, any padding and channels, not square."""
    rng = np.random.default_rng(seed)
    kernel = int(rng.choice(KERNELS))
    kernels = (kernel, kernel) if rng.random() < 0.7 else tuple(map(int, rng.choice(KERNELS, 2)))
    stride = int(rng.choice(STRIDES))
    padding = tuple(int(p) for p in rng.integers(0, 1 + kernel // 2 + (rng.random() < 0.2), 4))
    height, width = (int(n) for n in rng.integers(max(kernels), 34, 2))
    cin = int(rng.choice([1, 3, 7, 8, 16, 21, 40, 64]))
    cout = int(rng.choice([1, 5, 8, 16, 30, 32, 64, 72]))
    b = Builder(seed, (cin, height, width), f"layer{seed}")
    b.conv("x", cout, kernels, (stride, stride), padding, relu=bool(rng.integers(2)))
    return b


def small_graphs(seed: int, count: int, config: Config) -> list[Builder]:
    """Cheap enough for Icarus, which runs some hundred to some thousand cycles a second."""

    def cycles(builder: Builder) -> int:
        layers = compile_graph(builder.graph, config).manifest["layers"]
        return sum(layer["predicted_cycles"] for layer in layers)

    cheap = (b for b in map(random_graph, itertools.count(seed)) if cycles(b) < 2_000)
    return list(itertools.islice(cheap, count))


@pytest.mark.long
def test_50_random_layers_on_the_default_preset():
    seeds = range(1000, 1000 + LAYERS)
    results = run_and_compare([random_layer(s) for s in seeds], preset("default"), "verilator")
    assert len(results) == LAYERS


def narrow_pools() -> Builder:
    """Max pools on maps of four pixels, whose words wait for the line buffer."""
    b = Builder(3, (64, 4, 4))
    x = b.max_pool("x", 3, 1, 1)
    for _ in range(3):
        x = b.max_pool(b.conv(x, 64, (1, 1)), 3, 1, 1)
    return b


@pytest.mark.parametrize(("build", "miss"), [(pooled_resnet, 0.05), (narrow_pools, 0.09)])
def test_cycles_of_short_programs_are_as_predicted(build, miss):
    """The first one's short layers load their input while the port still brings weights."""
    b = build()
    layers = compile_graph(b.graph, preset("default")).manifest["layers"]
    predicted = sum(layer["predicted_cycles"] for layer in layers)
    (result,) = run_and_compare([b], preset("default"), "verilator")
    assert abs(predicted - result.cycles) < miss * result.cycles


@pytest.mark.parametrize("batch", [2, 5])
def test_batches_share_weights(batch):
    """Several images in one program: each image's tensors as if it had run alone."""
    builders = [random_graph(seed) for seed in range(6000, 6012)]
    run_and_compare(builders, preset("tiny"), "verilator", 0.2, batch=batch)


@pytest.mark.long
def test_random_graphs_without_fused_pools():
    builders = [random_graph(seed) for seed in range(3000, 3015)]
    run_and_compare(builders, preset("default"), "verilator", 0.1, fuse_pool=False)


ICARUS_CONFIGS = {
    "tiny": preset("tiny"),
    "mac": dataclasses.replace(preset("tiny"), name="mac", element="mac"),
    "wide": Config(
        name="wide",
        rows=16,
        columns=16,
        lanes=8,
        acc_depth=32,
        input_words=512,
        weight_words=64,
        residual_words=32,
        output_words=32,
        pool_words=32,
        burst_words=16,
        queue_depth=2,
    ),
}


@pytest.mark.parametrize(
    "name",
    ["tiny", *(pytest.param(n, marks=pytest.mark.long) for n in ICARUS_CONFIGS if n != "tiny")],
)
def test_small_graphs_on_icarus(name, icarus):
    """The plain multiply-accumulate element and 16-byte words pass the same graphs."""
    config = ICARUS_CONFIGS[name]
    count = 3 if name == "wide" else 6  # whose array takes Icarus four times as long
    run_and_compare(small_graphs(4000, count, config), config, icarus, 0.2)


def test_icarus_and_verilator_count_the_same_cycles(icarus):
    """Two independent simulators agree on every counter, stalls included."""
    config = preset("tiny")
    one = run_and_compare(small_graphs(5000, 4, config), config, icarus, 0.2)
    other = run_and_compare(small_graphs(5000, 4, config), config, "verilator", 0.2)
    for a, b in zip(one, other, strict=True):
        assert a.counters == b.counters


def test_cycles_grow_with_the_work():
    """Doubling both channel counts quadruples the cycles within 3 %."""
    builders = []
    for channels in (64, 128):
        b = Builder(1, (channels, 28, 28), f"conv{channels}")
        b.conv("x", channels, (3, 3), padding=(1, 1, 1, 1))
        builders.append(b)
    small_run, large_run = run_and_compare(builders, preset("default"), "verilator")
    # The constant start and end of a program aside, which a network pays once.
    assert large_run.counters["BUSY"] == 4 * small_run.counters["BUSY"]
    assert large_run.cycles < 4 * small_run.cycles
    assert large_run.cycles > 4 * small_run.counters["BUSY"]
