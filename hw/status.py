"""What a host sets and reads: the registers of `resarray.spec.registers` inside the accelerator."""

from amaranth.hdl import Signal
from amaranth.lib.wiring import Out, Signature

from ..spec import registers
from ..spec.isa import Engine
from .common import signals
from .layouts import ERROR

# The "rw" registers, by their names in lower case.
SETTINGS = Signature(
    {r.name.lower(): Out(32) for r in registers.REGISTERS.values() if r.access == "rw"}
)
# An event or a counter for each of `registers.COUNTERS`, by its name in lower case.
EVENTS = Signature({name.lower(): Out(1) for name in registers.COUNTERS})
COUNTERS = Signature({name.lower(): Out(registers.COUNTER_BITS) for name in registers.COUNTERS})
# The registers that the core's units make; an engine's by its number.
STATUS = Signature(
    {
        "error": Out(ERROR),
        "fetched": Out(32),
        "profile_count": Out(32),
        "done": Out(32).array(len(Engine)),
        "state": Out(32).array(len(Engine)),
        "counters": Out(COUNTERS),
    }
)


def status_registers(status) -> dict[str, Signal]:
    """The registers that ``status`` is read as."""
    return {
        "ERROR_CAUSE": status.error.cause,
        "ERROR_ENGINE": status.error.engine,
        "ERROR_ADDR": status.error.addr,
        "FETCHED": status.fetched,
        "PROFILE_COUNT": status.profile_count,
        **{f"DONE_{e.name}": status.done[e] for e in Engine},
        **{f"STATE_{e.name}": status.state[e] for e in Engine},
        **{name.upper(): counter for name, counter in signals(status.counters).items()},
    }
