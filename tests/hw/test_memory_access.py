"""Burst splitter, readers behind the arbiter, LOAD and STORE against their patterns."""

import random

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from resarray.hw.arbiter import ReadArbiter
from resarray.hw.axi import AXI4
from resarray.hw.bursts import BurstSplitter
from resarray.hw.layouts import INSTRUCTIONS, PATTERN
from resarray.hw.load import LoadEngine
from resarray.hw.reader import Reader
from resarray.hw.store import StoreEngine
from resarray.spec.config import Config
from resarray.spec.isa import Engine
from resarray.spec.registers import ErrorCause

from .bench import STALLS, collect, count_bits, drive, simulate

pytestmark = pytest.mark.verifies("memory-port", "load", "store", by="unit")

CONFIG = Config(
    name="test",
    rows=4,
    columns=8,
    lanes=2,
    burst_words=8,
    max_reads=4,
    output_words=32,
    input_words=1024,
)
MEM_BASE = 0x4000_0000
MEM_WORDS = 2048


def pattern_words(p: dict) -> list[int]:
    """Word addresses of a pattern, by the loop nest in `spec.isa`."""
    return [
        p["addr"] + b * p["block_stride"] + r * p["run_stride"] + i
        for b in range(p["n_blocks"])
        for r in range(p["n_runs"])
        for i in range(p["run_len"])
    ]


def random_pattern(rng, longest: int = 20) -> dict:
    return {
        "addr": rng.randrange(512),
        "n_blocks": rng.randint(1, 3),
        "block_stride": rng.randrange(300),
        "n_runs": rng.randint(1, 4),
        "run_stride": rng.randrange(60),
        "run_len": rng.randint(1, longest),
    }


def stored_word(address: int) -> int:
    """What the model memory holds at a word address."""
    return (address * 2654435761) & 0xFFFFFFFF


def take_bursts(bus, channel: str, rng, stall: float, burst):
    """A testbench on an address channel ("ar" or "aw"): calls ``burst`` with the first word and the
    number of words of each burst."""
    valid, ready, addr, length = (
        getattr(bus, channel + name) for name in ("valid", "ready", "addr", "len")
    )

    async def testbench(ctx):
        while True:
            ctx.set(ready, rng.random() >= stall)
            _, _, was_valid, was_ready, start, beats = await ctx.tick().sample(
                valid, ready, addr, length
            )
            if was_valid and was_ready:
                assert start // 4096 == (start + 4 * beats) // 4096, "burst crosses 4 KiB"
                burst((start - MEM_BASE) // 4, beats + 1)

    return testbench


def read_memory(bus, rng, stall: float):
    """The read half of an AXI memory on ``bus`` as background testbenches with random stalls."""
    reads = []
    addresses = take_bursts(
        bus,
        "ar",
        rng,
        stall,
        lambda start, count: reads.extend((start + i, i == count - 1) for i in range(count)),
    )

    async def data(ctx):
        while True:
            if reads and rng.random() >= stall:
                address, last = reads.pop(0)
                ctx.set(bus.rvalid, 1)
                ctx.set(bus.rdata, stored_word(address))
                ctx.set(bus.rlast, last)
                await ctx.tick().until(bus.rready)
                ctx.set(bus.rvalid, 0)
            else:
                await ctx.tick()

    return [addresses, data]


def write_memory(bus, rng, stall: float, written: dict):
    """The write half, into ``written``."""
    bursts, words, responses = [], [], []
    write_addresses = take_bursts(
        bus, "aw", rng, stall, lambda start, count: bursts.append((start, count))
    )

    async def write_data(ctx):
        while True:
            ctx.set(bus.wready, rng.random() >= stall)
            sampled = await ctx.tick().sample(bus.wvalid, bus.wready, bus.wdata, bus.wlast)
            _, _, valid, ready, value, last = sampled
            if valid and ready:
                words.append((value, last))
            while bursts and len(words) >= bursts[0][1]:
                start, count = bursts.pop(0)
                for i in range(count):
                    value, last = words.pop(0)
                    assert last == (i == count - 1)
                    assert start + i not in written
                    written[start + i] = value
                responses.append(None)

    async def write_responses(ctx):
        while True:
            if responses and rng.random() >= stall:
                responses.pop(0)
                ctx.set(bus.bvalid, 1)
                await ctx.tick().until(bus.bready)
                ctx.set(bus.bvalid, 0)
            else:
                await ctx.tick()

    return [write_addresses, write_data, write_responses]


@pytest.mark.parametrize("stall", STALLS)
def test_burst_splitter(stall):
    rng = random.Random(7)
    patterns = [random_pattern(rng, 40) for _ in range(30)]
    dut = BurstSplitter(CONFIG)
    expected = [pattern_words(p) for p in patterns]
    bursts = []
    lasts = len(patterns)

    async def taker(ctx):
        seen = 0
        while seen < lasts:
            ctx.set(dut.o.ready, rng.random() >= stall)
            _, _, valid, ready, burst = await ctx.tick().sample(
                dut.o.valid, dut.o.ready, dut.o.payload
            )
            if valid and ready:
                bursts.append((burst.addr, burst.beats, burst.last))
                seen += burst.last

    simulate(dut, drive(dut.i, patterns, 1, stall), taker)
    got, current = [], []
    for addr, beats, last in bursts:
        assert 1 <= beats <= CONFIG.burst_words
        assert addr // CONFIG.burst_words == (addr + beats - 1) // CONFIG.burst_words
        current += range(addr, addr + beats)
        if last:
            got.append(current)
            current = []
    assert got == expected


@pytest.mark.parametrize("count", ["n_blocks", "n_runs", "run_len"])
def test_a_count_of_zero_is_the_largest_plus_one(count):
    """No burst is empty: of 256 beats on the bus, or of a FIFO that has no room asked for."""
    dut = BurstSplitter(CONFIG)
    pattern = {"addr": 3, "n_blocks": 1, "n_runs": 1, "run_len": 2, "block_stride": 8}
    pattern |= {"run_stride": 8, count: 0}
    steps = [3 + 8 * n for n in range(40)]
    expected = [(steps[0], 5), *((8 * n, 8) for n in range(1, 40))] if count == "run_len" else None
    bursts = []

    async def taker(ctx):
        ctx.set(dut.o.ready, 1)
        while len(bursts) < 40:
            _, _, valid, burst = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            if valid:
                assert not burst.last
                bursts.append((burst.addr, burst.beats))

    simulate(dut, drive(dut.i, [pattern]), taker)
    assert bursts == (expected or [(step, 2) for step in steps])


class ReadersAndArbiter(wiring.Component):
    """Two readers of different depth on one bus."""

    def __init__(self):
        self.readers = [Reader(CONFIG, 8), Reader(CONFIG, 32)]
        super().__init__(
            {
                "bus": Out(AXI4(CONFIG.rows)),
                "i": In(stream.Signature(PATTERN)).array(2),
                "o": Out(stream.Signature(8 * CONFIG.rows)).array(2),
                "finished": Out(2),
                "cause": Out(3),
                "failed": Out(1),
                "mem_words": In(30),
                "defer": In(2),
                "ample": Out(2),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.arbiter = arbiter = ReadArbiter(CONFIG, [Engine.LOAD, Engine.WEIGHTS])
        connect(m, arbiter.bus, flipped(self.bus))
        m.d.comb += [arbiter.mem_base.eq(MEM_BASE), arbiter.mem_words.eq(self.mem_words)]
        m.d.comb += [arbiter.halt.eq(self.failed), arbiter.defer.eq(self.defer)]
        with m.If(arbiter.fault.valid):
            m.d.sync += [self.failed.eq(1), self.cause.eq(arbiter.fault.payload.cause)]
        for i, reader in enumerate(self.readers):
            m.submodules[f"reader{i}"] = reader
            connect(m, reader.request, arbiter.request[i])
            connect(m, arbiter.data[i], reader.data)
            connect(m, flipped(self.i[i]), reader.i)
            connect(m, reader.o, flipped(self.o[i]))
            m.d.comb += [
                self.finished[i].eq(reader.finished),
                self.ample[i].eq(reader.ample),
            ]
        return m


def test_a_deferred_reader_stands_back():
    """Nothing of the deferred reader is on the bus until it is deferred no more; a FIFO of which
    an eighth is filled is ample."""
    dut = ReadersAndArbiter()
    pattern = {"n_blocks": 1, "n_runs": 1, "run_len": 16, "block_stride": 0, "run_stride": 0}
    got = [[], []]

    async def testbench(ctx):
        ctx.set(dut.mem_words, MEM_WORDS)
        ctx.set(dut.defer, 0b10)
        assert ctx.get(dut.ample) == 0
        await ctx.tick().repeat(200)
        assert len(got[0]) == 16 and not ctx.get(dut.o[1].valid) and ctx.get(dut.ample) == 0
        ctx.set(dut.defer, 0)
        await ctx.tick().repeat(200)
        assert ctx.get(dut.ample) == 0b10
        await collect(dut.o[1], 16, got[1])(ctx)

    simulate(
        dut,
        testbench,
        drive(dut.i[0], [pattern | {"addr": 100}]),
        drive(dut.i[1], [pattern | {"addr": 200}]),
        collect(dut.o[0], 16, got[0]),
        background=read_memory(dut.bus, random.Random(1), 0.0),
    )
    assert got == [[stored_word(start + i) for i in range(16)] for start in (100, 200)]


@pytest.mark.parametrize("stall", STALLS)
def test_readers_share_the_bus(stall):
    rng = random.Random(11)
    dut = ReadersAndArbiter()
    patterns = [[random_pattern(rng) for _ in range(8)] for _ in range(2)]
    expected = [[stored_word(a) for p in ps for a in pattern_words(p)] for ps in patterns]
    got = [[], []]
    finished = [0, 0]

    async def set_limit(ctx):
        ctx.set(dut.mem_words, MEM_WORDS)

    simulate(
        dut,
        set_limit,
        drive(dut.i[0], patterns[0], 1, stall),
        drive(dut.i[1], patterns[1], 2, stall),
        collect(dut.o[0], len(expected[0]), got[0], 3, stall),
        collect(dut.o[1], len(expected[1]), got[1], 4, stall),
        background=[*read_memory(dut.bus, rng, stall), count_bits(dut.finished, finished)],
    )
    assert got == expected
    assert finished == [8, 8]


def test_read_outside_the_window_stops():
    """The last words before the limit are read, the burst beyond it is never put on the bus."""
    rng = random.Random(13)
    dut = ReadersAndArbiter()
    pattern = {
        "addr": 92,
        "n_blocks": 1,
        "n_runs": 1,
        "run_len": 10,
        "block_stride": 0,
        "run_stride": 0,
    }
    got = []

    async def finish(ctx):
        ctx.set(dut.mem_words, 100)
        await ctx.tick().until(dut.failed)
        assert ctx.get(dut.cause) == ErrorCause.OUTSIDE_WINDOW
        for _ in range(100):
            assert not ctx.get(dut.bus.arvalid) or ctx.get(dut.bus.araddr) < MEM_BASE + 400
            await ctx.tick()
        assert got == [stored_word(92 + i) for i in range(4)]

    async def take(ctx):
        await collect(dut.o[0], 4, got)(ctx)

    simulate(
        dut, finish, drive(dut.i[0], [pattern]), take, background=read_memory(dut.bus, rng, 0.0)
    )


class LoadWithMemory(wiring.Component):
    """LOAD engine behind an arbiter of its own."""

    def __init__(self):
        self.load = LoadEngine(CONFIG)
        super().__init__(
            {
                "bus": Out(AXI4(CONFIG.rows)),
                "i": In(stream.Signature(INSTRUCTIONS[Engine.LOAD])),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.load = load = self.load
        m.submodules.arbiter = arbiter = ReadArbiter(CONFIG, [Engine.LOAD])
        connect(m, arbiter.bus, flipped(self.bus))
        connect(m, load.request, arbiter.request[0])
        connect(m, arbiter.data[0], load.data)
        connect(m, flipped(self.i), load.i)
        m.d.comb += [arbiter.mem_base.eq(MEM_BASE), arbiter.mem_words.eq(MEM_WORDS)]
        return m


@pytest.mark.parametrize("stall", STALLS)
def test_load_places_tiles_with_padding(stall):
    rng = random.Random(17)
    dut = LoadWithMemory()
    instructions, expected, pad_word = [], {}, 0
    buf = 0
    for _ in range(12):
        rows, cols = rng.randint(1, 4), rng.randint(1, 5)
        i = {
            "addr": rng.randrange(512),
            "n_blocks": rng.randint(1, 3),
            "block_stride": 64,
            "n_runs": rows,
            "run_stride": 7,
            "run_len": cols,
            "buf": buf,
            "rows": rows,
            "cols": cols,
            "top": rng.randint(0, 2),
            "bottom": rng.randint(0, 2),
            "left": rng.randint(0, 2),
            "right": rng.randint(0, 2),
            "pad_value": rng.randint(-128, 127),
        }
        instructions.append(i)
        words = iter(pattern_words(i))
        pad_word = (i["pad_value"] & 0xFF) * 0x01010101
        for _ in range(i["n_blocks"]):
            for y in range(i["top"] + rows + i["bottom"]):
                for x in range(i["left"] + cols + i["right"]):
                    inside = i["top"] <= y < i["top"] + rows and i["left"] <= x < i["left"] + cols
                    expected[buf] = stored_word(next(words)) if inside else pad_word
                    buf += 1
    got = {}
    done_after = []

    async def monitor(ctx):
        while len(done_after) < len(instructions):
            write = dut.load.write
            _, _, valid, item, done = await ctx.tick().sample(
                write.valid, write.payload, dut.load.done
            )
            if valid:
                assert item.addr not in got
                got[item.addr] = item.word
            if done:
                done_after.append(len(got))

    simulate(
        dut,
        drive(dut.i, instructions, 3, stall),
        monitor,
        background=read_memory(dut.bus, rng, stall),
    )
    assert got == expected
    ends = [i["buf"] for i in instructions[1:]] + [buf]
    assert done_after == ends, "done must come with the last word of its instruction"


@pytest.mark.parametrize("stall", STALLS)
def test_store_writes_the_pattern(stall):
    rng = random.Random(19)
    dut = StoreEngine(CONFIG)
    patterns, base = [], 64
    for _ in range(8):
        length = rng.randint(1, 20)
        patterns.append(
            {
                "addr": base,
                "n_blocks": 2,
                "block_stride": 90,
                "n_runs": 2,
                "run_stride": 30,
                "run_len": length,
            }
        )
        base += 200
    addresses = [a for p in patterns for a in pattern_words(p)]
    words = [rng.randrange(1 << 32) for _ in addresses]
    written, completed = {}, []

    async def settings(ctx):
        ctx.set(dut.mem_base, MEM_BASE)
        ctx.set(dut.mem_words, MEM_WORDS)
        ctx.set(dut.write_words, 64)
        while len(completed) < len(patterns):
            _, _, done = await ctx.tick().sample(dut.done)
            if done:
                completed.append(len(written))

    simulate(
        dut,
        settings,
        drive(dut.i, patterns, 1, stall),
        drive(dut.words, words, 2, stall),
        background=write_memory(dut.bus, rng, stall, written),
    )
    assert written == dict(zip(addresses, words, strict=True))
    # Every `done` comes after the last word of its instruction is in memory.
    total = 0
    for pattern, seen in zip(patterns, completed, strict=True):
        total += len(pattern_words(pattern))
        assert seen >= total


def test_store_below_the_write_window_stops():
    dut = StoreEngine(CONFIG)
    pattern = {"addr": 60, "n_blocks": 1, "n_runs": 1, "run_len": 4}

    async def testbench(ctx):
        ctx.set(dut.mem_words, MEM_WORDS)
        ctx.set(dut.write_words, 64)
        await ctx.tick().until(dut.fault.valid)
        assert ctx.get(dut.fault.payload.cause) == ErrorCause.OUTSIDE_WINDOW
        assert ctx.get(dut.fault.payload.addr) == 240
        ctx.set(dut.halt, 1)
        for _ in range(50):
            await ctx.tick()
            assert not ctx.get(dut.bus.awvalid)

    simulate(dut, testbench, drive(dut.i, [pattern]), drive(dut.words, [1, 2, 3, 4]))


@pytest.mark.parametrize("bad", [0, 2, 3])
def test_a_bad_read_response_names_its_burst(bad):
    """Several bursts are on their way when one of them fails: its address, not another's."""
    dut = ReadArbiter(CONFIG, [Engine.LOAD, Engine.WEIGHTS])
    starts = [16, 40, 64, 80]

    async def memory(ctx):
        ctx.set(dut.mem_base, MEM_BASE)
        ctx.set(dut.mem_words, MEM_WORDS)
        ctx.set(dut.bus.arready, 1)
        taken = 0
        while taken < len(starts):
            _, _, valid, ready = await ctx.tick().sample(dut.bus.arvalid, dut.bus.arready)
            taken += valid and ready
        await ctx.tick().repeat(5)
        for number in range(bad + 1):
            ctx.set(dut.bus.rvalid, 1)
            ctx.set(dut.bus.rresp, 2 * (number == bad))
            for beat in range(4):
                ctx.set(dut.bus.rlast, beat == 3)
                await ctx.tick().until(dut.bus.rready)
                if number == bad:
                    ctx.set(dut.bus.rvalid, 0)
                    (error,) = await ctx.tick().sample(dut.fault.payload).until(dut.fault.valid)
                    assert error.cause == ErrorCause.READ_RESPONSE
                    assert error.engine == Engine.WEIGHTS
                    assert error.addr == starts[bad] * CONFIG.rows
                    return

    bursts = [{"addr": a, "beats": 4, "last": 1} for a in starts]
    simulate(dut, memory, background=[drive(dut.request[1], bursts)])


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_a_bad_write_response_names_its_burst(bad):
    """The next bursts are under way when the response comes."""
    dut = StoreEngine(CONFIG)
    starts = [64, 128, 256]
    patterns = [{"addr": a, "n_blocks": 1, "n_runs": 1, "run_len": 4} for a in starts]

    async def memory(ctx):
        ctx.set(dut.mem_words, MEM_WORDS)
        ctx.set(dut.bus.awready, 1)
        ctx.set(dut.bus.wready, 1)
        written = 0
        while written < 4 * len(starts):
            _, _, valid = await ctx.tick().sample(dut.bus.wvalid)
            written += valid
        await ctx.tick().repeat(3)
        for number in range(bad + 1):
            ctx.set(dut.bus.bvalid, 1)
            ctx.set(dut.bus.bresp, 2 * (number == bad))
            await ctx.tick().until(dut.bus.bready)
            ctx.set(dut.bus.bvalid, 0)
        (error,) = await ctx.tick().sample(dut.fault.payload).until(dut.fault.valid)
        assert error.cause == ErrorCause.WRITE_RESPONSE
        assert error.engine == Engine.STORE
        assert error.addr == starts[bad] * CONFIG.rows

    words = drive(dut.words, range(4 * len(starts)))
    simulate(dut, memory, background=[drive(dut.i, patterns), words])
