"""Random configurations over the whole range of every field: each is refused with its reason, or
runs a small residual network in RTL under stalls, bit for bit.

``RESARRAY_CONFIGURATIONS`` says how many are drawn (200: half an hour), ``RESARRAY_SEED`` where
their numbers begin, ``RESARRAY_LARGEST_ARRAY`` which arrays are simulated; with ``-rP`` pytest
shows each configuration and what became of it.
"""

import os
import random
import shutil

import numpy as np
import pytest

from resarray.compiler.compile import compile_graph
from resarray.compiler.functional import run_image
from resarray.compiler.placement import complete
from resarray.golden import fast
from resarray.sim.run import MemoryModel, run
from resarray.spec.config import LIMITS, Config
from resarray.verification.fuzz.configs import random_config
from tests.compiler.reference import Builder, mismatches

from .rtl import WATCHDOG_CYCLES, check_counters

pytestmark = pytest.mark.verifies("accelerator", "contract", by="random")

COUNT = int(os.environ.get("RESARRAY_CONFIGURATIONS", "10"))
FIRST_SEED = int(os.environ.get("RESARRAY_SEED", "0"))
# All but the first three are long.
SEEDS = [
    pytest.param(seed, marks=pytest.mark.long) if seed >= FIRST_SEED + 3 else seed
    for seed in range(FIRST_SEED, FIRST_SEED + COUNT)
]
# MACs a cycle. Icarus needs no build but is slow: the smallest arrays. Verilator takes a minute or
# more to build each of the others: up to so many, the rest run on the functional model alone.
ON_ICARUS = 64
ON_VERILATOR = int(os.environ.get("RESARRAY_LARGEST_ARRAY", "64"))


def network(seed: int) -> Builder:
    """Every operator on a small map: convolutions of several shapes, a pool of each kind in the
    drain and one that is not, an addition taken in and one of its own, an average, a linear
    layer."""
    rng = random.Random(seed)
    b = Builder(seed, (rng.choice([1, 3, 5, 9]), rng.randint(7, 11), rng.randint(7, 11)))
    channels = rng.choice([4, 7, 8, 12])
    x = b.conv("x", channels, (3, 3), (rng.choice([1, 2]), 1), (1, 1, 1, 1))
    kernel = rng.choice([2, 3])
    x = b.max_pool(x, kernel, rng.choice([0, 1]), rng.choice([1, 2, 2, 3]))
    y = b.conv(x, channels + 1, (1, 3), padding=(0, 0, 1, 1))
    x = b.conv(y, channels, (3, 1), padding=(1, 1, 0, 0), residual=x)
    x = b.add(x, x)
    if min(b.graph.tensors[x].shape[1:]) >= 2 and rng.random() < 0.5:
        x = b.max_pool(x, 2, 0)
    x = b.average(x)
    b.conv(x, rng.choice([3, 10]), (1, 1), relu=False)
    return b


def draw(seed: int) -> Config | str:
    return random_config(random.Random(seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_refused_or_right(seed):
    config = draw(seed)
    print(f"seed {seed}: {config}")
    if isinstance(config, str):
        assert config.startswith("configuration ") and "must" in config
        print("outcome: refused")
        return
    rng = random.Random(seed)
    batch = rng.choice([1, 1, 2])
    b = network(seed)
    x = np.stack([b.input() for _ in range(batch)])
    expected = complete(b.graph, config, fast.run(b.graph, x))
    image = compile_graph(b.graph, config, batch=batch, fuse_pool=rng.random() < 0.8)
    memory = run_image(image, x)
    assert not mismatches(
        image, memory, [{n: v[i] for n, v in expected.items()} for i in range(batch)]
    )
    if config.macs_per_cycle > ON_VERILATOR:
        print("outcome: functional model")
        return
    small = config.macs_per_cycle <= ON_ICARUS and shutil.which("iverilog") is not None
    stalls = MemoryModel(latency=rng.choice([1, 8, 60]), stall_probability=0.3, seed=seed)
    result = run(
        image,
        x,
        simulator="icarus" if small else "verilator",
        memory=stalls,
        watchdog_cycles=WATCHDOG_CYCLES,
        quick=True,
    )
    for name, tensor in result.tensors.items():
        np.testing.assert_array_equal(tensor, expected[name], f"seed {seed}, tensor {name}")
    check_counters(result)
    print(f"outcome: RTL on {'Icarus' if small else 'Verilator'}")


def test_the_draws_reach_every_end():
    """Over 2,000 draws each end of each range appears, and a good part is refused."""
    drawn = [draw(seed) for seed in range(2000)]
    legal = [config for config in drawn if isinstance(config, Config)]
    assert 0.1 < 1 - len(legal) / len(drawn) < 0.7
    for field, limits in LIMITS.items():
        values = {getattr(config, field) for config in legal}
        highest = 252 if field == "columns" else limits.highest
        assert limits.lowest in values and max(values) >= highest, field
