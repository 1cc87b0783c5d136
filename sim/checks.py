"""The rules that checkers hold every simulation to: checks.v and core_checks.v."""

MASTER = (
    "a read burst crosses 4 KiB",
    "a write burst crosses 4 KiB",
    "a malformed read burst",
    "a malformed write burst",
    "WLAST at the wrong beat",
    "ARVALID or its burst changed before ARREADY",
    "AWVALID or its burst changed before AWREADY",
    "WVALID or its data changed before WREADY",
)
PORTS = (
    "read data without a burst, or RLAST at the wrong beat",
    "a write response without a burst",
    "read data or a write response changed before it was taken",
    "a read burst outside the window",
    "a write burst outside the window",
    "a transaction in flight at the interrupt",
    "an AXI-Lite response without an access",
    "an AXI-Lite response changed before it was taken",
    "an undefined handshake",
    "an undefined burst or word",
    "an interrupt that is not enabled",
    "an interrupt that went by itself",
)
_ENGINES = ("LOAD", "WEIGHTS", "RESIDUAL", "COMPUTE", "DRAIN", "STORE")
# The arbiter's order is another one.
_STREAMS = (
    *(f"of {engine}'s instructions" for engine in _ENGINES),
    *(f"of {engine}'s bursts" for engine in ("LOAD", "WEIGHTS", "RESIDUAL", "FETCH", "STORE")),
    *(f"of {engine}'s requests" for engine in ("LOAD", "RESIDUAL", "WEIGHTS", "FETCH")),
    *(f"of {engine}'s words" for engine in ("LOAD", "WEIGHTS", "RESIDUAL", "FETCH")),
    "from the pool stage to STORE",
    "of STORE's words",
)
CORE = (
    "more instructions completed than dispatched",
    "a burst begun after an error",
    "read data kept waiting",
    "a write response kept waiting",
    *(f"an instruction came to {engine}'s queue without room" for engine in _ENGINES),
    *(f"the stream {stream} changed before it was taken" for stream in _STREAMS),
)
# By bit of the harness's ``violations``. Those in ``CORE``: only of the accelerator, not of a stub.
VIOLATIONS = (*MASTER, *PORTS, *CORE)


def broken(violations: int) -> list[str]:
    """The rules whose bits are set."""
    return [rule for bit, rule in enumerate(VIOLATIONS) if violations >> bit & 1]
