"""A board behind a serial port, in Python, whose line can be disturbed."""

import zlib
from collections.abc import Callable

from resarray.fpga import protocol
from resarray.fpga.protocol import HEADER, SYNC, Operation, Status

# A fault takes the bytes that pass and returns what arrives.
Fault = Callable[[bytes], bytes]


class FakeBoard:
    """What pyserial's port would be, with a bridge and 32-bit words behind it.

    to_board, to_host: faults, used up one a frame; then the line is clean
    """

    def __init__(self, words: dict[int, int] | None = None):
        self.words = dict(words or {})
        self.to_board: list[Fault] = []
        self.to_host: list[Fault] = []
        self.timeout = 0.0
        self.closed = False
        self._answer = b""

    def word(self, address: int) -> int:
        return self.words.get(address, 0)

    def store(self, address: int, value: int) -> None:
        self.words[address] = value

    def reset_input_buffer(self) -> None:
        self._answer = b""

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def write(self, data: bytes) -> None:
        if self.to_board:
            data = self.to_board.pop(0)(data)
        answer = self._execute(data)
        if answer and self.to_host:
            answer = self.to_host.pop(0)(answer)
        self._answer += answer

    def read(self, size: int) -> bytes:
        data, self._answer = self._answer[:size], self._answer[size:]
        return data

    def _execute(self, frame: bytes) -> bytes:
        start = frame.find(SYNC)
        frame = frame[start:] if start >= 0 else b""
        if len(frame) < 1 + HEADER.size + protocol.CRC_BYTES:
            return b""  # the bridge waits for the rest, then forgets it
        tag, operation, count, address = HEADER.unpack_from(frame, 1)
        size = 4 * count if operation == Operation.WRITE else 0
        end = 1 + HEADER.size + size
        if len(frame) < end + protocol.CRC_BYTES:
            return b""
        body, crc = frame[1:end], frame[end : end + protocol.CRC_BYTES]
        if zlib.crc32(body).to_bytes(4, "little") != crc:
            return protocol.reply(tag, Status.BAD_CRC)
        addresses = range(address, address + 4 * count, 4)
        if operation == Operation.WRITE:
            for i, at in enumerate(addresses):
                first = 1 + HEADER.size + 4 * i
                self.store(at, int.from_bytes(frame[first : first + 4], "little"))
            return protocol.reply(tag, Status.OK)
        data = b"".join(self.word(at).to_bytes(4, "little") for at in addresses)
        return protocol.reply(tag, Status.OK, data)
