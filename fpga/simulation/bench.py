"""Testbench that cocotb runs inside the simulated board: its serial pins are a pseudo terminal.

The environment gives the file descriptors ``RESARRAY_PTY`` (the terminal's other end) and
``RESARRAY_STOP`` (a pipe; the simulation ends when it is closed), and ``RESARRAY_BAUD``. Writes
``violations.json`` at the end: the rules that were broken, of the memory chip and of the
accelerator.
"""

import json
import os
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer

CRYSTAL_PS = 40_000
RESET_PS = 2_000_000
START_PS = 5_000_000  # for the clocks to lock
IDLE_PS = 5_000_000  # between looks at an idle terminal


def read_now(descriptor: int, size: int) -> bytes | None:
    """What can be read without waiting; None: nothing yet; empty: the other end is closed."""
    try:
        return os.read(descriptor, size)
    except BlockingIOError:
        return None


async def send(dut, descriptor: int, bit_ps: int) -> None:
    """From the terminal to the pin."""
    while True:
        data = read_now(descriptor, 4096)
        if not data:
            await Timer(IDLE_PS, unit="ps")
            continue
        for byte in data:
            # Start bit, eight bits from the least significant one, stop bit.
            frame = 1 << 9 | byte << 1
            level, length = 0, 0
            for i in range(10):
                bit = frame >> i & 1
                if bit != level:
                    await Timer(length * bit_ps, unit="ps")
                    length = 0
                if length == 0:
                    dut.serial_rx.value = level = bit
                length += 1
            await Timer(length * bit_ps, unit="ps")


async def receive(dut, descriptor: int, bit_ps: int) -> None:
    """From the pin to the terminal."""
    while True:
        await FallingEdge(dut.serial_tx)
        await Timer(bit_ps * 3 // 2, unit="ps")
        byte = 0
        for i in range(8):
            byte |= int(dut.serial_tx.value) << i
            await Timer(bit_ps, unit="ps")
        os.write(descriptor, bytes([byte]))


@cocotb.test()
async def run_board(dut):
    """The board from power-on until the host is done with it."""
    terminal, stop = (int(os.environ[f"RESARRAY_{name}"]) for name in ("PTY", "STOP"))
    bit_ps = round(1e12 / float(os.environ["RESARRAY_BAUD"]))
    os.set_blocking(terminal, False)
    os.set_blocking(stop, False)
    dut.reset.value = 1
    dut.serial_rx.value = 1
    Clock(dut.clk25, CRYSTAL_PS, unit="ps").start()
    await Timer(RESET_PS, unit="ps")
    dut.reset.value = 0
    await Timer(START_PS, unit="ps")
    cocotb.start_soon(send(dut, terminal, bit_ps))
    cocotb.start_soon(receive(dut, terminal, bit_ps))
    while read_now(stop, 1) is None:
        await Timer(IDLE_PS, unit="ps")
    Path("violations.json").write_text(
        json.dumps([int(dut.violations.value), int(dut.broken.value)])
    )
