"""Splits a memory access pattern into AXI bursts."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..spec.config import Config
from .layouts import BURST, PATTERN


class BurstSplitter(wiring.Component):
    """One pattern in, its bursts out, none crossing a multiple of ``burst_words`` (and so none
    crossing 4 KiB).

    A count or length of 0, which no compiled program has, stands for one more than its field holds.
    One burst every 3 cycles at most. The next pattern is taken in the cycle after the last burst.

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
        to_boundary = Signal(range(burst_words + 1))
        part = Signal.like(to_boundary, reset_less=True)
        low_fits, long, last_run, last_block = (
            Signal(name=n) for n in ("low_fits", "long", "last_run", "last_block")
        )
        next_addr, next_run, next_block = (
            Signal.like(addr, name=n, reset_less=True)
            for n in ("next_addr", "next_run", "next_block")
        )
        next_words = Signal.like(words, reset_less=True)
        low_words = words[: low_bits + 1]
        m.d.comb += to_boundary.eq(burst_words - addr[:low_bits])
        with m.If(self.busy & ~measured & ~sized):
            m.d.sync += [
                measured.eq(1),
                part.eq(to_boundary),
                next_words.eq(words - to_boundary),
                low_fits.eq(low_words.any() & (low_words <= to_boundary)),
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
        fits = low_fits & ~long
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
        with m.If(taken):
            m.d.sync += [sized.eq(0), addr.eq(next_addr), words.eq(next_words)]
            with m.If(end_of_run):
                m.d.sync += [
                    addr.eq(next_run),
                    run_addr.eq(next_run),
                    words.eq(p.run_len),
                    runs.eq(runs - 1),
                ]
            with m.If(end_of_block):
                m.d.sync += [
                    addr.eq(next_block),
                    run_addr.eq(next_block),
                    block_addr.eq(next_block),
                    runs.eq(p.n_runs),
                    blocks.eq(blocks - 1),
                ]
        m.d.comb += self.i.ready.eq(~self.busy)
        new = self.i.payload
        with m.If(taken & burst.last):
            m.d.sync += self.busy.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                self.busy.eq(1),
                p.eq(new),
                addr.eq(new.addr),
                run_addr.eq(new.addr),
                block_addr.eq(new.addr),
                words.eq(new.run_len),
                runs.eq(new.n_runs),
                blocks.eq(new.n_blocks),
            ]
        return m
