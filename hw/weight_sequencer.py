"""Weight sequencer: from the weight FIFO to the array's shadow registers and the drain's tables."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..spec.config import Config
from ..spec.isa import Engine
from .checks import check, check_apart
from .common import delay
from .layouts import INSTRUCTIONS, TABLE_WRITE, param_write

# From a k-tile's last word to the cycle from which `last_k` tells of the next one's. A k-tile has
# `columns` >= 4 words.
LAST_TILE_CYCLES = 3
_FIELDS = INSTRUCTIONS[Engine.COMPUTE].members


class WeightSequencer(wiring.Component):
    """Moves an instruction's words from the weight FIFO: weights, k-tile by k-tile, to the array's
    shadow registers and, behind the first k-tile, parameter records and a table, a byte a cycle,
    to the drain.

    A k-tile is ``columns`` words, one a cycle, and begins once the one before has been swapped in.
    The parameters come while the first k-tile streams; an only k-tile waits for them, so that the
    drain never does.

    Members
    -------
    start, params, table, bank, k_tiles : In   an instruction, taken when ``ready``
    ready : Out                         all words of the instruction before are on their way
    words : In(stream of words)
    swap : In                           the loaded k-tile becomes active in this cycle
    loaded : Out                        a whole k-tile is in the shadow registers
    weight, weight_valid, weight_column : Out   the array's weight bus
    param, param_valid : Out(param_write)
    table_write, table_valid : Out(TABLE_WRITE)
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "start": In(1),
                "params": In(1),
                "table": In(1),
                "bank": In(1),
                "k_tiles": In(_FIELDS["k_tiles"]),
                "ready": Out(1),
                "words": In(stream.Signature(8 * config.rows)),
                "swap": In(1),
                "loaded": Out(1),
                "weight": Out(8 * config.rows),
                "weight_valid": Out(1),
                "weight_column": Out(range(config.columns)),
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
        loading = Signal()
        bank = Signal()
        params_due, table_due = Signal(), Signal()  # behind the k-tile that comes next
        in_params, in_table = Signal(), Signal()
        loaded = Signal()
        word = self.words.payload

        def next_column():
            return [
                column.eq(Mux(last_column, 0, column + 1)),
                last_column.eq(column == config.columns - 2),
            ]

        # Parameters: `param_words` words make a record.
        half = Signal()
        if config.param_words == 2:
            low = Signal.like(word)
            record_bits = Cat(low, word)
            record_end = half
        else:
            record_bits = word[:64]
            record_end = 1
        take_param = Signal()
        m.d.comb += take_param.eq(in_params & self.words.valid)
        m.d.sync += self.param_valid.eq(take_param & record_end)
        with m.If(take_param):
            if config.param_words == 2:
                m.d.sync += [low.eq(word), half.eq(~half)]
            m.d.sync += [
                self.param.bank.eq(bank),
                self.param.column.eq(column),
                self.param.record.as_value().eq(record_bits),
            ]
            with m.If(record_end):
                m.d.sync += next_column()
                with m.If(last_column):
                    m.d.sync += [in_params.eq(0), in_table.eq(table_due), table_due.eq(0)]

        # The table behind them: each word's bytes one after the other.
        entry = Signal(8)
        lowest = exact_log2(config.rows)
        take_entry = Signal()
        m.d.comb += take_entry.eq(in_table & self.words.valid)
        m.d.sync += [
            self.table_valid.eq(take_entry),
            self.table_write.bank.eq(bank),
            self.table_write.entry.eq(entry),
            self.table_write.value.eq(word.word_select(entry[:lowest], 8)),
        ]
        with m.If(take_entry):
            m.d.sync += entry.eq(entry + 1)
            with m.If(entry.all()):
                m.d.sync += in_table.eq(0)

        # Weights: word c of a k-tile for column c.
        take_weight, tile_end = Signal(), Signal()
        behind = in_params | in_table
        wanted = loading & (~loaded | self.swap)
        m.d.comb += [
            take_weight.eq(~behind & wanted & self.words.valid),
            tile_end.eq(take_weight & last_column),
            self.words.ready.eq(Mux(in_table, entry[:lowest].all(), in_params | wanted)),
            self.loaded.eq(loaded & ~(behind & ~loading)),
            self.weight.eq(word),
            self.weight_valid.eq(take_weight),
            self.weight_column.eq(column),
        ]
        with m.If(self.swap):
            m.d.sync += loaded.eq(0)
        with m.If(take_weight):
            m.d.sync += next_column()
        with m.If(tile_end):
            m.d.sync += [
                loaded.eq(1),
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
        check(m, platform, ~self.swap | self.loaded, "a k-tile is swapped in before it is loaded")

        m.d.comb += self.ready.eq(~behind & ~loading)
        with m.If(self.start & self.ready):
            m.d.sync += [
                params_due.eq(self.params),
                table_due.eq(self.table),
                bank.eq(self.bank),
                loading.eq(1),
                k_tiles.eq(self.k_tiles),
            ]
        return m
