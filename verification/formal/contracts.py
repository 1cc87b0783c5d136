"""What units may expect of their neighbours, as assumptions on their inputs; and what is always
true inside of them, as assertions, where an induction needs that."""

from amaranth.hdl import Assert, Assume, Cat, Module, Mux, Signal, Value
from amaranth.utils import exact_log2

from resarray.spec.config import Config

from .harness import Harness, past


def whole_pattern(m: Module, pattern) -> None:
    """Counts and lengths of a memory pattern are at least 1."""
    for name in ("n_blocks", "n_runs", "run_len"):
        m.d.comb += Assume(pattern[name] != 0)


def reader(m: Module, harness: Harness) -> None:
    """A reader, or a unit with one, gets the words that it has asked for, no others. Its FIFO's
    words are free, asked for, just come, inside or just gone."""
    burst, data = harness.unit.request, harness.unit.data
    asked = Signal(12)  # words that are still to come
    new = Mux(burst.valid & burst.ready, burst.payload.beats, 0)
    m.d.sync += asked.eq(asked + new - data.valid)
    m.d.comb += Assume(~data.valid | (asked != 0))
    path = "" if "free" in harness.inner else "reader."
    free, taken, freed, minus, fits, waiting, came = (
        harness.inner[path + name]
        for name in ("free", "taken", "freed", "minus", "fits", "waiting", "valid")
    )
    depth = free.init
    level = fifo(m, harness, path + "fifo.", depth)
    m.d.comb += [
        Assert(free + minus + freed + taken + level + came + asked == depth),
        Assert((minus <= 0) & (~waiting | (minus == 0))),
        Assert(asked <= depth),
        Assert(~fits | (waiting & (free >= burst.payload.beats))),
    ]


def fifo(m: Module, harness: Harness, path: str, depth: int) -> Signal:
    """The words of the FIFO called ``path`` are stored, on their way or read ahead; its level."""
    stored, some = (harness.inner[path + name] for name in ("stored", "some"))
    unit = harness.inner[path + "self"]
    m.d.comb += [
        Assert(unit.level == stored + read_ahead(m, harness, path)),
        Assert(unit.level <= depth),
        Assert(some == (stored != 0)),
    ]
    return unit.level


def read_ahead(m: Module, harness: Harness, path: str) -> Value:
    """The words that the FIFO called ``path`` reads ahead have room; how many there are."""
    read, arrived, waiting, credit, allowed, newest, oldest = (
        harness.inner[path + name]
        for name in ("read", "arrived", "waiting", "credit", "allowed", "newest", "oldest")
    )
    on_way = past(m, read, f"{path}read")
    ahead = on_way + arrived + waiting
    m.d.comb += [
        Assert(arrived == past(m, on_way, f"{path}arrived")),
        Assert(harness.inner[path + "self"].o.valid == (waiting != 0)),
        Assert(credit + ahead == credit.init),
        Assert(Mux(allowed, credit != 0, credit <= 2)),
        Assert((newest - oldest)[: len(newest)] == waiting[: len(newest)]),
    ]
    return ahead


def done_stays(m: Module, harness: Harness) -> None:
    """What engines have done, they have done: a queue's counts never fall."""
    for i, done in enumerate(harness.unit.done):
        m.d.comb += Assume(done >= past(m, done, f"done{i}"))


def splitter(m: Module, harness: Harness, path: str, config: Config) -> None:
    """A splitter's burst, and what it has found out for it, are those of where it is."""
    inner = {
        name.removeprefix(path): value
        for name, value in harness.inner.items()
        if name.startswith(path)
    }
    busy = inner["self"].busy
    loading, measured, sized, addr, words, runs, blocks, burst, p = (
        inner[n]
        for n in ("loading", "measured", "sized", "addr", "words", "runs", "blocks", "burst", "p")
    )
    fresh = loading & inner["fresh"]
    taken = busy & loading & ~fresh  # a burst that was not the last; its successor is loaded
    low = exact_log2(config.burst_words)
    room = config.burst_words - addr[:low]
    fits, last_run, last_block = words <= room, runs == 1, blocks == 1
    known = [
        (
            measured,
            [
                inner["part"] == room,
                inner["some"] == words[: low + 1].any(),
                inner["run_end"] == words[: low + 1] + addr[:low],
                inner["long"] == words[low + 1 :].any(),
            ],
        ),
        (
            sized | taken,
            [
                burst.addr == addr,
                burst.beats == Mux(fits, words, room),
                burst.kept == p.kept,
                burst.place == (addr + p.mirror)[: len(burst.place)],
                burst.last == (fits & last_run & last_block),
                inner["end_of_run"] == fits,
                inner["end_of_block"] == (fits & last_run),
            ],
        ),
        (
            measured | sized | taken,
            [
                inner["next_words"] == (words - room)[: len(words)],
                inner["last_run"] == last_run,
                inner["last_block"] == last_block,
                inner["next_addr"] == ((addr[low:] + 1) << low)[: len(addr)],
                inner["next_run"] == (inner["run_addr"] + p.run_stride)[: len(addr)],
                inner["next_block"] == (inner["block_addr"] + p.block_stride)[: len(addr)],
                busy,
            ],
        ),
        (busy, [p.run_len != 0, p.n_runs != 0]),
        (busy & ~fresh, [words != 0, runs != 0, blocks != 0]),
        (fresh, [busy, p.n_blocks != 0]),
        (taken, [~burst.last]),
        (loading, [inner[f"fresh_{n}"] == inner["fresh"] for n in ("words", "run", "block")]),
    ]
    m.d.comb += Assert(loading + measured + sized <= 1)
    for when, holds in known:
        m.d.comb += Assert(~when | Cat(*holds).all())
