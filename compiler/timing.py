"""What the compiler assumes about the memory."""

from dataclasses import dataclass

from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError
from resarray.spec.memory import MIN_BYTES_PER_CYCLE

READ_OVERHEAD = 15  # cycles of a read besides the memory's latency
BURST_CYCLES = 4  # from a burst's request to the next one's
FLIGHT_OVERHEAD = 10  # cycles of a burst in flight besides the memory's latency and its words


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

    def read_rate(self, config: Config, words: int | None = None) -> float:
        """Words per cycle that reads reach, with ``max_reads`` bursts in flight, or as many
        ``words`` as a reader has room for; whatever the memory's bandwidth."""
        words = config.max_reads * config.burst_words if words is None else words
        in_flight = words / (self.latency + FLIGHT_OVERHEAD + config.burst_words)
        return min(1.0, in_flight, config.burst_words / BURST_CYCLES)

    def cycles(self, reads: float, writes: float, config: Config) -> float:
        """Cycles that so many words take at least."""
        rate = self.words_per_cycle(config.rows)
        shared = max(reads, writes) if rate is None else (reads + writes) / rate
        return max(shared, reads / self.read_rate(config))
