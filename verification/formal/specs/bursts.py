"""Burst splitter: the words of a pattern, in order, in bursts that cross no boundary."""

from dataclasses import replace
from functools import partial

from amaranth.hdl import Assert, Module, Mux, Signal
from amaranth.utils import exact_log2

from resarray.hw.bursts import BurstSplitter
from resarray.hw.layouts import PATTERN
from resarray.spec.config import Config

from ..contracts import splitter, whole_pattern
from ..harness import Harness, offered, past
from ..properties import Edit, Induction, Property
from ..units import SMALL


class Words(Harness):
    """A model counts through the pattern as `resarray.spec.isa` has it, a burst at a time: each
    must begin at the model's word, end with its run or at the boundary, and be the last one with
    the pattern's last word. Widths are the real ones. The model moves on when the unit's counters
    do, a cycle after a burst or a pattern is taken.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(BurstSplitter(config), checks=False)

    def specify(self, m: Module, platform) -> None:
        unit = self.unit
        offered(m, unit.i, "i")
        whole_pattern(m, unit.i.payload)
        splitter(m, self, "", self._config)
        new, burst = unit.i.payload, unit.o.payload
        low = exact_log2(self._config.burst_words)
        p, busy = Signal(PATTERN, reset_less=True), Signal()
        block, run, left = Signal(10), Signal(10), Signal.like(p.run_len)
        addr, run_addr, block_addr = (
            Signal.like(p.addr, name=n) for n in ("addr", "run_addr", "block_addr")
        )
        room = self._config.burst_words - addr[:low]
        beats = Mux(left < room, left, room)
        end_of_run, last_run = left <= room, run == p.n_runs - 1
        last = end_of_run & last_run & (block == p.n_blocks - 1)
        taken, accepted = unit.o.valid & unit.o.ready, unit.i.valid & unit.i.ready
        fresh = past(m, accepted, "fresh")
        with m.If(past(m, taken, "taken")):
            m.d.sync += [addr.eq(addr + beats), left.eq(left - beats)]
            with m.If(end_of_run):
                next_run = (run_addr + p.run_stride)[: len(addr)]
                m.d.sync += [run.eq(run + 1), addr.eq(next_run), run_addr.eq(next_run)]
                m.d.sync += left.eq(p.run_len)
                with m.If(last_run):
                    next_block = (block_addr + p.block_stride)[: len(addr)]
                    m.d.sync += [run.eq(0), block.eq(block + 1)]
                    m.d.sync += [x.eq(next_block) for x in (addr, run_addr, block_addr)]
        with m.If(fresh):
            m.d.sync += [left.eq(p.run_len), run.eq(0), block.eq(0)]
            m.d.sync += [x.eq(p.addr) for x in (addr, run_addr, block_addr)]
        with m.If(taken & last):
            m.d.sync += busy.eq(0)
        with m.If(accepted):
            m.d.sync += [p.eq(new), busy.eq(1)]
        place = (addr + p.mirror)[: len(burst.place)]
        right = (
            (burst.addr == addr)
            & (burst.beats == beats)
            & (burst.last == last)
            & (burst.kept == p.kept)
            & (burst.place == place)
        )
        m.d.comb += [
            Assert(~unit.o.valid | (busy & right), "another burst than the pattern's next"),
            Assert(~unit.o.valid | (burst.addr[:low] + burst.beats <= self._config.burst_words)),
            Assert(unit.busy == busy),
        ]
        # What the unit counts down, the model counts up.
        inner = self.inner
        m.d.comb += [
            Assert(~busy | fresh | (inner[name] == value))
            for name, value in (
                ("addr", addr),
                ("run_addr", run_addr),
                ("block_addr", block_addr),
                ("words", left),
                ("runs", (p.n_runs - run)[:10]),
                ("blocks", (p.n_blocks - block)[:10]),
            )
        ]
        m.d.comb += [
            Assert(~busy | (inner["p"] == p)),
            Assert(~inner["loading"] | (inner["fresh"] == fresh)),
            Assert(~fresh | inner["loading"]),
        ]
        m.d.comb += Assert(~busy | fresh | ((run < p.n_runs) & (block < p.n_blocks)))


# Of bursts of two words some widths are 1 by themselves.
LONGER = replace(SMALL, name="longer", burst_words=4, output_words=8)
SHORT = Edit(
    "all boundaries are of two words",
    "hw.bursts",
    "exact_log2(burst_words)",
    "int(burst_words > 1)",
)

PROPERTIES = [
    Property(
        name=f"splitter-words-{config.burst_words}",
        unit="bursts.BurstSplitter",
        says="The bursts are the pattern's words in order, each of them once; none crosses a "
        f"multiple of {config.burst_words} words, the longest; the last one says so.",
        build=partial(Words, config),
        method=Induction(2, twin_depth=30),
        twins=(
            Edit(
                "a block has one run",
                "hw.bursts",
                "Mux(fresh_words | end_of_block, p.n_runs, runs - 1)",
                "Mux(fresh_words | end_of_block, 1, runs - 1)",
            ),
            Edit(
                "a run's end is one late",
                "hw.bursts",
                "run_end <= burst_words",
                "run_end < burst_words",
            ),
            Edit("long runs are cut", "hw.bursts", "some & ~long &", "some &"),
            *([SHORT] if config is LONGER else []),
        ),
        quick=config is SMALL,
    )
    for config in (SMALL, LONGER)
]
