"""Random graphs with extreme values through the functional model, which asserts every width of the
hardware on every value, on random configurations.

``RESARRAY_GRAPHS`` says how many are drawn (2,000: about half an hour), ``RESARRAY_SEED`` where
their numbers begin.
"""

import os
import random

import pytest

from resarray.compiler.compile import compile_graph
from resarray.compiler.functional import run_image
from resarray.compiler.placement import complete
from resarray.golden import fast
from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError
from resarray.spec.presets import preset
from resarray.verification.fuzz.configs import random_config
from resarray.verification.fuzz.graphs import extreme, images, large, random_graph

from .reference import mismatches

pytestmark = pytest.mark.verifies("compiler", by="random")

COUNT = int(os.environ.get("RESARRAY_GRAPHS", "40"))
FIRST_SEED = int(os.environ.get("RESARRAY_SEED", "0"))
PER_TEST = 20


def configuration(rng: random.Random) -> Config:
    """Any that is legal, half of them the tiny one's size."""
    if rng.random() < 0.5:
        return preset("tiny")
    while True:
        config = random_config(rng)
        if isinstance(config, Config):
            return config


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
