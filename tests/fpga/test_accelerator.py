"""The host interface: on a stand-in for the board, and on the simulator."""

import copy
import dataclasses
import json
import random
import subprocess
import sys

import numpy as np
import pytest

from resarray.fpga.host import memory
from resarray.fpga.host.accelerator import Accelerator, BoardAccelerator, read_description
from resarray.fpga.host.link import Link
from resarray.spec.errors import ResarrayError
from resarray.spec.presets import preset
from resarray.spec.registers import ID, REGISTERS, VERSION, ErrorCause
from resarray.verification.faults.edits import edit
from resarray.verification.faults.fake_board import FakeBoard
from tests.sim import stub

pytestmark = pytest.mark.verifies("board", by="unit")

TINY = preset("tiny")
SHAPE = (4, 2, 4)
BASE, REGS = 0x4000_0000, 0x3000_0000
DESCRIPTION = {
    "board": "fake",
    "baud": 1e9,
    "sys_clk": 60e6,
    "core_clk": 60e6,
    "preset": "tiny",
    "config_hash": f"{TINY.hash:016x}",
    "accelerator": REGS,
    "reset": 0,
    "scratch": 4,
    "interrupt": 8,
    "memory": {
        "base": BASE,
        "size": 1 << 16,
        "leveling": False,
        "registers": {
            "control": 0x100,
            "pi0_command": 0x104,
            "pi0_command_issue": 0x108,
            "pi0_address": 0x10C,
            "pi0_baddress": 0x110,
        },
        "init": [
            {
                "what": "clock",
                "address": 0,
                "bank": 0,
                "register": "control",
                "value": 14,
                "cycles": 100,
            },
            {
                "what": "mode",
                "address": 32,
                "bank": 0,
                "register": "command",
                "value": 15,
                "cycles": 0,
            },
        ],
        "ready": 1,
    },
}


class FakeAccelerator(FakeBoard):
    """A board whose program is the stub's: it copies its input. A program ends when ``ends`` is or
    becomes true; like the hardware, it ignores a start before that. ``deaf``: so many resets are
    lost."""

    def __init__(
        self, config=TINY, error: ErrorCause = ErrorCause.NONE, ends: bool = True, deaf: int = 0
    ):
        super().__init__()
        self.size = TINY.rows * 8
        self.error, self.ends, self.deaf = error, ends, deaf
        self.resets, self.running = 0, False
        self._register("ID", ID)
        self._register("VERSION", VERSION)
        self._register("HASH_LO", config.hash & 0xFFFFFFFF)
        self._register("HASH_HI", config.hash >> 32)

    def _register(self, name: str, value: int) -> None:
        self.words[REGS + REGISTERS[name].offset] = value

    def store(self, address: int, value: int) -> None:
        if address == DESCRIPTION["reset"]:
            self.deaf -= 1
            if self.deaf < 0:
                self.resets, self.running = self.resets + 1, False
                self.words[DESCRIPTION["scratch"]] = 0x12345678
                self._register("STATUS", 0)
            return
        super().store(address, value)
        if address == REGS + REGISTERS["CTRL"].offset and not self.running:
            # What the program reads, it has read.
            self.source = {at: self.word(BASE + at) for at in range(0, self.size, 4)}
            self.running = True
            self._register("STATUS", 1)

    def word(self, address: int) -> int:
        if self.running and self.ends:
            self._end()
        return super().word(address)

    def _end(self) -> None:
        self.running = False
        if self.error:
            self._register("ERROR_CAUSE", self.error)
            self._register("ERROR_ADDR", 0x1230)
            self._register("STATUS", 4)
            return
        for offset, value in self.source.items():
            self.words[BASE + self.size + offset] = value ^ 0x5A5A5A5A
        self._register("CYCLES", 77)
        self._register("STATUS", 2)


def opened(board: FakeAccelerator, description: dict = DESCRIPTION) -> BoardAccelerator:
    return BoardAccelerator(Link(board, "port", 1e9, 0.002, 0), description)


def some_input() -> np.ndarray:
    return np.random.default_rng(3).integers(-128, 128, (1, *SHAPE)).astype(np.int8)


def test_a_run():
    board = FakeAccelerator()
    x = some_input()
    with opened(board) as accelerator:
        image = accelerator.load(stub.program(TINY, SHAPE))
        accelerator.write_inputs(x)
        accelerator.run()
        np.testing.assert_array_equal(accelerator.tensors()["copy"], stub.expected(x))
        assert accelerator.tensors({"other"}) == {}
        assert accelerator.counters()["CYCLES"] == 77
    assert board.word(REGS + REGISTERS["MEM_BASE"].offset) == BASE
    assert board.word(REGS + REGISTERS["MEM_SIZE"].offset) == image.manifest["mem_size"]
    # The memory's start sequence was written, and the controller took over.
    assert board.word(0x10C) == 32
    assert board.word(0x104) == 15
    assert board.word(0x100) == 1


def test_program_for_another_configuration_is_refused():
    other = dataclasses.replace(TINY, acc_depth=32)
    with pytest.raises(ResarrayError, match="was compiled for configuration"):
        opened(FakeAccelerator()).load(stub.program(other, SHAPE))


def test_bitstream_of_another_configuration_is_refused():
    with pytest.raises(ResarrayError, match="load the bitstream beside it"):
        opened(FakeAccelerator(preset("small")))


def test_board_without_the_bitstream():
    board = FakeAccelerator()
    board.words.clear()
    with pytest.raises(ResarrayError, match="register ID of the board reads 0x0"):
        opened(board)


def test_memory_that_does_not_remember(monkeypatch):
    board = FakeAccelerator()
    monkeypatch.setattr(board, "word", lambda at: FakeBoard.word(board, at) | (at == BASE + 64))
    with pytest.raises(ResarrayError, match="gave back 1 of 2048 bytes wrong"):
        memory.check(Link(board, "port", 1e9, 0.002, 0), BASE, 1 << 16)


def test_memory_address_line_that_is_stuck(monkeypatch):
    board = FakeAccelerator()
    monkeypatch.setattr(board, "store", lambda at, v: FakeBoard.store(board, at & ~0x4000, v))
    with pytest.raises(ResarrayError, match="the board's memory holds"):
        memory.check(Link(board, "port", 1e9, 0.002, 0), BASE, 1 << 16)


def test_memory_whose_far_half_does_not_remember(monkeypatch):
    board, far = FakeAccelerator(), BASE + (1 << 15)
    monkeypatch.setattr(board, "word", lambda at: FakeBoard.word(board, at) | (at == far))
    with pytest.raises(ResarrayError, match="at offset 0x8000 where"):
        memory.check(Link(board, "port", 1e9, 0.002, 0), BASE, 1 << 16)


def test_memory_that_needs_levelling():
    description = DESCRIPTION | {"memory": DESCRIPTION["memory"] | {"leveling": True}}
    with pytest.raises(ResarrayError, match="needs read levelling"):
        opened(FakeAccelerator(), description)


def test_program_larger_than_the_memory():
    program = stub.program(TINY, SHAPE)
    program.manifest["mem_size"] = 1 << 20
    with pytest.raises(ResarrayError, match="needs 1,048,576 bytes of memory, the board has"):
        opened(FakeAccelerator()).load(program)


def test_error_is_a_sentence():
    accelerator = opened(FakeAccelerator(error=ErrorCause.OUTSIDE_WINDOW))
    accelerator.load(stub.program(TINY, SHAPE))
    accelerator.write_inputs(some_input())
    with pytest.raises(ResarrayError, match="outside window in engine LOAD at byte offset 0x1230"):
        accelerator.run()
    with pytest.raises(ResarrayError, match=r"call run\(\) first"):
        accelerator.tensors()


def test_program_that_does_not_end():
    accelerator = opened(FakeAccelerator(ends=False))
    accelerator.load(stub.program(TINY, SHAPE))
    accelerator.write_inputs(some_input())
    with pytest.raises(ResarrayError, match=r"did not end within 0\.01 s"):
        accelerator.run(timeout=0.01)


def test_nothing_of_a_program_that_did_not_end_is_taken_for_the_next():
    board = FakeAccelerator(ends=False)
    accelerator = opened(board)
    program, first, second = stub.program(TINY, SHAPE), some_input(), some_input() ^ 1
    accelerator.load(program)
    accelerator.write_inputs(first)
    with pytest.raises(ResarrayError, match="did not end"):
        accelerator.run(timeout=0.01)
    board.ends = True
    for call in (lambda: accelerator.write_inputs(second), accelerator.run):
        with pytest.raises(ResarrayError, match=r"did not end: call load\(\) again"):
            call()
    accelerator.load(program)
    assert board.resets == 2
    accelerator.write_inputs(second)
    accelerator.run()
    np.testing.assert_array_equal(accelerator.tensors()["copy"], stub.expected(second))


def test_a_lost_reset_is_repeated():
    board = FakeAccelerator(deaf=2)
    opened(board)
    assert board.resets == 1
    with pytest.raises(ResarrayError, match="the board does not reset"):
        opened(FakeAccelerator(deaf=99))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"accelerator": None}, "accelerator"),
        ({"baud": 0}, "baud"),
        ({"baud": "x"}, "baud"),
        ({"memory": {}}, "memory.base"),
        ({"memory": []}, "memory"),
        ({"config_hash": "x"}, "config_hash"),
        ({"accelerator": -4}, "accelerator"),
        ({"accelerator": True}, "accelerator"),
        ({"sys_clk": 1e-9}, "sys_clk"),
        ({"memory": DESCRIPTION["memory"] | {"registers": {}}}, "memory.registers.control"),
        ({"memory": DESCRIPTION["memory"] | {"init": [{}]}}, r"memory.init\[0\].address"),
        ({"memory": DESCRIPTION["memory"] | {"init": [1]}}, r"memory.init\[0\]"),
        ({"memory": DESCRIPTION["memory"] | {"size": 2**40}}, "memory.size"),
    ],
)
def test_description_that_is_none(tmp_path, change, field):
    path = tmp_path / "soc.json"
    path.write_text(json.dumps(DESCRIPTION))
    assert read_description(path) == DESCRIPTION
    path.write_text(json.dumps(DESCRIPTION | change))
    with pytest.raises(ResarrayError, match=rf"does not describe .* \(field '{field}'\)"):
        Accelerator.open("/dev/ttyNONE", path)


def test_edited_descriptions(tmp_path, monkeypatch):
    """One sentence, or a board that answers as described or does not."""
    seed = 9
    rng, path, refused = random.Random(seed), tmp_path / "soc.json", 0
    monkeypatch.setattr(memory.time, "sleep", lambda seconds: None)
    for number in range(300):
        description = copy.deepcopy(DESCRIPTION)
        what = [edit(description, rng) for _ in range(rng.choice([1, 1, 2]))]
        path.write_text(json.dumps(description))
        try:
            opened(FakeAccelerator(), read_description(path))
        except ResarrayError:
            refused += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}, edit {number}: {what}") from error
    assert refused > 100


@pytest.mark.parametrize("text", ["[]", "null", "1"])
def test_description_of_another_kind(tmp_path, text):
    path = tmp_path / "soc.json"
    path.write_text(text)
    with pytest.raises(ResarrayError, match=r"\(field 'everything'\)"):
        read_description(path)


@pytest.mark.parametrize(
    "make", [lambda: opened(FakeAccelerator()), lambda: Accelerator.open("sim")]
)
def test_order_of_calls(make):
    accelerator = make()
    with pytest.raises(ResarrayError, match=r"call load\(\) first"):
        accelerator.write_inputs(some_input())
    accelerator.load(stub.program(TINY, SHAPE))
    with pytest.raises(ResarrayError, match=r"call write_inputs\(\) first"):
        accelerator.run()
    with pytest.raises(ResarrayError, match="an input is int8"):
        accelerator.write_inputs(np.zeros((1, 4, 3, 4), np.int8))


def test_simulation_behind_the_same_interface():
    from resarray.compiler.compile import compile_graph
    from resarray.golden import fast
    from tests.compiler.reference import Builder

    b = Builder(5, (3, 6, 6))
    b.conv("x", 6, (3, 3), padding=(1, 1, 1, 1))
    x = b.input()[None]
    with Accelerator.open("sim") as accelerator:
        accelerator.load(compile_graph(b.graph, TINY))
        accelerator.write_inputs(x)
        accelerator.run()
        found = accelerator.tensors()
        np.testing.assert_array_equal(found[b.graph.output], fast.run(b.graph, x)[b.graph.output])
        assert accelerator.counters()["CYCLES"] > 0


def test_port_that_is_not_there():
    pytest.importorskip("serial")
    with pytest.raises(ResarrayError, match="cannot open port '/dev/ttyNONE'"):
        Accelerator.open("/dev/ttyNONE", DESCRIPTION)
    with pytest.raises(ResarrayError, match="no description of the board"):
        Accelerator.open("/dev/ttyNONE")


def test_host_code_does_without_torch():
    code = "import sys, resarray.fpga.host.accelerator; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
