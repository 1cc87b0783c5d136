"""What lies at the edge of a range: right in RTL, or an error with its cause."""

import dataclasses
import random

import numpy as np
import pytest

from resarray.compiler import compile as compiler
from resarray.compiler.compile import compile_graph
from resarray.compiler.liveness import require_ending
from resarray.compiler.placement import complete
from resarray.golden import fast
from resarray.golden.ops import QGlobalAvgPool
from resarray.sim import run as sim_run
from resarray.sim.run import MEM_BASE, MemoryModel, run, run_many
from resarray.spec import isa
from resarray.spec.errors import ResarrayError
from resarray.spec.memory import settings_of
from resarray.spec.numerics import quantise_factor
from resarray.spec.presets import preset
from resarray.verification.fuzz.orders import reordered
from tests.compiler.reference import Builder, random_graph
from tests.compiler.test_liveness import decoded, ends

from .rtl import run_and_compare
from .test_errors import edited

pytestmark = pytest.mark.verifies("accelerator", "compiler", "memory-port", by="program")

TINY = preset("tiny")
# Large where sizes are at their edge, small where queues are; one build for all that needs either.
ROOMY = dataclasses.replace(TINY, name="roomy", acc_depth=512, input_words=1 << 16, queue_depth=2)


def average_graph(size: tuple[int, int], zero_point: int) -> Builder:
    """A global average alone, scaled so that its largest values fill int8."""
    b = Builder(1, (3, *size))
    b.graph.tensors["x"] = dataclasses.replace(b.graph.tensors["x"], zero_point=zero_point)
    b.average("x")
    mult, shift = quantise_factor(0.5 / (size[0] * size[1]))
    op = dataclasses.replace(b.graph.ops[0], mult=mult, shift=shift)
    assert isinstance(op, QGlobalAvgPool)
    b.graph.ops[0] = op
    return b


@pytest.mark.parametrize("value, zero_point", [(127, -128), (-128, 127)])
def test_average_of_a_large_map(value, zero_point):
    """160,000 equal pixels: their sum needs 26 bits, with its bias 27."""
    b = average_graph((400, 400), zero_point)
    x = np.full((1, 3, 400, 400), value, np.int8)
    result = run(compile_graph(b.graph, ROOMY), x, quick=True)
    expected = fast.run(b.graph, x)[b.graph.output]
    np.testing.assert_array_equal(result.tensors[b.graph.output], expected)
    zero = b.graph.tensors[b.graph.output].zero_point
    assert abs(int(expected[0, 0, 0, 0]) - zero) > 100 or abs(zero) > 20


@pytest.fixture(scope="module")
def program():
    b = Builder(1, (8, 6, 6))
    b.conv("x", 8, (3, 3), padding=(1, 1, 1, 1))
    return compile_graph(b.graph, TINY), b.input()[None]


SETTINGS = {
    "count": {"PROG_COUNT": 1 << 20},
    "count wrapped": {"PROG_COUNT": (1 << 20) + 3},
    "base": {"MEM_BASE": MEM_BASE + 64},
    "end": {"MEM_BASE": 0xFFFF_F000, "MEM_SIZE": 0x1001},
    "program": {"PROG_ADDR": 2},
    "program of nothing": {"PROG_ADDR": 2, "PROG_COUNT": 0},
    "window": {"WRITE_BASE": 65},
}


@pytest.mark.parametrize("case", SETTINGS)
def test_impossible_settings_do_not_start(case, program, monkeypatch):
    """Not one burst is read, and the error says what is wrong."""
    changed = SETTINGS[case]
    monkeypatch.setattr(
        sim_run, "settings_of", lambda image, base: settings_of(image, base) | changed
    )
    image, x = program
    name, value = next(iter(changed.items()))
    with pytest.raises(ResarrayError, match=f"refused to start with .*{name} = {value:#x}"):
        run(image, x, watchdog_cycles=3000)


def test_a_read_beyond_the_memory_names_its_address(program, monkeypatch):
    """The bus answers with an error: where the burst began, not 0."""
    image, x = program
    beyond = 1 << 23  # words: the simulated memory's size
    size = 2 * beyond * TINY.rows
    monkeypatch.setattr(
        sim_run, "settings_of", lambda image, base: settings_of(image, base) | {"MEM_SIZE": size}
    )
    broken = edited(image, isa.Engine.LOAD, addr=beyond + 8)
    message = f"read response in engine LOAD at byte offset {(beyond + 8) * TINY.rows:#x}"
    with pytest.raises(ResarrayError, match=message):
        run(broken, x, watchdog_cycles=3000)


@pytest.mark.parametrize("cycles", [1, 2, 3, 6])
@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_a_reset_at_any_time_leaves_nothing_behind(cycles, stall):
    """However short: no handshake is broken off, no stray response reaches the next program."""
    b = random_graph(2003)
    x = b.input()[None]
    image = compile_graph(b.graph, TINY)
    resets = [(cycle, cycles) for cycle in (*range(1, 40, 3), 100, 333, 700, 1501)]
    memory = sim_run.MemoryModel(latency=7, stall_probability=stall, seed=cycles)
    result = run(image, x, memory=memory, watchdog_cycles=5000, resets=resets)
    expected = fast.run(b.graph, x)
    for name, tensor in result.tensors.items():
        np.testing.assert_array_equal(tensor, expected[name], name)


EARLIER = {
    "itself": {},
    "impossible settings": {"PROG_COUNT": 1 << 20},
    "a window that ends in the middle": {"MEM_SIZE": 1024},
    "no place to write": {"WRITE_BASE": 1 << 20},
    "only its beginning": {"PROG_COUNT": 1},
}


@pytest.mark.parametrize("stall", [pytest.param(0.0, marks=pytest.mark.long), 0.6])
def test_a_start_leaves_nothing_of_the_run_before(stall):
    """Runs that end well, in an error with bursts on their way, or at once; no reset between."""
    b = random_graph(2003)
    x = b.input()[None]
    image = compile_graph(b.graph, TINY)
    memory = sim_run.MemoryModel(latency=40, stall_probability=stall, seed=3)
    fresh = run(image, x, memory=memory, watchdog_cycles=5000)
    expected = fast.run(b.graph, x)
    for name, settings in EARLIER.items():
        result = run(image, x, memory=memory, watchdog_cycles=5000, earlier=[settings, settings])
        for tensor, values in result.tensors.items():
            np.testing.assert_array_equal(values, expected[tensor], f"{name}: {tensor}")
        if not stall:
            assert result.counters == fresh.counters, name


def test_a_load_of_the_whole_input_buffer(monkeypatch):
    """65,536 words: one more than a run's length holds. The chooser is made to take it."""

    def whole(*arguments, **options):
        tiling = tiling_choose(*arguments, **options)
        return dataclasses.replace(tiling, n_rows=1, n_cols=1, resident=1, k_blocks=1)

    tiling_choose = compiler.choose
    monkeypatch.setattr(compiler, "choose", whole)
    monkeypatch.setattr(compiler, "MAX_REFINED", 0)
    b = Builder(3, (4, 256, 256))
    b.conv("x", 4, (16, 16), (16, 16))
    loads = [i.words for i in decoded(compile_graph(b.graph, ROOMY)) if i.engine == isa.Engine.LOAD]
    assert loads == [1 << 16]
    run_and_compare([b], ROOMY, "verilator", quick=True)


def test_long_weight_streams_are_split(monkeypatch):
    """As where a layer's weights exceed what one WEIGHTS can say; here 2,000 words."""
    from resarray.compiler import tiles

    b = Builder(4, (24, 9, 9))
    b.conv(b.conv("x", 40, (3, 3), padding=(1, 1, 1, 1)), 33, (3, 3))
    whole = compile_graph(b.graph, TINY)
    monkeypatch.setattr(tiles, "MAX_STREAM", 2000)
    split = compile_graph(b.graph, TINY)
    assert split.manifest["program"]["count"] > whole.manifest["program"]["count"]
    run_and_compare([b], TINY, "verilator")


def test_more_channel_blocks_than_one_compute_takes():
    """A linear layer of 4,100 inputs: 1,025 blocks of four channels, all in the buffer."""
    b = Builder(5, (4100, 1, 1))
    b.conv("x", 13, (1, 1), relu=False)
    run_and_compare([b], ROOMY, "verilator")


def test_two_short_layers_end_a_cycle_apart():
    """Independent layers of one k-tile each, of a whole bank and of one pixel, whose weights come
    while the bank fills: both have their profile."""
    b = Builder(6, (4, 8, 8))
    b.conv("x", 4, (1, 1))
    b.conv("x", 4, (1, 1), (8, 8))
    b.conv("x", 4, (1, 1))
    b.conv("x", 4, (1, 1), (8, 8))
    (result,) = run_and_compare([b], TINY, "verilator")
    assert len(result.layers) == 4


def test_extreme_accumulators():
    """The largest sums that compile: all weights 127, all pixels at the end of their range."""
    builders, programs = [], []
    for sign in (1, -1):
        b = Builder(7, (1024, 5, 5))
        b.graph.tensors["x"] = dataclasses.replace(
            b.graph.tensors["x"], zero_point=-128 if sign > 0 else 127
        )
        b.conv("x", 5, (3, 3), padding=(1, 1, 1, 1))
        op = b.graph.ops[0]
        weight = np.full_like(op.weight, 127 * sign)
        total = 255 * 127 * 9 * 1024
        bias = np.full(5, (1 << 31) - 1 - total)
        factor = [quantise_factor(250 / (1 << 31))] * 5
        b.graph.ops[0] = dataclasses.replace(
            op,
            weight=weight,
            bias=bias.astype(np.int64),
            lo=-128,
            mult=np.array([m for m, _ in factor]),
            shift=np.array([s for _, s in factor]),
        )
        zero = dataclasses.replace(b.graph.tensors[b.graph.output], zero_point=-128)
        b.graph.tensors[b.graph.output] = zero
        x = np.full((1, 1024, 5, 5), 127 if sign > 0 else -128, np.int8)
        builders.append((b, x))
        programs.append((compile_graph(b.graph, ROOMY), x))
    for (b, x), result in zip(builders, run_many(programs), strict=True):
        expected = fast.run(b.graph, x)[b.graph.output]
        assert expected.max() == 122  # 250 - 128: not wrapped
        np.testing.assert_array_equal(result.tensors[b.graph.output], expected)


def test_reordered_programs_end_as_counted():
    """Instructions of different engines may stand in another order as long as counting says that
    the program ends: it does on every memory, with the same tensors."""
    graphs = [random_graph(seed) for seed in range(8100, 8130)]
    builders = [b for b in graphs if not any("pool" in op.op for op in b.graph.ops)][:8]
    programs, expected, changed = [], [], 0
    for seed, b in enumerate(builders):
        rng = random.Random(seed)
        image, x = compile_graph(b.graph, ROOMY), b.input()[None]
        for _ in range(3):
            order = reordered(decoded(image), rng, 30)
            if not ends(require_ending, order, ROOMY):
                continue
            code = b"".join(
                isa.encode(i.engine, **{k: v for k, v in i.fields.items() if k != "opcode"})
                for i in order
            )
            changed += code != image.payload[: len(code)]
            payload = code + image.payload[len(code) :]
            programs.append((dataclasses.replace(image, payload=payload), x))
            expected.append(complete(b.graph, ROOMY, fast.run(b.graph, x)))
    assert changed > 10
    for latency, stall in ((1, 0.0), (60, 0.6)):
        memory = sim_run.MemoryModel(latency=latency, stall_probability=stall, seed=5)
        results = run_many(programs, memory=memory, watchdog_cycles=5000)
        for result, golden in zip(results, expected, strict=True):
            for name, tensor in result.tensors.items():
                np.testing.assert_array_equal(tensor, golden[name], name)


def test_a_memory_that_waits_for_valid():
    """AXI4 lets READY wait for VALID, never the other way round."""
    b = Builder(5, (5, 9, 7))
    b.add("x", b.conv(b.conv("x", 5, (3, 3), padding=(1, 1, 1, 1)), 5, (1, 1)))
    image = compile_graph(b.graph, TINY)
    memory = [
        MemoryModel(4, late=True),
        MemoryModel(9, late=True, stall_probability=0.3, early=True),
    ]
    x = b.input()[None]
    for result in run_many([(image, x)] * len(memory), memory=memory):
        for name, tensor in result.tensors.items():
            np.testing.assert_array_equal(tensor, fast.run(b.graph, x)[name], err_msg=name)


def test_the_array_waits_for_what_is_slow():
    """Each kind of wait is counted as itself."""
    b = Builder(6, (16, 30, 30))
    b.conv(b.conv("x", 4, (1, 1)), 4, (1, 1))
    image = compile_graph(b.graph, TINY)
    slow = {"WAIT_LOAD": MemoryModel(4, bytes_per_cycle=0.3)}
    slow["WAIT_DRAIN"] = MemoryModel(4, stalls=(0, 0, 0.95, 0, 0))
    runs = run_many([(image, b.input()[None])] * len(slow), memory=list(slow.values()))
    for kind, result in zip(slow, runs, strict=True):
        other = next(name for name in slow if name != kind)
        assert result.counters[kind] > 20 * max(100, result.counters[other]), result.counters
