"""How the simulated memory behaves."""

from dataclasses import dataclass

from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError
from resarray.spec.memory import MIN_BYTES_PER_CYCLE

CHANNELS = ("AR", "AW", "W", "R", "B")
MAX_HOLD = 15


@dataclass(frozen=True)
class MemoryModel:
    """How the simulated memory behaves (see axi_memory.v).

    latency:           cycles from address to first data, and from last data to response, 1...65535
    bytes_per_cycle:   reads and writes together; None: one word each per cycle
    stall_probability: that a channel pauses in a cycle, 0 <= p < 1
    seed:              of the stalls
    stalls:            that of each of `CHANNELS` instead
    hold:              pauses are drawn anew every 2**hold cycles, 0...15
    early:             write data may be taken before its address
    late:              READY of AR, AW and W comes only after VALID
    jitter:            each burst has a latency of its own, from 1 to ``latency``
    """

    latency: int = 32
    bytes_per_cycle: float | None = None
    stall_probability: float = 0.0
    seed: int = 0
    stalls: tuple[float, ...] | None = None
    hold: int = 0
    early: bool = False
    late: bool = False
    jitter: bool = False

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
        stalls = self.stalls or (self.stall_probability,) * len(CHANNELS)
        if len(stalls) != len(CHANNELS):
            raise ResarrayError(
                f"{len(stalls)} stall probabilities are not possible: give one for each of "
                f"{', '.join(CHANNELS)}"
            )
        for probability in stalls:
            if not 0 <= probability < 1:
                raise ResarrayError(
                    f"a stall probability of {probability:g} is not possible: choose 0 or "
                    "more, and less than 1"
                )
        if not 0 <= self.hold <= MAX_HOLD:
            raise ResarrayError(
                f"pauses of 2^{self.hold} cycles are not possible: choose 2^0 to 2^{MAX_HOLD}"
            )
        stall = sum(min(255, round(256 * p)) << 8 * i for i, p in enumerate(stalls))
        # The generator must not start at 0.
        seed = (self.seed * 2_654_435_761 + 0x9E37_79B9) % 2**32 or 1
        return {
            "latency": self.latency,
            "rate": rate,
            "stall": stall,
            "hold": self.hold,
            "early": int(self.early),
            "late": int(self.late),
            "jitter": int(self.jitter),
            "seed": seed,
        }
