"""Testbench that cocotb runs inside the simulator: one program after another.

Reads ``jobs.json`` in the working folder, a list of::

    {index, load_words, dump: [first, last], registers: {name: value}, hash, settings: {port of the
     harness: value}, watchdog_cycles, chunk_cycles, window, resets: [[cycle, cycles], ...],
     earlier: [{register: value}, ...]}

loads ``job<index>.mem``, runs it to the interrupt, dumps ``job<index>.dump`` and writes
``job<index>.json``: ``{registers: {name: value}, profile: [[...]], seconds, violations}`` or
``{error: sentence}``, after which no further job runs. ``progress.json`` tells where it is.
"""

import json
import os
import time
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, First, RisingEdge, Timer, ValueChange

from resarray.spec.isa import Engine
from resarray.spec.registers import (
    COUNTERS,
    ID,
    PROFILE_FIELDS,
    PROFILE_OFFSET,
    PROFILE_RECORD_BYTES,
    REGISTERS,
    STATUS_BUSY,
    STATUS_DONE,
    STATUS_ERROR,
    VERSION,
    describe_error,
)

PERIOD = 2  # simulator steps
RESET_CYCLES = 4
BUS_TIMEOUT = 1000  # cycles for one register access
# What moves in a program that is not stuck.
PROGRESS = ("READ_BEATS", "WRITE_BEATS", "BUSY", "FETCHED", *(f"DONE_{e.name}" for e in Engine))


class Failure(Exception):
    """The sentence that goes to the user."""


class Registers:
    """Register accesses through the harness's AXI4-Lite master."""

    def __init__(self, dut):
        self.dut = dut
        self.go = 0
        dut.access_go.value = 0

    async def _access(self, offset: int, write: int, data: int) -> None:
        dut = self.dut
        dut.access_address.value = offset
        dut.access_write.value = write
        dut.access_data.value = data
        self.go ^= 1
        dut.access_go.value = self.go
        await First(ValueChange(dut.access_done), Timer(BUS_TIMEOUT * PERIOD, unit="step"))
        if dut.access_done.value != self.go:
            raise Failure(
                f"the accelerator did not answer a register access within {BUS_TIMEOUT} cycles"
            )

    async def write(self, name: str, value: int) -> None:
        await self._access(REGISTERS[name].offset, 1, value)

    async def read_offset(self, offset: int) -> int:
        await self._access(offset, 0, 0)
        return self.dut.access_value.value.to_unsigned()

    async def read(self, name: str) -> int:
        return await self.read_offset(REGISTERS[name].offset)

    async def read_all(self) -> dict[str, int]:
        """Every readable register by name."""
        return {r.name: await self.read(r.name) for r in REGISTERS.values() if "r" in r.access}


def describe_hang(values: dict[str, int], cycles: int) -> str:
    """Sentence with every engine's state and how far it came, from the registers."""
    engines = []
    for engine in Engine:
        state = values[f"STATE_{engine.name}"]
        what = "waits for another engine" if state & 2 else "busy" if state & 1 else "idle"
        engines.append(
            f"{engine.name} {what}, {values[f'DONE_{engine.name}']} done, {state >> 8} queued"
        )
    return (
        f"the accelerator hangs: nothing moved for {cycles} cycles up to cycle "
        f"{values['CYCLES']}, {values['FETCHED']} of {values['PROG_COUNT']} instructions fetched; "
        + "; ".join(engines)
    )


def write_json(name: str, value: object) -> None:
    """Replace a file whole: the outer process reads it at any time."""
    Path(f".{name}").write_text(json.dumps(value))
    os.replace(f".{name}", name)


async def identify(registers: Registers, job: dict) -> None:
    """The design must be the one that the program was compiled for."""
    for name, expected in (("ID", ID), ("VERSION", VERSION)):
        value = await registers.read(name)
        if value != expected:
            raise Failure(
                f"register {name} reads {value:#x}, a resarray accelerator of this version has "
                f"{expected:#x}: rebuild the simulation"
            )
    found = await registers.read("HASH_LO") | await registers.read("HASH_HI") << 32
    if found != job["hash"]:
        raise Failure(
            f"the accelerator has configuration {found:016x}, the program was compiled for "
            f"{job['hash']:016x}: compile it for that preset"
        )


async def wait_for_interrupt(dut, registers: Registers, job: dict) -> None:
    """Sleep to the interrupt; now and then report progress and see that something moves."""
    chunk = min(job["chunk_cycles"], job["watchdog_cycles"])
    last, still = None, 0
    while dut.irq.value != 1:
        await First(RisingEdge(dut.irq), Timer(chunk * PERIOD, unit="step"))
        if dut.irq.value == 1:
            return
        moved = [await registers.read(name) for name in PROGRESS]
        write_json("progress.json", {"job": job["index"], "cycles": await registers.read("CYCLES")})
        still = still + chunk if moved == last else 0
        last = moved
        if still >= job["watchdog_cycles"]:
            raise Failure(describe_hang(await registers.read_all(), still))


async def strobe(dut, signal) -> None:
    """One clock cycle of ``signal``."""
    signal.value = 1
    await RisingEdge(dut.clk)
    signal.value = 0
    await RisingEdge(dut.clk)


async def start(registers: Registers, job: dict, changes: dict[str, int] | None = None) -> None:
    """Settings, with ``changes``, and start of the program."""
    for name, value in (job["registers"] | (changes or {})).items():
        await registers.write(name, value)
    await registers.write("CTRL", 1)
    status = await registers.read("STATUS")
    if status & STATUS_BUSY and status != STATUS_BUSY:
        raise Failure(f"STATUS is {status:#x} after a start: what the program before left")


async def run_job(dut, job: dict) -> dict:
    """One program from reset to dump."""
    for name, value in job["settings"].items():
        getattr(dut, name).value = value
    dut.job.value = job["index"]
    dut.window.value = job["window"]
    dut.load_words.value = job["load_words"]
    dut.dump_first.value, dut.dump_last.value = job["dump"]
    dut.rst.value = 1
    registers = Registers(dut)
    await strobe(dut, dut.load)
    for _ in range(RESET_CYCLES):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    await RisingEdge(dut.clk)

    await identify(registers, job)
    for index, (cycle, cycles) in enumerate(job["resets"]):
        await start(registers, job)
        await ClockCycles(dut.clk, cycle)
        dut.rst.value = 1
        registers = Registers(dut)  # at once: what it asked for last must not be asked for again
        await ClockCycles(dut.clk, cycles)
        dut.rst.value = 0
        await ClockCycles(dut.clk, 2)  # the harness is reset by then, the accelerator not yet
        # Now and then the next start comes at once instead.
        if index % 3 and (status := await registers.read("STATUS")):
            raise Failure(f"STATUS is {status:#x} after a reset")
    for settings in job["earlier"]:
        await start(registers, job, settings)
        await wait_for_interrupt(dut, registers, job)
        while await registers.read("STATUS") & STATUS_BUSY:
            pass
    started = time.monotonic()
    await start(registers, job)
    await wait_for_interrupt(dut, registers, job)
    seconds = time.monotonic() - started

    values = await registers.read_all()
    if values["STATUS"] & STATUS_ERROR and values["STATUS"] & STATUS_DONE:
        raise Failure(f"interrupt with STATUS {values['STATUS']:#x}: both done and error")
    if values["STATUS"] & STATUS_ERROR:
        raise Failure(describe_error(values))
    if not values["STATUS"] & STATUS_DONE:
        raise Failure(f"interrupt with STATUS {values['STATUS']:#x}: neither done nor error")
    if values["FETCHED"] != values["PROG_COUNT"]:
        raise Failure(f"done with {values['FETCHED']} of {values['PROG_COUNT']} instructions")
    profile = [
        [
            await registers.read_offset(PROFILE_OFFSET + PROFILE_RECORD_BYTES * mark + 4 * field)
            for field in range(len(PROFILE_FIELDS))
        ]
        for mark in range(values["PROFILE_COUNT"])
    ]
    await strobe(dut, dut.dump)
    # A level: it has stayed until now, and goes with its leave.
    levels = [dut.irq.value]
    await registers.write("IRQ_ENABLE", 0)
    await registers.read("STATUS")
    if [*levels, dut.irq.value] != [1, 0]:
        raise Failure("the interrupt is no level, or IRQ_ENABLE does not enable it")
    return {
        "registers": {name: values[name] for name in (*COUNTERS, *PROGRESS)},
        "profile": profile,
        "seconds": seconds,
        "violations": dut.violations.value.to_unsigned(),
    }


@cocotb.test()
async def run_jobs(dut):
    """Every job in turn, up to the first that fails."""
    jobs = json.loads(Path("jobs.json").read_text())
    dut.rst.value = 1
    dut.load.value = dut.dump.value = dut.flip.value = dut.arm.value = dut.fault.value = 0
    Clock(dut.clk, PERIOD, unit="step").start()
    for job in jobs:
        name = f"job{job['index']}.json"
        try:
            write_json(name, await run_job(dut, job))
        except Failure as failure:
            write_json(name, {"error": str(failure)})
            return
