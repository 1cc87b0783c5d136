"""The serial link on a disturbed line: right data or an error, never wrong data."""

import numpy as np
import pytest

from resarray.fpga.host.link import ATTEMPTS, MAX_BYTES, Link
from resarray.fpga.protocol import Status, reply
from resarray.spec.errors import ResarrayError
from resarray.verification.faults.fake_board import FakeBoard

pytestmark = pytest.mark.verifies("host", by="unit")

FAULTS = {
    "lost": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "first byte dropped": lambda data: data[1:],
    "byte dropped": lambda data: data[:5] + data[6:],
    "bit flipped": lambda data: data[:-6] + bytes([data[-6] ^ 4]) + data[-5:],
    "byte doubled": lambda data: data[:3] + data[2:],
    "noise in front": lambda data: b"\x00\xff" + data,
}


def link(board: FakeBoard) -> Link:
    return Link(board, "port", baud=1e9, timeout=0.002, gap=0)


def test_what_is_written_is_read():
    board = FakeBoard()
    data = np.random.default_rng(1).bytes(3 * MAX_BYTES + 8)
    seen = []
    line = link(board)
    line.write(0x4000_0000, data, lambda done, total: seen.append((done, total)))
    assert line.read(0x4000_0000, len(data)) == data
    assert seen[-1] == (len(data), len(data))
    assert [done for done, _ in seen] == [2048, 4096, 6144, 6152]
    assert line.retries == 0


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("side", ["to_board", "to_host"])
@pytest.mark.parametrize("times", [1, ATTEMPTS - 1])
def test_a_disturbed_transfer_is_repeated(fault, side, times):
    board = FakeBoard()
    line = link(board)
    setattr(board, side, [FAULTS[fault]] * times)
    line.write(64, bytes(range(100)))
    setattr(board, side, [FAULTS[fault]] * times)
    assert line.read(64, 100) == bytes(range(100))


@pytest.mark.parametrize("fault", ["lost", "cut", "bit flipped"])
def test_a_line_that_stays_disturbed_is_reported(fault):
    board = FakeBoard()
    board.to_host = [FAULTS[fault]] * ATTEMPTS
    with pytest.raises(ResarrayError, match="the board on 'port' does not answer"):
        link(board).read(0, 100)


def test_random_faults_never_give_wrong_data():
    rng = np.random.default_rng(7)

    def damage(data: bytes) -> bytes:
        kind = rng.integers(5)
        at = int(rng.integers(len(data)))
        if kind == 0:
            return data[:at]
        if kind == 1:
            return data[:at] + data[at + 1 :]
        if kind == 2:
            return data[:at] + bytes([data[at] ^ 1 << int(rng.integers(8))]) + data[at + 1 :]
        if kind == 3:
            return data[:at] + rng.bytes(3) + data[at:]
        return data

    board = FakeBoard()
    line = link(board)
    failures = 0
    for _ in range(100):
        board.to_board = [damage] * int(rng.integers(4))
        board.to_host = [damage] * int(rng.integers(4))
        data = rng.bytes(4 * int(rng.integers(1, 40)))
        try:
            line.write(0, data)
            assert line.read(0, len(data)) == data
        except ResarrayError:
            failures += 1
    assert line.retries > 50
    assert failures < 10


def test_a_late_reply_to_an_earlier_request_is_not_taken():
    board = FakeBoard({0: 1, 4: 2})
    line = link(board)
    stale = reply(1, Status.OK, (99).to_bytes(4, "little"))
    assert line.read_word(0) == 1
    board.to_host = [lambda data: stale]
    assert line.read_word(4) == 2
    assert line.retries == 1


def test_unplugged_in_the_middle():
    board = FakeBoard()

    def gone(data: bytes) -> bytes:
        raise OSError("device disconnected")

    board.to_board = [gone]
    with pytest.raises(ResarrayError, match="is the board still plugged in"):
        link(board).read(0, 4)


def test_bus_error():
    board = FakeBoard()
    board.to_host = [lambda data: reply(data[1], Status.BUS_ERROR)]
    with pytest.raises(ResarrayError, match="nothing at address 0x00001000"):
        link(board).read(0x1000, 4)
