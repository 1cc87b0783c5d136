"""Testbench that cocotb runs inside the simulator: one fault after the other, each with a good run
behind it.

Reads ``cases.json`` in the working folder::

    {index, load_words, registers: {name: value}, window: [first, last], depth, cases: [case, ...]}

with the memory's contents in ``job<index>.mem``, all ``depth`` words of it; ``window`` are the
words that may be written. Keys of a case, all but ``patience`` optional::

    ports: {port of the harness: value}    of the memory, and its fault
    flips: [bit of the memory, ...]        turned around for this run
    registers: {name: value}               settings that differ
    again: [cycle, {name: value}]          another start with these settings, while the program runs
    reset: [cycle, cycles]                 the accelerator and its memory are reset
    patience: cycles without progress that count as a hang

Writes ``reference.dump``, the memory after a good run, and for each case a line of
``outcomes.jsonl`` (`Bench.outcome` has its keys), or ``{"error": sentence}`` where the accelerator
does not answer the host; ``progress.json`` tells where it is.
"""

import json
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, First, RisingEdge, Timer
from cocotb.utils import get_sim_time

from resarray.sim.bench import (
    PERIOD,
    PROGRESS,
    RESET_CYCLES,
    Failure,
    Registers,
    strobe,
    write_json,
)
from resarray.spec.isa import Engine
from resarray.spec.registers import STATUS_BUSY, STATUS_DONE

LIMIT = 1_000_000  # cycles of a run, whatever moves
REPORTED = ("ERROR_CAUSE", "ERROR_ENGINE", "ERROR_ADDR", "FETCHED", "PROG_COUNT")
NO_FAULT = {"fault": 0, "fault_at": 0, "fault_cycles": 0, "fault_response": 0}


class Bench:
    """The harness with one program in its memory."""

    def __init__(self, dut, job: dict):
        self.dut = dut
        self.job = job
        self.registers = Registers(dut)
        self.before: list[bytes] = []  # words of the memory, as text
        self.reference: list[bytes] = []

    async def reset(self, cycles: int = RESET_CYCLES) -> None:
        self.dut.rst.value = 1
        self.registers = Registers(self.dut)
        await ClockCycles(self.dut.clk, cycles)
        self.dut.rst.value = 0
        await ClockCycles(self.dut.clk, 2)

    async def start(self, changes: dict[str, int]) -> None:
        for name, value in (self.job["registers"] | changes).items():
            await self.registers.write(name, value)
        await self.registers.write("CTRL", 1)

    async def end(self, patience: int) -> list[int] | None:
        """Wait for the interrupt, or until nothing has moved for ``patience`` cycles; what has
        moved until then."""
        last = None
        for _ in range(0, LIMIT, patience):
            moved = await self.moved(patience)
            if moved is None or moved == last:
                break
            last = moved
        return last

    async def moved(self, patience: int) -> list[int] | None:
        """What has moved until ``patience`` cycles from now; None: the interrupt has come."""
        irq = self.dut.irq
        if irq.value == 0:
            await First(RisingEdge(irq), Timer(patience * PERIOD, unit="step"))
        return None if irq.value == 1 else [await self.registers.read(name) for name in PROGRESS]

    async def ended(self, patience: int) -> dict:
        """`outcome` after the interrupt, or where nothing moves, for ``patience`` cycles before it
        and as many behind it: a burst in flight has no answer then. A long LOAD from the scratchpad
        moves nothing either, and then goes on."""
        begin = get_sim_time("step")
        while True:
            last = await self.end(patience)
            found = await self.outcome()
            # One that moves for ever is busy.
            if not found["status"] & STATUS_BUSY or get_sim_time("step") > begin + LIMIT * PERIOD:
                return found
            moved = await self.moved(patience)
            if moved is not None and moved == last:
                return found

    async def words(self) -> list[bytes]:
        """The memory's contents."""
        await strobe(self.dut, self.dut.dump)
        text = Path(f"job{self.job['index']}.dump").read_bytes()
        return text.split()

    async def set_ports(self, ports: dict[str, int]) -> None:
        for name, value in ports.items():
            getattr(self.dut, name).value = value
        await RisingEdge(self.dut.clk)

    async def load(self) -> None:
        """The memory as at the beginning, all rules unbroken."""
        await strobe(self.dut, self.dut.load)

    async def flip(self, bits: list[int]) -> None:
        for bit in bits:
            self.dut.flip_bit.value = bit
            await strobe(self.dut, self.dut.flip)

    async def prepare(self) -> None:
        """Reset, and the memory after a good run."""
        dut, job = self.dut, self.job
        dut.job.value, dut.load_words.value = job["index"], job["load_words"]
        dut.dump_first.value, dut.dump_last.value = 0, job["depth"] - 1
        dut.window.value = 0
        await self.set_ports(job["ports"] | NO_FAULT)
        await self.reset()
        await self.load()
        self.before = await self.words()
        assert len(self.before) == job["depth"]
        await self.start({})
        await self.end(job["patience"])
        self.reference = await self.words()
        self.registers_after = await self.registers.read_all()
        Path("reference.dump").write_bytes(b"\n".join(self.reference) + b"\n")
        write_json(
            "reference.json",
            {"registers": self.registers_after, "violations": dut.violations.value.to_unsigned()},
        )

    async def run(self, case: dict) -> dict:
        """One case, then a good run without any other remedy than a reset after a hang."""
        dut = self.dut
        await self.load()
        await self.flip(case.get("flips", []))
        await self.set_ports(self.job["ports"] | NO_FAULT | case.get("ports", {}))
        await strobe(dut, dut.arm)
        await self.start(case.get("registers", {}))
        if "again" in case:
            cycle, changes = case["again"]
            await ClockCycles(dut.clk, cycle)
            await self.start(changes)
        if "reset" in case:
            cycle, cycles = case["reset"]
            await ClockCycles(dut.clk, cycle)
            await self.reset(cycles)
            found = await self.outcome()
        else:
            found = await self.ended(case["patience"])
        await self.flip(case.get("flips", []))
        after = await self.words()
        first, last = self.job["window"]
        found["outside"] = sum(
            a != b
            for part in (slice(first), slice(last + 1, None))
            if after[part] != self.before[part]
            for a, b in zip(after[part], self.before[part], strict=True)
        )
        found["exact"] = after[first : last + 1] == self.reference[first : last + 1]

        found["ignored"] = True
        if found["status"] & STATUS_BUSY:
            # As documented: a start is ignored, a reset ends it.
            await self.registers.write("CTRL", 1)
            found["ignored"] = await self.registers.read("STATUS") == found["status"]
        await self.set_ports(self.job["ports"] | NO_FAULT)
        if found["status"] & STATUS_BUSY:
            await self.reset()
            found["status_after_reset"] = await self.registers.read("STATUS")
        await self.load()
        await self.start({})
        await self.end(self.job["patience"])
        found["next"] = (
            await self.registers.read("STATUS") == STATUS_DONE
            and await self.words() == self.reference
            and dut.violations.value.to_unsigned() == 0
        )
        return found

    async def outcome(self) -> dict:
        """What a host can know after a run, and what was seen at the memory port::

        status, irq, registers: {name: value} of REPORTED, states: [STATE of each engine]
        reads, writes: bursts in flight; violations; bad_burst: see the harness
        """
        dut, registers = self.dut, self.registers
        irq = int(dut.irq.value)
        status = await registers.read("STATUS")
        found = {
            "status": status,
            "irq": irq,
            "registers": {name: await registers.read(name) for name in REPORTED},
        }
        if status & STATUS_BUSY:
            found["states"] = [await registers.read(f"STATE_{e.name}") for e in Engine]
        for name in ("reads", "writes", "violations", "bad_burst"):
            found[name] = getattr(dut, name).value.to_unsigned()
        return found


@cocotb.test()
async def run_cases(dut):
    """Every case in turn."""
    job = json.loads(Path("cases.json").read_text())
    dut.rst.value = 1
    for strobes in (dut.load, dut.dump, dut.flip, dut.arm):
        strobes.value = 0
    Clock(dut.clk, PERIOD, unit="step").start()
    bench = Bench(dut, job)
    await bench.prepare()
    with open("outcomes.jsonl", "w") as file:
        for index, case in enumerate(job["cases"]):
            try:
                found = await bench.run(case)
            except Failure as failure:
                found = {"error": str(failure)}
                await bench.set_ports(job["ports"] | NO_FAULT)
                await bench.reset()
            file.write(json.dumps(found) + "\n")
            file.flush()
            write_json("progress.json", {"job": index, "cycles": 0})
