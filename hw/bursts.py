"""Splits a memory access pattern into AXI bursts."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..spec.config import Config
from .common import copies
from .layouts import BURST, PATTERN


class BurstSplitter(wiring.Component):
    """One pattern in, its bursts out, none crossing a multiple of ``burst_words`` (and so none
    crossing 4 KiB).

    A count or length of 0, which no compiled program has, stands for one more than its field holds.
    One burst every 4 cycles at most. The next pattern is taken in the cycle after the last burst.

    Members
    -------
    i : In(stream of PATTERN)
    o : Out(stream of BURST)    of at least one word
    busy : Out                  a pattern is under way
    """

    i: In(stream.Signature(PATTERN))
    o: Out(stream.Signature(BURST))
    busy: Out(1)

    def __init__(self, config: Config):
        self._config = config
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        burst_words = self._config.burst_words
        p = Signal(PATTERN, reset_less=True)
        addr, block_addr, run_addr = (
            Signal.like(p.addr, name=n, reset_less=True) for n in ("addr", "block_addr", "run_addr")
        )
        words = Signal.like(p.run_len, reset_less=True)
        runs = Signal.like(p.n_runs, reset_less=True)
        blocks = Signal.like(p.n_blocks, reset_less=True)

        # Cycle 1 of a burst: what is left behind the boundary, and where each kind of successor
        # begins.
        measured, sized = Signal(), Signal()
        low_bits = exact_log2(burst_words)
        low_addr = addr[:low_bits]
        part = Signal(range(burst_words + 1), reset_less=True)
        # Where the run would end, counted from the boundary before, if it were not ``long``.
        run_end = Signal(range(4 * burst_words), reset_less=True)
        some, long, last_run, last_block = (
            Signal(name=n) for n in ("some", "long", "last_run", "last_block")
        )
        next_addr, next_run, next_block = (
            Signal.like(addr, name=n, reset_less=True)
            for n in ("next_addr", "next_run", "next_block")
        )
        next_words = Signal.like(words, reset_less=True)
        low_words = words[: low_bits + 1]
        loading = Signal()  # where a burst begins
        with m.If(self.busy & ~loading & ~measured & ~sized):
            m.d.sync += [
                measured.eq(1),
                part.eq(burst_words - low_addr),
                # Less what is left up to the boundary, which is burst_words - low_addr.
                next_words.eq(words + Cat(low_addr, Const(-1, len(words) - low_bits))),
                run_end.eq(low_words + low_addr),
                some.eq(low_words.any()),
                long.eq(words[low_bits + 1 :].any()),
                last_run.eq(runs == 1),
                last_block.eq(blocks == 1),
                next_addr.eq((addr[low_bits:] + 1) << low_bits),
                next_run.eq(run_addr + p.run_stride),
                next_block.eq(block_addr + p.block_stride),
            ]

        # Cycle 2: the burst.
        burst = Signal(BURST, reset_less=True)
        end_of_run, end_of_block = Signal(), Signal()
        fits = some & ~long & (run_end <= burst_words)
        with m.If(measured):
            m.d.sync += [
                measured.eq(0),
                sized.eq(1),
                burst.addr.eq(addr),
                burst.beats.eq(Mux(fits, words, part)),
                burst.kept.eq(p.kept),
                burst.place.eq(addr + p.mirror),
                burst.last.eq(fits & last_run & last_block),
                end_of_run.eq(fits),
                end_of_block.eq(fits & last_run),
            ]

        # Cycle 3: it is offered.
        m.d.comb += [self.o.valid.eq(sized), self.o.payload.eq(burst)]
        taken = sized & self.o.ready
        m.d.comb += self.i.ready.eq(~self.busy)
        accepted = self.i.valid & self.i.ready
        with m.If(accepted):
            m.d.sync += [self.busy.eq(1), p.eq(self.i.payload)]
        with m.If(taken):
            m.d.sync += sized.eq(0)
            with m.If(burst.last):
                m.d.sync += self.busy.eq(0)
        m.d.sync += loading.eq(accepted | taken)
        # Of a fresh pattern, as it says; for each counter its own copy.
        fresh, fresh_words, fresh_run, fresh_block = copies(m, platform, accepted, 4, "fresh")

        # Cycle 4, or the first one of a pattern: where the next one begins.
        with m.If(loading):
            following = Mux(end_of_run, next_run, next_addr)
            m.d.sync += [
                addr.eq(Mux(fresh, p.addr, Mux(end_of_block, next_block, following))),
                words.eq(Mux(fresh_words | end_of_run, p.run_len, next_words)),
            ]
        with m.If(loading & (fresh_run | end_of_run)):
            m.d.sync += [
                run_addr.eq(Mux(fresh_run, p.addr, Mux(end_of_block, next_block, next_run))),
                runs.eq(Mux(fresh_words | end_of_block, p.n_runs, runs - 1)),
            ]
        with m.If(loading & (fresh_block | end_of_block)):
            m.d.sync += [
                block_addr.eq(Mux(fresh_block, p.addr, next_block)),
                blocks.eq(Mux(fresh_words, p.n_blocks, blocks - 1)),
            ]
        return m
