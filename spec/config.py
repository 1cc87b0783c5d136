"""Configuration of one accelerator: a frozen dataclass, its derived sizes and the named presets."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass

from . import isa, numerics, registers, winograd
from .errors import ResarrayError

ELEMENTS = ("pair", "mac")

# K-tiles of weights that the array's columns hold, those being used included: as many as a memory
# of LUTs has words.
WEIGHT_SLOTS = 16

# Largest dot product the 32-bit accumulator is proven for: with the pair element one pair of
# channels adds at most 2*128*127 + 127**2 = 48,641 in magnitude, so K products add at most
# K/2 * 48,641; K = 65,536 stays below 2**31 with room for the bias (see docs/numerics.md).
MAX_DOT_LENGTH = 65_536


@dataclass(frozen=True)
class Limits:
    """What a field of `Config` may be: from ``lowest`` to ``highest``, ``powers`` of two only, and
    0 where ``none`` is allowed."""

    lowest: int
    highest: int
    powers: bool = True
    none: bool = False

    def __contains__(self, size: int) -> bool:
        if size == 0:
            return self.none
        return self.lowest <= size <= self.highest and (not self.powers or size.bit_count() == 1)

    def __str__(self) -> str:
        kind = "a power of two" if self.powers else "a number"
        return f"{'0 or ' if self.none else ''}{kind} from {self.lowest} to {self.highest}"


# Why: columns, a DRAIN's n_blocks (see below); acc_depth, what a bank of block RAM holds;
# input_words, a LOAD's buf; FIFOs, the deepest block RAM (16,384 words); pool_words, a window of a
# max pool beside those that share an edge of the map with it, and a DRAIN's line; scratch_words,
# the mirror; burst_words, AXI4; max_reads and queue_depth, more has no use; profile_marks, the
# register map.
LIMITS: dict[str, Limits] = {
    "rows": Limits(4, 16),
    "columns": Limits(4, 256, powers=False),
    "lanes": Limits(1, 8),
    "acc_depth": Limits(16, 512),
    "input_words": Limits(256, 1 << isa.BUFFER_BITS),
    "weight_words": Limits(2, 16384),
    "residual_words": Limits(2, 16384),
    "output_words": Limits(4, 16384),
    "pool_words": Limits(8, 1 << isa.LINE_BITS),
    "scratch_words": Limits(2, 1 << isa.MIRROR_BITS, none=True),
    "burst_words": Limits(2, 256),
    "max_reads": Limits(2, 64),
    "queue_depth": Limits(2, 64),
    "profile_marks": Limits(16, registers.PROFILE_RECORDS, powers=False),
}
MAX_COLUMN_BLOCKS = (1 << isa.BLOCK_BITS) - 1


@dataclass(frozen=True)
class Config:
    """Parameters of the accelerator. A *word* is ``rows`` bytes: one memory beat, one pixel's
    channel block in the input buffer, and one column's weights for one k-tile.

    Parameters
    ----------
    name:            preset name, for messages only (not part of the hash)
    rows:            input channels per cycle = bytes per word
    columns:         output channels per pass, a multiple of rows
    element:         "pair": two exact products per multiplier; "mac": one
    acc_depth:       pixels per accumulator bank (two banks)
    input_words:     depth of the input buffer, in words
    weight_words:    depth of the weight FIFO, in words, at least burst_words
    residual_words:  depth of the residual FIFO, in words, at least burst_words
    output_words:    depth of the output FIFO, in words, at least twice burst_words
    pool_words:      depth of the max-pool line buffer, in words
    scratch_words:   depth of the scratchpad, in words: feature maps that fit stay in it; 0: none
    lanes:           output channels requantised per cycle, a divisor of rows
    burst_words:     longest AXI burst, in beats
    max_reads:       AXI read bursts in flight
    queue_depth:     instructions waiting per engine
    profile_marks:   layer marks that the profile memory holds: layers of a program
    winograd:        transforms beside the array, for kernels three wide at stride 1 (`winograd`)

    `LIMITS` has the range of each; anything else is refused with a `ResarrayError`.
    """

    name: str = "default"
    rows: int = 8
    columns: int = 32
    element: str = "pair"
    acc_depth: int = 512
    input_words: int = 16384
    weight_words: int = 2048
    residual_words: int = 256
    output_words: int = 256
    pool_words: int = 512
    scratch_words: int = 0
    lanes: int = 4
    burst_words: int = 32
    max_reads: int = 16
    queue_depth: int = 16
    profile_marks: int = 256
    winograd: bool = True

    def __post_init__(self):
        def require(ok, what):
            if not ok:
                raise ResarrayError(f"configuration '{self.name}': {what}")

        require(
            isinstance(self.name, str) and self.name != "",
            f"name must be a text that is not empty, not {self.name!r}",
        )
        require(self.element in ELEMENTS, f"element must be one of {', '.join(ELEMENTS)}")
        for field, limits in LIMITS.items():
            size = getattr(self, field)
            require(
                isinstance(size, int) and not isinstance(size, bool) and size in limits,
                f"{field} must be {limits}, not {size!r}",
            )
        require(
            isinstance(self.winograd, bool),
            f"winograd must be true or false, not {self.winograd!r}",
        )
        require(
            self.columns % self.rows == 0 and self.column_blocks <= MAX_COLUMN_BLOCKS,
            f"columns must be a multiple of rows ({self.rows}), at most "
            f"{min(MAX_COLUMN_BLOCKS * self.rows, LIMITS['columns'].highest)}, not {self.columns}",
        )
        require(
            self.rows % self.lanes == 0,
            f"lanes must divide rows ({self.rows}), not {self.lanes}",
        )
        # A burst is asked for, or begun, once its FIFO holds all of it: a smaller FIFO never does.
        for field, least in (
            ("weight_words", self.burst_words),
            ("residual_words", self.burst_words),
            # Its writer is held back up to two words before it is full.
            ("output_words", 2 * self.burst_words),
        ):
            require(
                getattr(self, field) >= least,
                f"{field} must be at least {least} for bursts of {self.burst_words} words "
                f"(burst_words), not {getattr(self, field)}",
            )

    @property
    def operands(self) -> numerics.Operands:
        """Widths of the array's operands and products."""
        return numerics.WINOGRAD if self.winograd else numerics.DIRECT

    @property
    def dot_bits(self) -> int:
        """Bits of a column's result for one k-tile."""
        return numerics.dot_bits(self.rows, self.operands)

    @property
    def block_groups(self) -> int:
        """Lane groups in one channel block of ``rows`` output channels."""
        return self.rows // self.lanes

    @property
    def column_groups(self) -> int:
        """Lane groups in the whole array."""
        return self.columns // self.lanes

    @property
    def column_blocks(self) -> int:
        """Channel blocks that one pass over the array produces."""
        return self.columns // self.rows

    @property
    def param_words(self) -> int:
        """Words per channel-parameter record (8 bytes; a 16-byte word holds one record)."""
        return max(1, 8 // self.rows)

    @property
    def phases(self) -> int:
        """Channel-parameter records that a column has room for: one for each output of a tile."""
        return winograd.TILE if self.winograd else 1

    @property
    def instruction_words(self) -> int:
        """Words per 32-byte instruction."""
        return 32 // self.rows

    @property
    def multipliers(self) -> int:
        """Multipliers of the array: what utilisation per multiplier is measured against. The
        pair element's shared column is part of the array and counts."""
        if self.element == "pair":
            return self.rows // 2 * (self.columns + 1)
        return self.rows * self.columns

    @property
    def macs_per_cycle(self) -> int:
        """Peak multiply-accumulates per cycle."""
        return self.rows * self.columns

    @property
    def hash(self) -> int:
        """64-bit identity of everything that a program depends on; also in the ID registers."""
        fields = dataclasses.asdict(self)
        del fields["name"]
        digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).digest()
        return int.from_bytes(digest[:8], "little")


PRESETS = {
    # Four channels by four columns, short buffers: quick under Icarus and in formal proofs.
    "tiny": Config(
        name="tiny",
        rows=4,
        columns=4,
        acc_depth=64,
        input_words=2048,
        weight_words=64,
        residual_words=32,
        output_words=32,
        pool_words=64,
        scratch_words=512,
        lanes=2,
        burst_words=8,
        max_reads=4,
        queue_depth=4,
        profile_marks=64,
    ),
    # The largest array for the 28 multipliers of an LFE5U-25F: 18 in the array, 3 in each lane, 2
    # for the average; and 46 of its 56 block RAMs.
    "25f": Config(
        name="25f",
        rows=4,
        columns=8,
        input_words=8192,
        weight_words=1024,
        lanes=2,
        profile_marks=64,
        winograd=False,
    ),
    # Half the default's columns: suits networks of 16 channels, all of whose feature maps stay on
    # chip.
    "small": Config(
        name="small",
        columns=16,
        input_words=8192,
        weight_words=1024,
        scratch_words=8192,
    ),
    "default": Config(),
}
