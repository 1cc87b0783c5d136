"""DRAIN engine: accumulators through requantisation and residual addition to the pool stage."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from ..spec import winograd
from ..spec.config import Config
from ..spec.isa import TABLE_BYTES, Engine
from ..spec.numerics import ACC_BITS
from . import accumulator, output_transform, requantise
from .common import copies, delay
from .layouts import INSTRUCTIONS, PARAMS, TABLE_WRITE, param_write
from .memory import READ_LATENCY, Fifo, Ram
from .output_transform import OutputTransform
from .pool import PoolUnit

FIFO_WORDS = 32
TABLE_LATENCY = 2  # of the parameter tables: where, what
DONE = 1 + READ_LATENCY  # from a bank's last read to when the instruction is done
HALF_RECORD = 32  # bits of a record that one address register reads


class ParameterTables(wiring.Component):
    """Bias, factor and shift of every column for both banks, for each output of a Winograd tile,
    read ``lanes`` columns at a time.

    Members
    -------
    write, write_valid : In(param_write)   there from the third cycle on
    bank, group, phase : In
    records : Out(lanes * PARAMS)   TABLE_LATENCY cycles after bank, group and phase
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "write": In(param_write(config)),
                "write_valid": In(1),
                "bank": In(1),
                "group": In(range(config.column_groups)),
                "phase": In(range(config.phases)),
                "records": Out(data.ArrayLayout(PARAMS, config.lanes)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        lane_bits = exact_log2(config.lanes)
        groups = 1 << (len(self.group) if config.column_groups > 1 else 0)
        record = delay(m, self.write.record.as_value(), 1, "record", reset_less=True)
        place = Cat(self.group, self.bank, self.phase)
        column = self.write.column
        to = Cat(column[lane_bits:], self.write.bank, self.write.phase)
        for lane in range(config.lanes):
            mine = self.write_valid & (column[:lane_bits] == lane)
            enable = delay(m, mine, 1, f"write{lane}")
            where = delay(m, to, 1, f"to{lane}", reset_less=True)
            # Cycle 1: copies of where. Cycle 2: a register of what.
            places = copies(m, platform, place, 2, f"place{lane}")
            parts = []
            for half, bits in enumerate((record[:HALF_RECORD], record[HALF_RECORD:])):
                memory = Memory(
                    shape=len(bits),
                    depth=2 * groups * config.phases,
                    init=[],
                    attrs={"ram_style": "distributed"},
                )
                m.submodules[f"lane{lane}_{half}"] = memory
                write, read = memory.write_port(), memory.read_port()
                m.d.comb += [
                    write.en.eq(enable),
                    write.addr.eq(where),
                    write.data.eq(bits),
                    read.addr.eq(places[half]),
                ]
                parts.append(read.data)
            m.d.comb += self.records[lane].as_value().eq(Cat(*parts))
        return m


class DrainEngine(wiring.Component):
    """``lanes`` channels a cycle. Never stalls half-way: a word is begun only when the FIFO behind
    the pipeline has room for it and its residual is there.

    Members
    -------
    i : In(stream of DRAIN instructions)
    read : Out(drain_read), lanes : In(accumulators)   to the accumulators
    param, param_valid : In(param_write)
    table_write, table_valid : In(TABLE_WRITE)
    residual : In(stream of words)
    o : Out(stream of words)
    done : Out   pulse: the bank has been read, and its table; `DONE` says when, but for a table
                 and for Winograd's tiles
    busy : Out
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(INSTRUCTIONS[Engine.DRAIN])),
                "read": Out(accumulator.drain_read(config)),
                "lanes": In(data.ArrayLayout(signed(ACC_BITS), config.lanes)),
                "param": In(param_write(config)),
                "param_valid": In(1),
                "table_write": In(TABLE_WRITE),
                "table_valid": In(1),
                "residual": In(stream.Signature(8 * config.rows)),
                "o": Out(stream.Signature(8 * config.rows)),
                "done": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        bits = 8 * config.rows
        last_part = config.block_groups - 1
        c = Signal(INSTRUCTIONS[Engine.DRAIN], reset_less=True)
        m.submodules.tables = tables = ParameterTables(config)
        m.submodules.fifo = fifo = Fifo(bits, FIFO_WORDS)
        m.submodules.pool = pool = PoolUnit(config)
        m.d.comb += [tables.write.eq(self.param), tables.write_valid.eq(self.param_valid)]

        # Issue: a word of `rows` channels in `block_groups` parts of `lanes` channels. The flags
        # say what the counters are.
        reading = Signal()
        part = Signal(range(max(2, config.block_groups)))
        first_part, final_part = Signal(), Signal()
        group = Signal(range(max(2, config.column_groups)))
        first_group = Signal.like(group)
        next_group = Signal.like(group)
        pixel, pixels, blocks = (
            Signal.like(like, name=name)
            for name, like in (("pixel", c.px_base), ("pixels", c.px_count), ("blocks", c.n_blocks))
        )
        last_pixel, last_block, one_pixel = Signal(), Signal(), Signal()
        room = Signal(range(FIFO_WORDS + 1), init=FIFO_WORDS)
        has_room = Signal()
        # A word that gives one: all but a tile's last two positions, and what is beyond the row.
        gives = Signal(init=1)
        begin = Signal()
        issue = Signal()
        left = Signal()  # a word has left the FIFO
        may = Signal()  # a word may begin
        word_end = Signal()  # the word's last part is issued
        m.d.comb += [
            begin.eq(reading & first_part & may),
            issue.eq(reading & (~first_part | may)),
            # Only a word's first part waits.
            word_end.eq(reading & final_part if last_part else issue),
            # A vector's word stays for all pixels of the block. What gives none takes none: its
            # tile's outputs have.
            self.residual.ready.eq(begin & c.res_en & Mux(c.res_vector, last_pixel, gives)),
            self.read.valid.eq(issue),
            self.read.bank.eq(c.bank),
            self.read.group.eq(group),
            self.read.pixel.eq(pixel),
        ]
        m.d.sync += [
            left.eq(fifo.o.valid & fifo.o.ready),
            room.eq(room - (begin & gives) + left),
            # One word is enough when none is begun now.
            has_room.eq((room > 1) | ((room == 1) & ~begin)),
        ]
        starting = Signal()
        gives_next = Signal()

        def may_begin(gives):
            return ~gives | (has_room & (~c.res_en | self.residual.valid))

        # Decided beside the word before, where that has another part.
        if last_part:
            m.d.sync += may.eq(may_begin(gives_next | starting))
        else:
            m.d.comb += may.eq(may_begin(gives))
        residual = Signal(bits, reset_less=True)
        # Not of `first_part`, which decides too much already.
        later_part = Signal()
        with m.If(~later_part):
            m.d.sync += residual.eq(self.residual.payload)
        end = Signal()
        with m.If(issue):
            m.d.sync += [
                part.eq(part + 1),
                group.eq(group + 1),
                first_part.eq(0),
                later_part.eq(1),
                final_part.eq(part + 1 == last_part),
            ]
        with m.If(word_end):
            m.d.sync += [
                part.eq(0),
                first_part.eq(1),
                later_part.eq(0),
                final_part.eq(last_part == 0),
                group.eq(first_group),
                pixel.eq(pixel + 1),
                pixels.eq(pixels - 1),
                last_pixel.eq(pixels == 2),
            ]
            with m.If(last_pixel):
                m.d.sync += [
                    first_group.eq(next_group),
                    group.eq(next_group),
                    pixel.eq(c.px_base),
                    pixels.eq(c.px_count),
                    last_pixel.eq(one_pixel),
                    blocks.eq(blocks - 1),
                    last_block.eq(blocks == 2),
                ]
                m.d.sync += next_group.eq(next_group + config.block_groups)
        # Expressions, not an If: Icarus never evaluates a block whose inputs do not change.
        m.d.comb += end.eq(word_end & last_pixel & last_block)
        with m.If(end):
            m.d.sync += reading.eq(0)

        # Position in a Winograd tile, and which outputs so far are in the row.
        position = Signal(range(winograd.POSITIONS))
        kept = Signal(winograd.TILE)
        row_left = Signal.like(c.width)
        last_position = position == winograd.POSITIONS - 1
        still_gives = gives & (row_left != 1) & (position != winograd.TILE - 1)
        m.d.comb += gives_next.eq(
            Mux(word_end & c.winograd, last_position | still_gives, gives)
            if config.winograd
            else gives
        )
        if config.winograd:
            with m.If(word_end & c.winograd):
                m.d.sync += [
                    position.eq(Mux(last_position, 0, position + 1)),
                    gives.eq(gives_next),
                    kept.eq(Mux(last_position, 0, kept | (gives << position))),
                ]
                with m.If(gives):
                    m.d.sync += row_left.eq(row_left - 1)
                with m.Elif(last_position & (row_left == 0)):
                    m.d.sync += row_left.eq(c.width)

        # The lanes: accumulators after `drain_latency` cycles, parameters fetched to meet them. The
        # residual waits for its part one cycle longer, in a register of its own.
        meta = data.StructLayout(
            {
                "bank": 1,
                "group": range(config.column_groups),
                "residual": 8 * config.lanes,
            }
        )
        place = delay(m, Cat(c.bank, group), 1, "place", reset_less=True)
        issued_part = delay(m, part, 1, "issued_part", reset_less=True)
        head = Signal(meta)
        m.d.comb += [
            Cat(head.bank, head.group).eq(place),
            head.residual.eq(residual.word_select(issued_part, 8 * config.lanes)),
        ]
        latency = accumulator.drain_latency(config)
        before = delay(m, head, latency - 1 - TABLE_LATENCY, "before", reset_less=True)
        arrived = delay(m, before, TABLE_LATENCY, "arrived", reset_less=True)
        valid, accumulators, residuals = Signal(), self.lanes, arrived.residual
        if config.winograd:
            m.submodules.transform = transform = OutputTransform(config)
            tags = Cat(issue, position, kept)
            m.d.comb += [
                transform.winograd.eq(c.winograd),
                transform.i.group.eq(arrived.group),
                transform.i.residual.eq(arrived.residual),
                transform.i.acc.eq(self.lanes),
                Cat(transform.valid, transform.position, transform.kept).eq(
                    delay(m, tags, latency, "tags")
                ),
                tables.bank.eq(c.bank),
                tables.group.eq(transform.group),
                tables.phase.eq(transform.phase),
            ]
            # The transform knows a cycle ahead what comes.
            wait = TABLE_LATENCY - 1
            o = delay(m, transform.o, wait, "transformed", reset_less=True)
            m.d.comb += valid.eq(delay(m, transform.o_valid, wait, "transformed_valid"))
            accumulators, residuals = o.acc, o.residual
            latency += output_transform.LATENCY + wait
        else:
            m.d.comb += [
                valid.eq(delay(m, issue, latency, "issued")),
                tables.bank.eq(before.bank),
                tables.group.eq(before.group),
            ]
        outputs = []
        # Each lane has its own copies of what an instruction says.
        fields = ("res_en", "multiply", "res_zp", "res_mult", "res_shift", "zp_out", "lo", "hi")
        said = Cat(c[name] for name in ("winograd", "table", "bank", *fields))
        said = copies(m, platform, said, config.lanes, "said")
        # The tables lie elsewhere than what writes them.
        write = delay(m, self.table_write, 1, "table_write", reset_less=True)
        write_valid = delay(m, self.table_valid, 1, "table_valid")
        entry = Signal(range(TABLE_BYTES))  # a table is written whole, so this begins at 0 again
        m.d.sync += entry.eq(entry + write_valid)
        for i in range(config.lanes):
            m.submodules[f"lane{i}"] = lane = requantise.RequantiseLane(config.winograd)
            table_on, bank = Signal(name=f"table_on{i}"), Signal(name=f"bank{i}")
            m.d.comb += [
                lane.acc.eq(accumulators[i]),
                lane.params.eq(tables.records[i]),
                lane.residual.eq(residuals.word_select(i, 8)),
                Cat(lane.winograd, table_on, bank, *(getattr(lane, name) for name in fields)).eq(
                    said[i]
                ),
            ]
            m.submodules[f"table{i}"] = table = Ram(8, 2 * TABLE_BYTES)
            m.d.comb += [
                table.write_en.eq(write_valid),
                table.write_addr.eq(Cat(entry, write.bank)),
                table.write_data.eq(write.value),
                # Entry q + 128.
                table.read_addr.eq(Cat(lane.out[:7], ~lane.out[7], bank)),
            ]
            outputs.append(Mux(table_on, table.read_data, lane.out.as_unsigned()))
        # Of products and with a table, outputs come later.
        finished = Signal()
        lane_latency = requantise.latency(config.winograd)
        requantised = delay(m, valid, lane_latency, "requantised")
        multiplied = delay(m, requantised, requantise.MULTIPLY_LATENCY, "multiplied")
        out = Mux(c.multiply, multiplied, requantised)
        m.d.comb += finished.eq(Mux(c.table, delay(m, out, READ_LATENCY, "looked_up"), out))
        # Where the instruction's last accumulators are; of a tile, its outputs leave one by one.
        looked_up = latency + lane_latency + READ_LATENCY
        last = Signal(looked_up + requantise.MULTIPLY_LATENCY)
        ended = delay(m, end & ~c.winograd, 1, "ended")  # then it is in last[1]
        leaving = Signal(0)
        if config.winograd:
            more = output_transform.tile_latency(config) - output_transform.LATENCY
            leaving = Signal(more)
            after = leaving << 1
            for j in range(winograd.TILE):
                # Output j is the last one that is wanted: the pool waits for no other.
                is_last = kept[j] & ~kept[j + 1] if j + 1 < winograd.TILE else kept[j]
                tile_ended = delay(m, end & c.winograd & is_last, 1, f"tile_ended{j}")
                after |= tile_ended << ((winograd.TILE - 1 - j) * config.block_groups + 1)
            m.d.sync += leaving.eq(after)
        tiles_ended = leaving[-1] if config.winograd else 0
        m.d.sync += last.eq(Cat(tiles_ended, last[0] | ended, last[1:]))
        emptied = Mux(c.multiply, last[-1], last[looked_up - 1])
        # Done is what was read in the first columns: what comes next hops as slowly as the request
        # or more so. The bank's next parameters come behind a k-tile, after the last have been
        # read; its next table might not.
        m.d.comb += self.done.eq(Mux(c.table, emptied, last[DONE - 1]))

        # Parts to words, lowest channels first.
        lanes_out = Cat(*outputs)
        whole = Signal(bits, reset_less=True)
        m.d.comb += [fifo.i.payload.eq(whole), pool.c.eq(c)]
        m.d.sync += fifo.i.valid.eq(finished)
        with m.If(finished):
            m.d.sync += whole.eq(Cat(whole, lanes_out)[len(lanes_out) :])
        if last_part:
            filled = Signal(range(config.block_groups))
            with m.If(finished):
                m.d.sync += filled.eq(Mux(filled == last_part, 0, filled + 1))
            m.d.sync += fifo.i.valid.eq(finished & (filled == last_part))
        connect(m, fifo.o, pool.i)
        connect(m, pool.o, flipped(self.o))

        # The next instruction starts when the pool stage has seen the last word of this one. It is
        # taken over in two steps, so that the counters do not hang on the queue.
        m.d.comb += self.i.ready.eq(~self.busy)
        m.d.sync += starting.eq(self.i.valid & self.i.ready)
        m.d.comb += pool.start.eq(starting)
        # Always true where width * height = px_count. An instruction that reads more never ends:
        # it would be done once more while the next one runs. Or it ends in time; then nothing of
        # it is left that could be done once more.
        completed = Signal()
        with m.If(self.done):
            m.d.sync += [completed.eq(1), last.eq(0), leaving.eq(0)]
        with m.If(pool.end & completed):
            m.d.sync += self.busy.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [c.eq(self.i.payload), self.busy.eq(1), completed.eq(0)]
        with m.If(starting):
            m.d.sync += [
                reading.eq(1),
                part.eq(0),
                first_part.eq(1),
                later_part.eq(0),
                final_part.eq(last_part == 0),
                group.eq(0),
                first_group.eq(0),
                next_group.eq(config.block_groups),
                pixel.eq(c.px_base),
                pixels.eq(c.px_count),
                blocks.eq(c.n_blocks),
                last_pixel.eq(c.px_count == 1),
                one_pixel.eq(c.px_count == 1),
                position.eq(0),
                gives.eq(1),
                kept.eq(0),
                row_left.eq(c.width),
                last_block.eq(c.n_blocks == 1),
            ]
        return m
