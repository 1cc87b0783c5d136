"""Instruction set: six in-order engines, one 32-byte instruction format each.

Every engine takes its instructions from its own queue in program order. An instruction starts when
the engines named in `WAITS` have *completed* at least as many instructions as its ``wait_a`` and
``wait_b`` fields say (counted from the start of the program); 0 waits for nothing. An engine also
waits for words in the FIFO before it and for room in the one behind it, and the fetch for room in a
queue. Whether a program ends is a matter of all of these, but not of time: docs/architecture.md has
the theorem, `resarray.compiler.liveness` counts it for every program.

LOAD, WEIGHTS, RESIDUAL and STORE move a *pattern* of memory words::

    for block in range(n_blocks):              # WEIGHTS: one run of ``length`` words
        for run in range(n_runs):
            words addr + block*block_stride + run*run_stride + [0, run_len)

All memory addresses and strides are in words, relative to the MEM_BASE register.

The scratchpad mirrors words of memory on chip. A STORE with ``kept`` also writes each of its words
to word (memory word + ``mirror``) mod ``scratch_words`` of it; a LOAD or RESIDUAL with ``kept``
reads that word instead of memory's. Memory always holds everything, so results do not depend on it.
"""

from dataclasses import dataclass
from enum import IntEnum

from . import numerics
from .errors import ResarrayError

INSTRUCTION_BYTES = 32
INSTRUCTION_BITS = 8 * INSTRUCTION_BYTES
WAIT_BITS = 20


class Engine(IntEnum):
    """Engine numbers; an instruction's opcode is its engine's number plus one."""

    LOAD = 0
    WEIGHTS = 1
    RESIDUAL = 2
    COMPUTE = 3
    DRAIN = 4
    STORE = 5

    @property
    def opcode(self) -> int:
        return self + 1


# (engine that wait_a counts, engine that wait_b counts); None: the field must be 0.
WAITS: dict[Engine, tuple[Engine | None, Engine | None]] = {
    # the compute that last read this part of the input buffer; the store that wrote this tensor
    Engine.LOAD: (Engine.COMPUTE, Engine.STORE),
    # the first input tile, which the stream would otherwise slow down
    Engine.WEIGHTS: (Engine.LOAD, None),
    Engine.RESIDUAL: (None, Engine.STORE),
    # the loads that fill its input; the drain that frees its accumulator bank
    Engine.COMPUTE: (Engine.LOAD, Engine.DRAIN),
    Engine.DRAIN: (Engine.COMPUTE, None),
    # the loads and residual reads of a tensor whose memory it overwrites
    Engine.STORE: (Engine.LOAD, Engine.RESIDUAL),
}


class Pool(IntEnum):
    """What DRAIN does with requantised pixels."""

    NONE = 0
    MAX = 1
    AVERAGE = 2


@dataclass(frozen=True)
class Field:
    """One bit field; ``signed`` fields are two's complement."""

    name: str
    width: int
    doc: str
    signed: bool = False

    @property
    def range(self) -> tuple[int, int]:
        if self.signed:
            return -(1 << (self.width - 1)), (1 << (self.width - 1)) - 1
        return 0, (1 << self.width) - 1


ADDR_BITS = 30  # of a word's address
MIRROR_BITS = 16
BUFFER_BITS = 16  # of a word of the input buffer
LINE_BITS = 12  # of a word of the max pool's line buffer
BLOCK_BITS = 6  # channel blocks of a DRAIN
POOL_BITS = 2  # of a max pool's kernel and stride
MAX_POOL = (1 << POOL_BITS) - 1
PADDING_BITS = 4  # of a LOAD's borders
MAX_PADDING = (1 << PADDING_BITS) - 1


def _pattern(what: str) -> list[Field]:
    """A pattern of memory words, and its mirror in the scratchpad."""
    return [
        Field("addr", ADDR_BITS, f"first word {what}"),
        Field("n_blocks", 10, "channel blocks"),
        Field("block_stride", 24, "words from block to block"),
        Field("n_runs", 10, "contiguous runs in a block"),
        Field("run_stride", 16, "words from run to run"),
        Field("run_len", 16, "words in a run"),
        Field("kept", 1, "in the scratchpad"),
        Field("mirror", MIRROR_BITS, "scratchpad word of memory word 0"),
    ]


HEADER = [
    Field("opcode", 4, "engine number plus one"),
    Field("wait_a", WAIT_BITS, "completed instructions of the first awaited engine"),
    Field("wait_b", WAIT_BITS, "completed instructions of the second awaited engine"),
]

LAYOUTS: dict[Engine, list[Field]] = {
    # A block lands in the input buffer as (top + rows + bottom) lines of (left + cols + right)
    # words, blocks one after the other from word ``buf``; the borders are ``pad_value`` bytes.
    # n_runs * run_len = rows * cols; rows >= 1 and cols >= 1.
    Engine.LOAD: HEADER
    + _pattern("to read")
    + [
        Field("buf", BUFFER_BITS, "first word in the input buffer"),
        Field("rows", 10, "lines of data per block"),
        Field("cols", 10, "words of data per line"),
        Field("top", PADDING_BITS, "padding lines above"),
        Field("bottom", PADDING_BITS, "padding lines below"),
        Field("left", PADDING_BITS, "padding words before each line"),
        Field("right", PADDING_BITS, "padding words after each line"),
        Field("pad_value", 8, "padding byte: the input's zero point", signed=True),
    ],
    # Appends ``length`` words to the weight FIFO.
    Engine.WEIGHTS: HEADER
    + [
        Field("addr", ADDR_BITS, "first word to read"),
        Field("length", 24, "words"),
    ],
    # Appends the pattern to the residual FIFO, in the order in which DRAIN takes it.
    Engine.RESIDUAL: HEADER + _pattern("to read"),
    # pixel = 0..., for k0 in n_k0: for k1 in n_k1: for k2 in n_k2:      (one k-tile)
    #     take `columns` weight words from the weight FIFO
    #     if params and this is the first k-tile:
    #         take `columns` parameter records from the weight FIFO into the bank's parameters
    #         if table: take TABLE_BYTES from it into the bank's table
    #     for m0 in n_m0: for m1 in n_m1: for m2 in n_m2:                (one pixel a cycle)
    #         a = the `rows` bytes of the input buffer from byte
    #             base + k0*s_k0 + k1*s_k1 + k2*s_k2 + m0*s_m0 + m1*s_m1 + m2*s_m2
    #         acc[bank][pixel][:] (+)= a . weights; pixel += 1
    # The first k-tile overwrites the accumulators when ``clear`` is set.
    #
    # With ``winograd`` a k-tile is a kernel row of three weights, and m2 counts tiles of four
    # outputs side by side (`resarray.spec.winograd`). It takes 3 * columns weight words, the three
    # of a column one after the other, and with params four records for each column, one for each
    # output of a tile. A tile reads the six words from its first one on, the next tile of the row
    # begins four words behind it (s_m2 is 0), and its six positions are six accumulators. An output
    # depends on its three pixels alone: what lies behind those of a row's last output may be any
    # bytes, also beyond the buffer's end, where addresses begin anew.
    Engine.COMPUTE: HEADER
    + [
        Field("mark", 1, "last instruction of a layer: append a profile record when complete"),
        Field("bank", 1, "accumulator and parameter bank"),
        Field("clear", 1, "first k-tile overwrites the accumulators"),
        Field("params", 1, "channel parameters follow the first k-tile's weights"),
        Field("table", 1, "a table follows the parameters"),
        Field("base", 20, "first byte in the input buffer"),
        Field("k_tiles", 20, "n_k0 * n_k1 * n_k2"),
        Field("n_k0", 10, "outer k loop (channel blocks)"),
        Field("s_k0", 20, "bytes per step"),
        Field("n_k1", 5, "middle k loop (kernel rows)"),
        Field("s_k1", 20, "bytes per step"),
        Field("n_k2", 5, "inner k loop (kernel columns)"),
        Field("s_k2", 20, "bytes per step"),
        Field("n_m0", 5, "outer pixel loop (images)"),
        Field("s_m0", 20, "bytes per step"),
        Field("n_m1", 10, "middle pixel loop (rows)"),
        Field("s_m1", 20, "bytes per step"),
        Field("n_m2", 10, "inner pixel loop (columns)"),
        Field("s_m2", 10, "bytes per step"),
        Field("winograd", 1, "k-tiles are kernel rows, pixels are tiles of four"),
    ],
    # for block in n_blocks: for pixel in [px_base, px_base + px_count):
    #     requantise `rows` channels of accumulator[bank][pixel] from channel block*rows on, with
    #     one residual word when res_en (the block's one word for all its pixels with res_vector),
    #     added or, with ``multiply``, multiplied; look it up in the bank's table with ``table``;
    #     hand the word to the pool stage, whose words go to STORE.
    # With ``winograd``, px_count counts accumulators, six to a tile; each tile gives its (up to)
    # four outputs, those beyond ``width`` are dropped, and the tiles of a row follow each other.
    # MAX: windows of pool_ky rows of pool_kx pixels; a row is followed by pool_right pixels, the
    #     last row here by pool_bottom rows of -128. In a row the pixels pool_x + n * pool_sx end
    #     windows, the rows pool_y + n * pool_sy; what lies before the map's first row
    #     (``pool_first``) or a row's first pixel does not count. Unfinished windows are carried
    #     between instructions in line-buffer words line + block*pool_width + x.
    # AVERAGE: sums all pixels of a block, carried from instruction to instruction between avg_first
    #     and avg_last (n_blocks = 1 then), and gives one word: requantise(sum, avg_bias, avg_mult,
    #     avg_shift, avg_zp, -128, 127).
    Engine.DRAIN: HEADER
    + [
        Field("bank", 1, "accumulator and parameter bank"),
        Field("px_base", 10, "first pixel"),
        Field("px_count", 10, "pixels"),
        Field("n_blocks", BLOCK_BITS, "channel blocks"),
        Field("zp_out", 8, "zero point of the output", signed=True),
        Field("lo", 8, "lower clamp", signed=True),
        Field("hi", 8, "upper clamp", signed=True),
        Field("res_en", 1, "add the residual stream"),
        Field("res_vector", 1, "one residual word for all pixels of a block"),
        Field("multiply", 1, "multiply by the residual stream instead"),
        Field("table", 1, "outputs go through the bank's table"),
        Field("res_zp", 8, "zero point of the residual", signed=True),
        Field("res_mult", numerics.MULT_BITS, "factor of the residual"),
        Field("res_shift", numerics.SHIFT_BITS, "shift of the residual"),
        Field("pool", 2, "Pool: 0 none, 1 max, 2 average"),
        Field("pool_kx", POOL_BITS, "max-pool kernel along rows: 1 to 3"),
        Field("pool_ky", POOL_BITS, "max-pool kernel along columns: 1 to 3"),
        Field("pool_sx", POOL_BITS, "max-pool stride along rows: 1 to 3"),
        Field("pool_sy", POOL_BITS, "max-pool stride along columns: 1 to 3"),
        Field("pool_x", POOL_BITS, "pixels of a row before the first that ends a window"),
        Field("pool_y", POOL_BITS, "rows here before the first that ends a window"),
        Field("pool_right", POOL_BITS, "padding pixels after each row, which do not count"),
        Field("pool_bottom", POOL_BITS, "padding rows after the last"),
        Field("pool_first", 1, "the first row here is the map's first"),
        Field("width", 10, "pixels per row"),
        Field("height", 10, "rows; width * height pixels"),
        Field("pool_width", 10, "pooled pixels per row"),
        Field("line", LINE_BITS, "first word in the line buffer"),
        Field("avg_first", 1, "start the sum"),
        Field("avg_last", 1, "finish the sum and give the word"),
        Field("avg_bias", numerics.SUM_BITS, "added to the sum: -pixels * zero point", signed=True),
        Field("avg_mult", numerics.MULT_BITS, "factor of the sum"),
        Field("avg_shift", numerics.SHIFT_BITS, "shift of the sum"),
        Field("avg_zp", 8, "zero point of the average", signed=True),
        Field("winograd", 1, "accumulators are those of tiles, six each"),
    ],
    # Writes the words that DRAIN's pool stage gives, in order.
    Engine.STORE: HEADER + _pattern("to write"),
}

# A bank's table: the output for each int8, byte q + 128 for q.
TABLE_BYTES = 256

# Channel-parameter record: 8 bytes for each channel of an output-channel tile.
PARAMS = [
    Field("bias", numerics.ACC_BITS, "added to the accumulator", signed=True),
    Field("mult", numerics.MULT_BITS, "normalised mantissa of the factor"),
    Field("shift", numerics.SHIFT_BITS, "right shift after the multiplication"),
]


def highest(engine: Engine, name: str) -> int:
    """The largest value of an instruction's field."""
    return next(field for field in LAYOUTS[engine] if field.name == name).range[1]


def pack(fields: list[Field], values: dict[str, int]) -> int:
    """Bits of ``values`` (every field named), least significant field first."""
    unknown = set(values) - {f.name for f in fields}
    if unknown:
        raise ValueError(f"unknown fields {sorted(unknown)}")
    bits, offset = 0, 0
    for field in fields:
        value = int(values.get(field.name, 0))
        lo, hi = field.range
        if not lo <= value <= hi:
            raise ResarrayError(
                f"{field.name} = {value} does not fit its instruction field: "
                f"{lo} to {hi} are allowed ({field.doc}); use a smaller map or tile"
            )
        bits |= (value & ((1 << field.width) - 1)) << offset
        offset += field.width
    return bits


def unpack(fields: list[Field], bits: int) -> dict[str, int]:
    """Inverse of `pack`."""
    values, offset = {}, 0
    for field in fields:
        value = bits >> offset & ((1 << field.width) - 1)
        if field.signed and value >> (field.width - 1):
            value -= 1 << field.width
        values[field.name] = value
        offset += field.width
    return values


def encode(engine: Engine, **values: int) -> bytes:
    """The 32 bytes of one instruction; fields not named are 0."""
    for wait, awaited in zip(("wait_a", "wait_b"), WAITS[engine], strict=True):
        if awaited is None and values.get(wait, 0):
            raise ValueError(f"{engine.name} has no {wait}")
    bits = pack(LAYOUTS[engine], {"opcode": engine.opcode, **values})
    return bits.to_bytes(INSTRUCTION_BYTES, "little")


def decode(data: bytes) -> tuple[Engine, dict[str, int]]:
    """The engine and fields of 32 bytes; `ResarrayError` for an unknown opcode."""
    bits = int.from_bytes(data, "little")
    opcode = bits & 0xF
    if not 1 <= opcode <= len(Engine):
        raise ResarrayError(
            f"unknown opcode {opcode}: 1 to {len(Engine)} are allowed; the program is corrupt"
        )
    engine = Engine(opcode - 1)
    return engine, unpack(LAYOUTS[engine], bits)


for _engine, _layout in LAYOUTS.items():
    assert sum(f.width for f in _layout) <= INSTRUCTION_BITS, _engine
