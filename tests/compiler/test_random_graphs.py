"""Random graphs with extreme values through the functional model, which asserts every width of the
hardware on every value, on random configurations.

``RESARRAY_GRAPHS`` says how many are drawn (2,000: about half an hour), ``RESARRAY_SEED`` where
their numbers begin.
"""

import os
import random
from dataclasses import replace

import numpy as np
import pytest

from resarray.compiler.compile import compile_graph
from resarray.compiler.functional import run_image
from resarray.compiler.placement import complete
from resarray.golden import fast
from resarray.golden.ops import QAdd, QConv, QMultiply
from resarray.spec import numerics as n
from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError
from resarray.spec.presets import preset
from tests.random_configs import random_config

from .reference import Builder, mismatches, random_graph, share_zero_points

pytestmark = pytest.mark.verifies("compiler", by="random")

COUNT = int(os.environ.get("RESARRAY_GRAPHS", "40"))
FIRST_SEED = int(os.environ.get("RESARRAY_SEED", "0"))
PER_TEST = 20
TOP_MULT = (1 << n.MULT_BITS) - 1


def configuration(rng: random.Random) -> Config:
    """Any that is legal, half of them the tiny one's size."""
    if rng.random() < 0.5:
        return preset("tiny")
    while True:
        config = random_config(rng)
        if isinstance(config, Config):
            return config


def large(seed: int, rng: random.Random) -> Builder:
    """The longest sums, the largest maps, the widest layers, one at a time."""
    kind = rng.choice(["sum", "map", "average", "linear", "wide"])
    if kind == "sum":  # 65,536 products
        b = Builder(seed, (rng.choice([1024, 4096]), 4, 4))
        kernel = 8 if b.graph.tensors["x"].shape[0] == 1024 else 4
        b.conv("x", 3, (kernel, kernel), padding=(2, 2, 2, 2))
    elif kind == "map":
        b = Builder(seed, (rng.choice([1, 3]), *rng.choice([(1, 1023), (1023, 3), (200, 300)])))
        b.conv("x", 4, (1, 1), (rng.choice([1, 2]), rng.choice([1, 2])))
    elif kind == "average":
        b = Builder(seed, (2, *rng.choice([(400, 400), (1023, 60), (7, 1023)])))
        b.average("x")
    elif kind == "linear":
        b = Builder(seed, (rng.choice([4100, 9000]), 1, 1))
        b.conv("x", 9, (1, 1), relu=False)
    else:
        b = Builder(seed, (5, 6, 7))
        b.conv("x", 600, (3, 3), padding=(1, 1, 1, 1))
    return b


def extreme(b: Builder, rng: random.Random) -> None:
    """Weights, biases, factors, zero points and clamps at the ends of their ranges."""
    graph = b.graph
    for name, tensor in list(graph.tensors.items()):
        if rng.random() < 0.5:
            graph.tensors[name] = replace(tensor, zero_point=rng.choice([-128, 127]))
    share_zero_points(graph)
    for index, op in enumerate(graph.ops):
        changes = {}
        if isinstance(op, QConv):
            changes = _extreme_conv(graph, op, rng)
        if isinstance(op, QConv | QAdd | QMultiply) and rng.random() < 0.3:
            changes["lo"], changes["hi"] = sorted(
                rng.choices([-128, 127, 0, rng.randint(-128, 127)], k=2)
            )
        if isinstance(op, QAdd | QMultiply) and rng.random() < 0.5:
            changes |= {"mult": TOP_MULT, "shift": rng.choice([0, 10, 63])}
        if getattr(op, "residual", None) is not None and rng.random() < 0.5:
            changes |= {"res_mult": TOP_MULT, "res_shift": rng.choice([0, 10, 63])}
        graph.ops[index] = replace(op, **changes)


def _extreme_conv(graph, op: QConv, rng: random.Random) -> dict:
    changes: dict = {}
    weight = op.weight
    if rng.random() < 0.6:
        signs = np.random.default_rng(rng.randrange(1 << 30)).choice([-1, 1], weight.shape)
        signs = {"up": 1, "down": -1, "both": signs}[rng.choice(["up", "down", "both"])]
        weight = changes["weight"] = np.full(weight.shape, 127 * signs, np.int8)
    if rng.random() < 0.5:  # the largest bias that the sums leave room for
        flat = weight.astype(np.int64).reshape(len(weight), -1)
        zero_point = graph.tensors[op.input].zero_point
        most, least = 127 - zero_point, -128 - zero_point
        up, down = np.maximum(flat, 0).sum(1), np.minimum(flat, 0).sum(1)
        if rng.random() < 0.5:
            bias = (1 << 31) - 1 - (up * most + down * least)
        else:
            bias = -(1 << 31) - (up * least + down * most)
        changes["bias"] = bias
    if rng.random() < 0.5:
        size = len(weight)
        changes["mult"] = np.array(rng.choices([TOP_MULT, 1 << 16, 0, 1], k=size))
        changes["shift"] = np.array(rng.choices([0, 5, 14, 31, 63], k=size))
    return changes


def images(b: Builder, batch: int, rng: random.Random) -> np.ndarray:
    shape = (batch, *b.graph.tensors["x"].shape)
    kind = rng.choice(["random", "low", "high", "ends"])
    draw = np.random.default_rng(rng.randrange(1 << 30))
    if kind == "random":
        return draw.integers(-128, 128, shape).astype(np.int8)
    if kind == "ends":
        return draw.choice([-128, 127], shape).astype(np.int8)
    return np.full(shape, -128 if kind == "low" else 127, np.int8)


@pytest.mark.parametrize("first", range(FIRST_SEED, FIRST_SEED + COUNT, PER_TEST))
def test_extreme_graphs_on_the_functional_model(first):
    ran = 0
    for seed in range(first, first + PER_TEST):
        rng = random.Random(seed)
        config = configuration(rng)
        b = large(seed, rng) if rng.random() < 0.1 else random_graph(seed)
        extreme(b, rng)
        batch = rng.choice([1, 1, 1, 2, 5])
        x = images(b, batch, rng)
        print(f"seed {seed}: {config}, batch {batch}")
        try:
            image = compile_graph(b.graph, config, batch=batch)
        except ResarrayError as error:
            # A row that the buffers of this configuration do not hold.
            assert "in the input buffer" in str(error), f"seed {seed}: {error}"
            continue
        expected = complete(b.graph, config, fast.run(b.graph, x))
        per_image = [{name: v[i] for name, v in expected.items()} for i in range(batch)]
        assert not mismatches(image, run_image(image, x), per_image), f"seed {seed}"
        ran += 1
    assert ran > PER_TEST // 2
