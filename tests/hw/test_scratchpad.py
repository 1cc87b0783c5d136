"""Scratchpad between readers and arbiter: kept words from it, the others from memory, in order."""

import random
from dataclasses import replace

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from resarray.hw.arbiter import ReadArbiter
from resarray.hw.axi import AXI4
from resarray.hw.layouts import PATTERN, word_write
from resarray.hw.reader import Reader
from resarray.hw.scratchpad import Scratchpad
from resarray.hw.store import StoreEngine
from resarray.spec.isa import Engine

from . import test_memory_access as access
from .bench import STALLS, collect, count_bits, drive, simulate

pytestmark = pytest.mark.verifies("memories", by="unit")

CONFIG = replace(access.CONFIG, scratch_words=512)


def kept_word(place: int) -> int:
    """What the scratchpad is filled with; no word of memory is the same."""
    return ~access.stored_word(place) & 0xFFFFFFFF


def place(pattern: dict, address: int) -> int:
    return (address + pattern["mirror"]) % CONFIG.scratch_words


def random_pattern(rng, kept: bool) -> dict:
    return access.random_pattern(rng) | {"kept": int(kept), "mirror": rng.randrange(1 << 16)}


def contents(pattern: dict) -> list[int]:
    return [
        kept_word(place(pattern, a)) if pattern["kept"] else access.stored_word(a)
        for a in access.pattern_words(pattern)
    ]


class Readers(wiring.Component):
    """Two readers of different depth behind a scratchpad."""

    def __init__(self):
        self.readers = [Reader(CONFIG, 8), Reader(CONFIG, 32)]
        words = stream.Signature(8 * CONFIG.rows)
        kept = word_write(CONFIG, CONFIG.scratch_words)
        super().__init__(
            {
                "bus": Out(AXI4(CONFIG.rows)),
                "write": In(stream.Signature(kept, always_ready=True)),
                "i": In(stream.Signature(PATTERN)).array(2),
                "o": Out(words).array(2),
                "finished": Out(2),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.arbiter = arbiter = ReadArbiter(CONFIG, [Engine.LOAD, Engine.RESIDUAL])
        m.submodules.scratchpad = scratchpad = Scratchpad(CONFIG, 2)
        connect(m, arbiter.bus, flipped(self.bus))
        connect(m, flipped(self.write), scratchpad.write)
        m.d.comb += [
            arbiter.mem_base.eq(access.MEM_BASE),
            arbiter.mem_words.eq(access.MEM_WORDS),
        ]
        for i, reader in enumerate(self.readers):
            m.submodules[f"reader{i}"] = reader
            connect(m, reader.request, scratchpad.request[i])
            connect(m, scratchpad.data[i], reader.data)
            connect(m, scratchpad.memory_request[i], arbiter.request[i])
            connect(m, arbiter.data[i], scratchpad.memory_data[i])
            connect(m, flipped(self.i[i]), reader.i)
            connect(m, reader.o, flipped(self.o[i]))
            m.d.comb += self.finished[i].eq(reader.finished)
        return m


async def fill(ctx, dut):
    ctx.set(dut.write.valid, 1)
    for word in range(CONFIG.scratch_words):
        ctx.set(dut.write.payload, {"addr": word, "word": kept_word(word)})
        await ctx.tick()
    ctx.set(dut.write.valid, 0)


@pytest.mark.parametrize("stall", STALLS)
def test_readers_get_kept_and_memory_words_in_order(stall):
    rng = random.Random(23)
    dut = Readers()
    patterns = [[random_pattern(rng, rng.random() < 0.6) for _ in range(12)] for _ in range(2)]
    expected = [[word for p in ps for word in contents(p)] for ps in patterns]
    got = [[], []]
    finished = [0, 0]

    def after_filling(i):
        async def testbench(ctx):
            if i == 0:
                await fill(ctx, dut)
            else:
                await ctx.tick().repeat(CONFIG.scratch_words)
            await drive(dut.i[i], patterns[i], i, stall)(ctx)

        return testbench

    simulate(
        dut,
        after_filling(0),
        after_filling(1),
        collect(dut.o[0], len(expected[0]), got[0], 3, stall),
        collect(dut.o[1], len(expected[1]), got[1], 4, stall),
        background=[*access.read_memory(dut.bus, rng, stall), count_bits(dut.finished, finished)],
    )
    assert got == expected
    assert finished == [12, 12]


def test_kept_words_come_at_one_a_cycle():
    """A long pattern of aligned bursts: no pause between its bursts but where it starts."""
    dut = Readers()
    words = 480
    pattern = {"addr": 0, "n_blocks": 1, "n_runs": 1, "run_len": words, "kept": 1}
    cycles = 0

    async def testbench(ctx):
        nonlocal cycles
        ctx.set(dut.o[1].ready, 1)
        ctx.set(dut.i[1].payload, pattern)
        ctx.set(dut.i[1].valid, 1)
        await ctx.tick().until(dut.i[1].ready)
        ctx.set(dut.i[1].valid, 0)
        seen = 0
        while seen < words:
            _, _, valid = await ctx.tick().sample(dut.o[1].valid)
            seen += valid
            cycles += 1

    simulate(dut, testbench)
    assert cycles <= words + 16


@pytest.mark.parametrize("stall", STALLS)
def test_store_mirrors_what_it_keeps(stall):
    rng = random.Random(29)
    dut = StoreEngine(CONFIG)
    patterns = [
        {
            "addr": 64 + 200 * i,
            "n_blocks": 2,
            "block_stride": 90,
            "n_runs": 2,
            "run_stride": 30,
            "run_len": rng.randint(1, 20),
            "kept": i % 2,
            "mirror": (1 << 16) - 200 * i,
        }
        for i in range(8)
    ]
    addresses = [(p, a) for p in patterns for a in access.pattern_words(p)]
    words = [rng.randrange(1 << 32) for _ in addresses]
    written, kept, completed = {}, [], []

    async def settings(ctx):
        ctx.set(dut.mem_base, access.MEM_BASE)
        ctx.set(dut.mem_words, access.MEM_WORDS)
        ctx.set(dut.write_words, 64)
        while len(completed) < len(patterns):
            _, _, valid, request, done = await ctx.tick().sample(
                dut.kept.valid, dut.kept.payload, dut.done
            )
            if valid:
                kept.append((request.addr, request.word))
            if done:
                completed.append(len(kept))

    simulate(
        dut,
        settings,
        drive(dut.i, patterns, 1, stall),
        drive(dut.words, words, 2, stall),
        background=access.write_memory(dut.bus, rng, stall, written),
    )
    expected = [
        (place(p, a), word) for (p, a), word in zip(addresses, words, strict=True) if p["kept"]
    ]
    assert kept == expected
    # Every `done` comes after the last word of its instruction is in the scratchpad.
    total = 0
    for pattern, seen in zip(patterns, completed, strict=True):
        total += pattern["kept"] * len(access.pattern_words(pattern))
        assert seen >= total
