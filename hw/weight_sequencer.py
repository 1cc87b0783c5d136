"""Weight sequencer: from the weight FIFO to the array's columns and the drain's tables."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from ..spec import winograd
from ..spec.config import WEIGHT_SLOTS, Config
from ..spec.isa import TABLE_BYTES, Engine
from . import weight_transform
from .checks import check, check_apart
from .common import delay
from .layouts import INSTRUCTIONS, TABLE_WRITE, param_write
from .memory import Relay
from .weight_transform import WeightTransform

# From a k-tile's last word to the cycle from which `last_k` tells of the next one's, and from the
# beginning of one k-tile in the array to that of the next. A k-tile has `columns` >= 4 words.
LAST_TILE_CYCLES = 3
APART_CYCLES = 4
_FIELDS = INSTRUCTIONS[Engine.COMPUTE].members


def reuse_latency(config: Config) -> int:
    """Cycles that ``end`` may come ahead of the last vector that uses a slot, so that no word is in
    the slot before the cycle behind it: the slot is known, counted, seen to be enough and opened,
    and the first word on its way to the bus."""
    return 3 + (weight_transform.LATENCY if config.winograd else 1)


class WeightSequencer(wiring.Component):
    """Moves an instruction's words from the weight FIFO: weights, k-tile by k-tile, to the array's
    columns and, behind the first k-tile, parameter records and a table, a byte a cycle, to the
    drain.

    A k-tile is ``columns`` words, one a cycle; with Winograd three for each column, which become
    six. It begins once there are slots for it, which take turns; the array has one k-tile after the
    other, `APART_CYCLES` apart or more. An only k-tile waits for its parameters, so that the drain
    never does.

    Members
    -------
    start, params, table, bank, k_tiles, winograd : In   an instruction, taken when ``ready``
    ready : Out                         all words of the instruction before are on their way
    words : In(stream of words)
    begin : In                          the array begins a k-tile
    loaded : Out                        the next k-tile may begin
    end, end_winograd : In              the array has used a k-tile's slot (six): `reuse_latency`
    weight, weight_valid, weight_column, weight_slot : Out   the array's weight bus
    param, param_valid : Out(param_write)
    table_write, table_valid : Out(TABLE_WRITE)   a table's entries in order
    """

    def __init__(self, config: Config):
        self._config = config
        slot = range(WEIGHT_SLOTS)
        super().__init__(
            {
                "start": In(1),
                "params": In(1),
                "table": In(1),
                "bank": In(1),
                "k_tiles": In(_FIELDS["k_tiles"]),
                "winograd": In(1),
                "ready": Out(1, init=1),
                "words": In(stream.Signature(8 * config.rows)),
                "begin": In(1),
                "loaded": Out(1),
                "end": In(1),
                "end_winograd": In(1),
                "weight": Out(config.operands.weight * config.rows),
                "weight_valid": Out(1),
                "weight_column": Out(range(config.columns)),
                "weight_slot": Out(slot),
                "param": Out(param_write(config)),
                "param_valid": Out(1),
                "table_write": Out(TABLE_WRITE),
                "table_valid": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        # The flags say what the counters beside them are.
        column = Signal(range(config.columns))
        last_column = Signal()
        k_tiles = Signal.like(self.k_tiles)  # left
        last_k = Signal()
        m.d.sync += last_k.eq(k_tiles == 1)
        loading = Signal()  # there are k-tiles left
        bank, tiled, only = Signal(), Signal(), Signal()
        params_due, table_due = Signal(), Signal()  # behind the k-tile that comes next
        in_params, in_table = Signal(), Signal()
        # The FIFO lies elsewhere.
        m.submodules.relay = relay = Relay(8 * config.rows)
        connect(m, flipped(self.words), relay.i)
        words = relay.o
        word = words.payload

        def next_column():
            return [
                column.eq(Mux(last_column, 0, column + 1)),
                last_column.eq(column == config.columns - 2),
            ]

        # Parameters: `param_words` words make a record, one or four (``phase``) a column's.
        half = Signal()
        if config.param_words == 2:
            low = Signal.like(word)
            record_bits = Cat(low, word)
            record_end = half
        else:
            record_bits = word[:64]
            record_end = 1
        phase = Signal(range(config.phases))
        last_phase = ~tiled | phase.all()
        take_param, params_end = Signal(), Signal()
        # Expressions, not an If: Icarus never evaluates a block whose inputs do not change.
        m.d.comb += [
            take_param.eq(in_params & words.valid),
            params_end.eq(take_param & record_end & last_phase & last_column),
        ]
        # What is not valid may be anything: no enable reaches so many bits.
        m.d.sync += [
            self.param_valid.eq(take_param & record_end),
            self.param.bank.eq(bank),
            self.param.column.eq(column),
            self.param.phase.eq(phase),
            self.param.record.as_value().eq(record_bits),
        ]
        with m.If(take_param):
            if config.param_words == 2:
                m.d.sync += [low.eq(word), half.eq(~half)]
            with m.If(record_end):
                if config.winograd:
                    m.d.sync += phase.eq(Mux(tiled, phase + 1, 0))
                with m.If(last_phase):
                    m.d.sync += next_column()
        with m.If(params_end):
            m.d.sync += [in_params.eq(0), in_table.eq(table_due), table_due.eq(0)]

        # The table behind them: each word's bytes one after the other.
        entry = Signal(8)
        lowest = exact_log2(config.rows)
        last_entry, last_byte = Signal(), Signal()  # of the table, of the word
        take_entry, table_end = Signal(), Signal()
        m.d.comb += [
            take_entry.eq(in_table & words.valid),
            table_end.eq(take_entry & last_entry),
        ]
        m.d.sync += [
            self.table_valid.eq(take_entry),
            self.table_write.bank.eq(bank),
            self.table_write.value.eq(word.word_select(entry[:lowest], 8)),
        ]
        with m.If(take_entry):
            m.d.sync += [
                entry.eq(entry + 1),
                last_entry.eq(entry == TABLE_BYTES - 2),
                last_byte.eq(entry[:lowest] == config.rows - 2),
            ]
        with m.If(table_end):
            m.d.sync += in_table.eq(0)

        # Slots. What ``end`` gives back, and what a k-tile takes, is counted a cycle later, and all
        # know it three cycles later; a k-tile that takes some and the next that asks are further
        # apart.
        free = Signal(range(WEIGHT_SLOTS + 1), init=WEIGHT_SLOTS)
        slot = Signal(range(WEIGHT_SLOTS))  # of the next k-tile, or of the one that is open
        has_room = Signal()
        reserve = Signal()
        size = Mux(tiled, winograd.POSITIONS, 1)
        given = Mux(self.end_winograd, winograd.POSITIONS, 1)
        gives_back, takes = Signal.like(free), Signal.like(free)
        m.d.sync += [
            gives_back.eq(Mux(self.end, given, 0)),
            takes.eq(Mux(reserve, size, 0)),
            free.eq(free + gives_back - takes),
            has_room.eq(free >= size),
        ]

        # Weights: word c of a k-tile, or three, for column c. ``open``: the k-tile has its slots.
        opened = Signal()
        accept = Signal(init=1)  # a column's third word has been taken long enough ago
        third = Signal()
        take_weight, column_end, tile_end = Signal(), Signal(), Signal()
        behind = in_params | in_table
        if config.winograd:
            # Three words, and a pause until six have gone.
            beat = Signal(range(winograd.POSITIONS))
            with m.If((take_weight & tiled) | ~accept):
                m.d.sync += [
                    beat.eq(Mux(beat == winograd.POSITIONS - 1, 0, beat + 1)),
                    third.eq(beat == winograd.TAPS - 2),
                    accept.eq((beat < winograd.TAPS - 1) | (beat == winograd.POSITIONS - 1)),
                ]
            m.submodules.transform = transform = WeightTransform(config)
            m.d.comb += [
                transform.word.eq(word),
                transform.take.eq(take_weight),
                transform.winograd.eq(tiled),
                transform.last.eq(third),
                transform.column.eq(column),
                transform.slot.eq(slot),
                Cat(self.weight_valid, self.weight_column, self.weight_slot, self.weight).eq(
                    Cat(
                        transform.weight_valid,
                        transform.weight_column,
                        transform.weight_slot,
                        transform.weight,
                    )
                ),
            ]
        else:
            m.d.sync += [
                self.weight.eq(word),
                self.weight_valid.eq(take_weight),
                self.weight_column.eq(column),
                self.weight_slot.eq(slot),
            ]
        last_word = ~tiled | third
        m.d.comb += [
            take_weight.eq(opened & accept & words.valid),
            column_end.eq(take_weight & last_word),
            tile_end.eq(column_end & last_column),
            words.ready.eq(Mux(in_table, last_byte, in_params | (opened & accept))),
        ]
        with m.If(column_end):
            m.d.sync += next_column()
        go_on = has_room & ~last_k & ~params_due
        m.d.comb += reserve.eq(Mux(opened, tile_end & go_on, loading & has_room & ~behind))
        with m.If(reserve):
            m.d.sync += opened.eq(1)
        with m.Elif(tile_end):
            m.d.sync += opened.eq(0)
        with m.If(tile_end):
            m.d.sync += [
                slot.eq(slot + size),
                loading.eq(~last_k),
                in_params.eq(params_due),
                params_due.eq(0),
            ]
        # The counter follows two cycles later, its flag one more.
        with m.If(delay(m, tile_end, 1, "tile_taken")):
            m.d.sync += k_tiles.eq(k_tiles - 1)
        check_apart(
            m,
            platform,
            tile_end,
            tile_end,
            LAST_TILE_CYCLES,
            "a k-tile ends before its last_k",
        )

        # K-tiles that are in the columns, or are so before a vector gets there.
        count = Signal(range(WEIGHT_SLOTS + 1))
        complete = Signal(3)  # with an only k-tile's parameters, where it has some
        counted = complete.any()
        lately = Signal(APART_CYCLES - 2)  # a k-tile has begun
        begun = Cat(self.begin, lately)
        m.d.sync += [
            complete.eq(
                Cat(
                    tile_end & ~(only & params_due),
                    params_end & only & ~table_due,
                    table_end & only,
                )
            ),
            lately.eq(begun),
            self.loaded.eq(((count != 0) | counted) & ~begun.any()),
        ]
        with m.If(counted != self.begin):
            m.d.sync += count.eq(Mux(counted, count + 1, count - 1))
        check(m, platform, ~self.begin | self.loaded, "a k-tile begins before it is loaded")

        # The next instruction's first word finds the transform empty.
        passing = delay(m, take_weight & third, 1, "passing")
        passing = passing | delay(m, passing, 1, "passed")
        taken = self.start & self.ready
        m.d.sync += self.ready.eq(~behind & ~loading & ~passing & ~taken)
        with m.If(taken):
            m.d.sync += [
                has_room.eq(0),
                params_due.eq(self.params),
                table_due.eq(self.table),
                bank.eq(self.bank),
                loading.eq(1),
                k_tiles.eq(self.k_tiles),
                only.eq(self.k_tiles == 1),
                tiled.eq(self.winograd),
            ]
        return m
