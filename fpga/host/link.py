"""Memory accesses over a serial port: framed, checked, repeated until they are right."""

import contextlib
import time
from collections.abc import Callable, Iterable

from resarray.spec.errors import ResarrayError

from ..protocol import (
    CRC_BYTES,
    GAP_SECONDS,
    MAX_WORDS,
    SYNC,
    Operation,
    Status,
    crc_is_right,
    reply_bytes,
    request,
)

# What a port raises. pyserial's SerialException is an OSError; some of its calls are bare ones of
# termios, whose error is not.
PORT_ERRORS: tuple[type[Exception], ...] = (OSError,)
with contextlib.suppress(ModuleNotFoundError):  # Windows has none
    import termios

    PORT_ERRORS += (termios.error,)
ATTEMPTS = 5
BITS_PER_BYTE = 10
MAX_BYTES = 4 * MAX_WORDS

# progress(done, total) in bytes
ByteProgress = Callable[[int, int], None]


def _no_progress(done: int, total: int) -> None:
    pass


class _Damaged(Exception):
    """One attempt failed; why."""


class Link:
    """Reads and writes of a board's bus, in 32-bit words.

    An access is repeated until a right reply comes, at most `ATTEMPTS` times; then it fails with a
    `ResarrayError`. So every access must mean the same when it is done twice, which holds for
    memory and for all registers of the SoC.

    port:    an open pyserial port, or what behaves like one
    name:    of the port, for messages
    baud:    bits a second
    timeout: seconds that the board may take on top of the transfer's own time
    gap:     seconds of silence after which the board has forgotten half a frame
    """

    def __init__(
        self, port, name: str, baud: float, timeout: float = 0.5, gap: float = 2 * GAP_SECONDS
    ):
        self._port = port
        self._name = name
        self._byte_seconds = BITS_PER_BYTE / baud
        self._timeout = timeout
        self._gap = gap
        self._tag = 0
        self.retries = 0

    def read(self, address: int, size: int, progress: ByteProgress = _no_progress) -> bytes:
        """``size`` bytes from ``address``; both multiples of 4."""
        parts = []
        for offset, part in _chunks(size):
            parts.append(self._access(Operation.READ, address + offset, part, b""))
            progress(offset + part, size)
        return b"".join(parts)

    def write(self, address: int, data: bytes, progress: ByteProgress = _no_progress) -> None:
        """``data``, a multiple of 4 bytes, to ``address``."""
        for offset, part in _chunks(len(data)):
            self._access(Operation.WRITE, address + offset, part, data[offset : offset + part])
            progress(offset + part, len(data))

    def read_word(self, address: int) -> int:
        return int.from_bytes(self.read(address, 4), "little")

    def write_word(self, address: int, value: int) -> None:
        self.write(address, value.to_bytes(4, "little"))

    def post_word(self, address: int, value: int) -> None:
        """Write once and without an answer, for what resets the bridge itself. Whether it arrived
        must be seen elsewhere."""
        frame = request(0, Operation.WRITE, address, 1, value.to_bytes(4, "little"))
        try:
            self._port.write(frame)
        except PORT_ERRORS as error:
            raise self._broken(error) from error
        time.sleep(len(frame) * self._byte_seconds)
        self.settle()

    def settle(self) -> None:
        """Let the board forget half a frame, and drop what is still coming from it."""
        time.sleep(self._gap)
        try:
            self._port.reset_input_buffer()
        except PORT_ERRORS as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> ResarrayError:
        return ResarrayError(
            f"port '{self._name}' failed ({error}): is the board still plugged in?"
        )

    def _access(self, operation: Operation, address: int, size: int, data: bytes) -> bytes:
        why = ""
        tags: set[int] = set()
        for attempt in range(ATTEMPTS):
            if attempt:
                self.retries += 1
                self.settle()
            self._tag = (self._tag + 1) % 256
            tags.add(self._tag)
            try:
                # A board that is only slow gets more time.
                patience = self._timeout * (attempt + 1)
                return self._attempt(operation, address, size, data, tags, patience)
            except _Damaged as damage:
                why = str(damage)
            except PORT_ERRORS as error:
                raise self._broken(error) from error
        raise ResarrayError(
            f"the board on '{self._name}' does not answer: {why} ({ATTEMPTS} attempts at "
            f"{operation.name.lower()} of {size} bytes at {address:#010x}); check the cable, the "
            "port and that the bitstream is loaded"
        )

    def _attempt(
        self,
        operation: Operation,
        address: int,
        size: int,
        data: bytes,
        tags: set[int],
        patience: float,
    ) -> bytes:
        """The data of a right reply to this attempt or to an earlier one of the access."""
        frame = request(self._tag, operation, address, size // 4, data)
        words = size // 4 if operation == Operation.READ else 0
        self._port.write(frame)
        wire_bytes = len(frame) + reply_bytes(words)
        deadline = time.monotonic() + patience + self._byte_seconds * wire_bytes
        reply = self._receive(words, tags, deadline)
        if reply[2] == Status.BAD_CRC:
            raise _Damaged("requests reach it damaged")
        if reply[2] != Status.OK:
            raise ResarrayError(
                f"the board's bus has nothing at address {address:#010x}: the bitstream and its "
                "soc.json do not belong together; load the bitstream again"
            )
        return reply[3:-CRC_BYTES]

    def _receive(self, words: int, tags: set[int], deadline: float) -> bytes:
        """The first whole reply with a right CRC to one of ``tags``, with ``words`` of data if it
        says that all is well. Noise and late replies to accesses that are over are passed over."""
        seen, noise = b"", False
        while True:
            start = seen.find(SYNC)
            seen = seen[start:] if start >= 0 else b""
            well = len(seen) < 3 or seen[2] == Status.OK
            size = reply_bytes(words if well else 0)
            if len(seen) >= size:
                reply = seen[:size]
                if crc_is_right(reply) and reply[1] in tags:
                    return reply
                # Not what it looked like: the next SYNC may be.
                seen, noise = seen[1:], True
                continue
            # The shortest reply first: a longer one may never come.
            wanted = (size if len(seen) >= 3 else reply_bytes(0)) - len(seen)
            left = deadline - time.monotonic()
            self._port.timeout = max(0.0, left)
            got = self._port.read(wanted)
            seen += got
            if len(got) < wanted and left <= 0:
                raise _Damaged("its reply is damaged" if seen or noise else "no reply came")


def _chunks(size: int) -> Iterable[tuple[int, int]]:
    for offset in range(0, size, MAX_BYTES):
        yield offset, min(MAX_BYTES, size - offset)
