"""What the compiler assumes about the memory."""

from dataclasses import dataclass

from resarray.spec.errors import ResarrayError
from resarray.spec.memory import MIN_BYTES_PER_CYCLE


@dataclass(frozen=True)
class MemoryTiming:
    """``latency``: cycles from address to data; ``bytes_per_cycle``: of reads and writes together,
    None for a word of each per cycle. `ResarrayError` for what no memory can do."""

    latency: int = 32
    bytes_per_cycle: float | None = None

    def __post_init__(self):
        if self.latency < 1:
            raise ResarrayError(
                f"a memory latency of {self.latency} cycles is not possible: choose 1 or more"
            )
        if self.bytes_per_cycle is not None and not self.bytes_per_cycle >= MIN_BYTES_PER_CYCLE:
            raise ResarrayError(
                f"a memory bandwidth of {self.bytes_per_cycle:g} bytes per cycle is not possible: "
                "choose 1/16 or more, or no limit"
            )

    def words_per_cycle(self, rows: int) -> float | None:
        """Words of ``rows`` bytes that reads and writes share; None: one of each."""
        return None if self.bytes_per_cycle is None else min(1.0, self.bytes_per_cycle / rows)

    def cycles(self, reads: float, writes: float, rows: int) -> float:
        """Cycles that so many words take at least."""
        rate = self.words_per_cycle(rows)
        return max(reads, writes) if rate is None else (reads + writes) / rate
