"""Configuration of one accelerator: a frozen dataclass, its derived sizes and the named presets."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass

from .errors import ResarrayError

ELEMENTS = ("pair", "mac")

# Largest dot product the 32-bit accumulator is proven for: with the pair element one pair of
# channels adds at most 2*128*127 + 127**2 = 48,641 in magnitude, so K products add at most
# K/2 * 48,641; K = 65,536 stays below 2**31 with room for the bias (see docs/numerics.md).
MAX_DOT_LENGTH = 65_536


@dataclass(frozen=True)
class Config:
    """Parameters of the accelerator. A *word* is ``rows`` bytes: one memory beat, one pixel's
    channel block in the input buffer, and one column's weights for one k-tile.

    Parameters
    ----------
    name:            preset name, for messages only (not part of the hash)
    rows:            input channels per cycle = bytes per word (4, 8 or 16)
    columns:         output channels per pass
    element:         "pair": two exact products per multiplier; "mac": one
    acc_depth:       pixels per accumulator bank (two banks)
    input_words:     depth of the input buffer, in words
    weight_words:    depth of the weight FIFO, in words
    residual_words:  depth of the residual FIFO, in words
    output_words:    depth of the output FIFO, in words
    pool_words:      depth of the max-pool line buffer, in words
    scratch_words:   depth of the scratchpad, in words: feature maps that fit stay in it; 0: none
    lanes:           output channels requantised per cycle
    burst_words:     longest AXI burst, in beats
    max_reads:       AXI read bursts in flight
    queue_depth:     instructions waiting per engine
    profile_marks:   layer marks that the profile memory holds
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

    def __post_init__(self):
        def require(ok, what):
            if not ok:
                raise ResarrayError(f"configuration '{self.name}': {what}")

        require(self.rows in (4, 8, 16), f"rows must be 4, 8 or 16, not {self.rows}")
        require(
            self.columns % self.rows == 0 and self.columns >= 4,
            f"columns must be a multiple of rows ({self.rows}), not {self.columns}",
        )
        require(
            self.lanes in (1, 2, 4, 8) and self.rows % self.lanes == 0,
            f"lanes must divide rows ({self.rows}), not {self.lanes}",
        )
        require(self.element in ELEMENTS, f"element must be one of {', '.join(ELEMENTS)}")
        for field in (
            "acc_depth",
            "input_words",
            "weight_words",
            "residual_words",
            "output_words",
            "pool_words",
            "burst_words",
            "max_reads",
            "queue_depth",
        ):
            size = getattr(self, field)
            require(
                size >= 2 and size & (size - 1) == 0, f"{field} must be a power of two, not {size}"
            )
        require(
            self.scratch_words == 0 or self.scratch_words.bit_count() == 1,
            f"scratch_words must be 0 or a power of two, not {self.scratch_words}",
        )
        require(self.scratch_words <= 65536, "scratch_words must be at most 65536")
        require(self.acc_depth <= 512, "acc_depth must be at most 512")
        require(self.input_words <= 65536, "input_words must be at most 65536")
        require(self.burst_words <= 256, "burst_words must be at most 256 (AXI4)")

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


def preset(text: str) -> Config:
    """The configuration that ``--preset text`` means, see `presets.parse`."""
    from .presets import parse  # it needs what is above

    return parse(text)
