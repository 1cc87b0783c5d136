"""How the simulated memory behaves."""

from dataclasses import dataclass

from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError
from resarray.spec.memory import MIN_BYTES_PER_CYCLE


@dataclass(frozen=True)
class MemoryModel:
    """How the simulated memory behaves (see axi_memory.v).

    latency:           cycles from address to first data, and from last data to response, 1...65535
    bytes_per_cycle:   reads and writes together; None: one word each per cycle
    stall_probability: that a channel pauses in a cycle, 0 <= p < 1
    seed:              of the stalls
    """

    latency: int = 32
    bytes_per_cycle: float | None = None
    stall_probability: float = 0.0
    seed: int = 0

    def settings(self, config: Config) -> dict[str, int]:
        """Values of the harness's ports; `ResarrayError` for what is out of range."""
        if not 1 <= self.latency <= 65535:
            raise ResarrayError(
                f"a memory latency of {self.latency} cycles is not possible: choose 1 to 65535"
            )
        if self.bytes_per_cycle is None:
            rate = 0
        elif MIN_BYTES_PER_CYCLE <= self.bytes_per_cycle <= config.rows:
            rate = round(16 * self.bytes_per_cycle)
        else:
            raise ResarrayError(
                f"a memory bandwidth of {self.bytes_per_cycle:g} bytes per cycle is not possible: "
                f"preset '{config.name}' takes 1/16 to {config.rows}, or no limit"
            )
        if not 0 <= self.stall_probability < 1:
            raise ResarrayError(
                f"a stall probability of {self.stall_probability:g} is not possible: choose 0 or "
                "more, and less than 1"
            )
        stall = min(255, round(256 * self.stall_probability))
        # The generator must not start at 0.
        seed = (self.seed * 2_654_435_761 + 0x9E37_79B9) % 2**32 or 1
        return {"latency": self.latency, "rate": rate, "stall": stall, "seed": seed}
