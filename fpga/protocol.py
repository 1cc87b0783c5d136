"""Frames between the host and the serial bridge, shared by both ends.

Request::   SYNC  tag  operation  count (2)  address (4)  [data (4 * count)]  CRC-32 (4)
Reply::     SYNC  tag  status  [data (4 * count)]  CRC-32 (4)

Numbers are little-endian, ``count`` is in 32-bit words (1 ... MAX_WORDS), ``address`` in bytes and
a multiple of 4. The CRC covers everything between SYNC and itself. Data is in the request of a
write and in the reply of a read that succeeded. The bridge acts only on a whole frame with a right
CRC, one at a time; a gap of `GAP_SECONDS` inside a frame makes it forget the frame.
"""

import struct
import zlib
from enum import IntEnum

SYNC = 0xA7
MAX_WORDS = 512  # one block RAM
GAP_SECONDS = 0.02
HEADER = struct.Struct("<BBHI")  # tag, operation, count, address
CRC_BYTES = 4
# Register of a CRC-32 (before the final inversion) that went over data and its CRC.
CRC_RESIDUE = 0xDEBB20E3
CRC_POLYNOMIAL = 0xEDB88320


class Operation(IntEnum):
    READ = 0
    WRITE = 1


class Status(IntEnum):
    OK = 0
    BAD_CRC = 1
    BUS_ERROR = 2


def _close(body: bytes) -> bytes:
    return bytes([SYNC]) + body + zlib.crc32(body).to_bytes(CRC_BYTES, "little")


def request(tag: int, operation: Operation, address: int, count: int, data: bytes = b"") -> bytes:
    """A request's bytes."""
    return _close(HEADER.pack(tag, operation, count, address) + data)


def reply(tag: int, status: Status, data: bytes = b"") -> bytes:
    """A reply's bytes: what the bridge sends, for tests."""
    return _close(bytes([tag, status]) + data)


def reply_bytes(words: int) -> int:
    """Length of a reply with ``words`` of data."""
    return 3 + 4 * words + CRC_BYTES


def crc_is_right(frame: bytes) -> bool:
    """Whether the CRC at the end of a whole frame fits the rest."""
    return zlib.crc32(frame[1:-CRC_BYTES]).to_bytes(CRC_BYTES, "little") == frame[-CRC_BYTES:]
