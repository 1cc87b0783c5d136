"""Damaged TFLite files end in a sentence, or are networks that run: no traceback, no hang.

RESARRAY_TFLITE_FLIPS=2000 damages so many, from the seed RESARRAY_SEED on; a failure prints its
seed.
"""

import os
import resource
import time

import numpy as np
import pytest

from resarray.golden import fast
from resarray.spec.errors import ResarrayError

pytest.importorskip("tflite", reason="no package tflite: pip install -e '.[tflite]'")
pytest.importorskip("ai_edge_litert", reason="no package ai-edge-litert: pip install -e '.[dev]'")

from .test_tflite_operators import OPERATORS, Draw
from .tflite_writer import load

pytestmark = pytest.mark.verifies("front-ends", by="fault")

SEED = int(os.environ.get("RESARRAY_SEED", "0"))
COUNT = int(os.environ.get("RESARRAY_TFLITE_FLIPS", "60"))
MOST_SECONDS = 20
MOST_BYTES = 2 << 30  # of memory more than before


@pytest.mark.parametrize("seed", range(SEED, SEED + COUNT))
def test_damage(seed, tmp_path):
    rng = np.random.default_rng(seed)
    make, _ = OPERATORS[list(OPERATORS)[int(rng.integers(len(OPERATORS)))]]
    raw = bytearray(make(Draw(seed)))
    kind = rng.integers(4)
    if kind == 0:  # cut off
        raw = raw[: int(rng.integers(len(raw)))]
    elif kind == 1:  # a number anywhere, as offsets and lengths are
        place = int(rng.integers(8, len(raw) - 4)) & ~3
        value = int(rng.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x10000, len(raw)]))
        raw[place : place + 4] = value.to_bytes(4, "little")
    else:  # bits
        for _ in range(int(rng.integers(1, 5))):
            raw[int(rng.integers(8, len(raw)))] ^= 1 << int(rng.integers(8))
    began, before = time.monotonic(), _peak()
    try:
        graph = load(tmp_path / "a.tflite", bytes(raw))
        shape = graph.tensors[graph.input].shape
        fast.run(graph, rng.integers(-128, 128, (1, *shape)).astype(np.int8))
    except ResarrayError as error:
        assert "\n" not in str(error)
    assert time.monotonic() - began < MOST_SECONDS
    assert _peak() - before < MOST_BYTES


def _peak() -> int:
    """Bytes of memory that the process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
