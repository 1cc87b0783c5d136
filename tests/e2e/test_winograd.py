"""Winograd's tiles in RTL, with all that can be behind them, on both simulators and elements."""

from dataclasses import replace

import numpy as np
import pytest

from resarray.spec.config import Config
from resarray.spec.presets import preset
from resarray.verification.fuzz import cases
from tests.compiler.reference import Builder

from .rtl import run_and_compare

pytestmark = pytest.mark.verifies("winograd", "drain", "accelerator", by="program")

TINY = preset("tiny")
CONFIGS = {
    "tiny": TINY,
    "mac": replace(TINY, name="mac", element="mac"),
    "lane": Config(name="lane", rows=16, columns=16, lanes=1, input_words=4096, acc_depth=128),
}


def residual(rng, b: Builder) -> None:
    y = b.conv("x", 8, (3, 3), padding=(1, 1, 1, 1))
    z = b.conv(y, 8, (1, 3), padding=(0, 0, 1, 1), residual=y)
    b.conv(z, 12, (3, 3), (2, 1), padding=(1, 0, 0, 1))


def max_pool(rng, b: Builder) -> None:
    y = b.conv("x", 12, (3, 3), padding=(1, 1, 1, 1))
    b.max_pool(y, 2)
    b.conv(y, 4, (5, 3), padding=(2, 2, 0, 0))


def average(rng, b: Builder) -> None:
    y = b.conv("x", 8, (3, 3), padding=(1, 1, 1, 1))
    b.average(y)


def table(rng, b: Builder) -> None:
    y = b.function(b.conv("x", 8, (3, 3), padding=(1, 1, 1, 1)))
    b.conv(y, 8, (3, 3), padding=(0, 1, 1, 0))


def excite(rng, b: Builder) -> None:
    """A residual of one pixel, and a product."""
    y = b.conv("x", 8, (3, 3), padding=(1, 1, 1, 1))
    v = b.average(y)
    z = b.conv("x", 8, (3, 3), padding=(1, 1, 1, 1), residual=v)
    b.multiply(z, v)


GRAPHS = {f.__name__: f for f in (residual, max_pool, average, table, excite)}


def networks(seeds: range) -> list[Builder]:
    found = []
    for seed in seeds:
        for graph in GRAPHS.values():
            rng = np.random.default_rng(seed)
            b = Builder(seed, (8, int(rng.integers(5, 10)), int(rng.integers(3, 15))), "net")
            graph(rng, b)
            found.append(b)
    return found


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("stall", [0.0, 0.3])
def test_all_that_can_be_behind_tiles(name, stall):
    with cases.tiled():
        results = run_and_compare(
            networks(range(3)), CONFIGS[name], "verilator", stall, batch=2, quick=True
        )
    assert len(results) == 3 * len(GRAPHS)


def test_on_icarus():
    with cases.tiled():
        run_and_compare(networks(range(1))[:2], TINY, "icarus")
