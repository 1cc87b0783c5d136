"""Testbench that cocotb runs inside the simulator: the quick suite on one mutant after another.

Reads ``jobs.json`` in the working folder::

    {mutants: [[name, number, [scenario, ...]], ...], keep: false, scenarios: [{name, index,
     load_words, ports: {name: value}, limit, steps: [[kind, ...], ...], expected: [...] or null},
     ...]}

A mutant meets those scenarios in their order; what its steps show (see `Run`) is compared with what
is expected, and the first difference ends it. Each mutant appends a line to ``results.jsonl``:
``[name, scenario, kind]`` of the first difference, or ``[name, null, null]``. ``running`` holds the
name of the mutant that runs: should the simulator itself fail, it was that one. With ``keep``, what
all scenarios show goes to ``shown.json``, by scenario, and nothing is compared.
"""

import hashlib
import json
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, First, RisingEdge, Timer, ValueChange
from cocotb.utils import get_sim_time

from resarray.spec.registers import COUNTERS, PROFILE_FIELDS, REGISTERS, STATUS_BUSY

PERIOD = 2  # simulator steps
RESET_CYCLES = 4
BUS_TIMEOUT = 600  # cycles for one register access
POLLS = 60  # reads of STATUS while it should become idle


class Differs(Exception):
    """Something is not as expected; its argument says of what kind that is."""


class Run:
    """One scenario on one mutant. A step is a list: its kind, and what `steps`' function of that
    name takes."""

    def __init__(self, dut, scenario: dict):
        self.dut, self.scenario = dut, scenario
        self.expected = scenario["expected"]
        self.shown: list = []
        self.go = 0

    def show(self, kind: str, value: object) -> None:
        """``value`` is what the next step that shows something should show."""
        if self.expected is not None and self.expected[len(self.shown)] != value:
            raise Differs(kind)
        self.shown.append(value)

    async def run(self) -> None:
        dut = self.dut
        for name, value in self.scenario["ports"].items():
            getattr(dut, name).value = value
        dut.job.value = self.scenario["index"]
        dut.load_words.value = self.scenario["load_words"]
        dut.address_wait.value = dut.data_wait.value = dut.answer_wait.value = 0
        dut.twice.value = 0
        dut.access_go.value = 0
        dut.rst.value = 1
        # What the scenario before has left is gone before anything is counted.
        await ClockCycles(dut.clk, RESET_CYCLES)
        await self._strobe(dut.load)
        dut.rst.value = 0
        await ClockCycles(dut.clk, 2)
        for step, (kind, *arguments) in enumerate(self.scenario["steps"]):
            self.step = step
            await getattr(self, kind)(*arguments)

    async def _strobe(self, signal) -> None:
        signal.value = 1
        await RisingEdge(self.dut.clk)
        signal.value = 0
        await RisingEdge(self.dut.clk)

    async def _access(self, offset: int, write: int, data: int, strobe: int) -> int:
        dut = self.dut
        dut.access_address.value = offset
        dut.access_write.value = write
        dut.access_data.value = data
        dut.access_strobe.value = strobe
        self.go ^= 1
        dut.access_go.value = self.go
        await First(ValueChange(dut.access_done), Timer(BUS_TIMEOUT * PERIOD, unit="step"))
        if dut.access_done.value != self.go:
            raise Differs("no answer")
        return dut.access_value.value.to_unsigned()

    async def _register(self, name: str) -> int:
        return await self._access(REGISTERS[name].offset, 0, 0, 0)

    # The steps.

    async def write(self, offset: int, value: int, strobe: int = 15) -> None:
        """A register."""
        await self._access(offset, 1, value, strobe)

    async def read(self, offset: int) -> None:
        """A register, and how long that took."""
        begin = get_sim_time("step")
        self.show("register", await self._access(offset, 0, 0, 0))
        self.show("latency", int(get_sim_time("step") - begin) // PERIOD)

    async def registers(self) -> None:
        """All that can be read: the counters last."""
        values = {
            r.name: await self._register(r.name) for r in REGISTERS.values() if r.access != "wo"
        }
        self.show("status", {n: v for n, v in values.items() if n not in COUNTERS})
        self.show("counters", [values[name] for name in COUNTERS])

    async def profile(self, offset: int, words: int) -> None:
        """The first ``words`` of the profile memory, at ``offset``, but for what lies behind the
        records, which is an earlier program's."""
        records = await self._register("PROFILE_COUNT")
        words = min(words, records * len(PROFILE_FIELDS))
        values = [await self._access(offset + 4 * i, 0, 0, 0) for i in range(words)]
        self.show("profile", values)

    async def waits(self, address: int, data: int, answer: int, twice: int = 0) -> None:
        """How much the accesses from now on dawdle, in cycles; whether reads come two at a time."""
        self.dut.twice.value = twice
        self.dut.address_wait.value = address
        self.dut.data_wait.value = data
        self.dut.answer_wait.value = answer

    async def irq(self) -> None:
        """The interrupt, within the scenario's limit of cycles."""
        dut = self.dut
        if dut.irq.value != 1:
            await First(RisingEdge(dut.irq), Timer(self.scenario["limit"] * PERIOD, unit="step"))
        if dut.irq.value != 1:
            raise Differs("hang")

    async def level(self) -> None:
        """Whether there is an interrupt."""
        self.show("interrupt", int(self.dut.irq.value))

    async def idle(self) -> None:
        """STATUS tells of no transactions any longer."""
        for _ in range(POLLS):
            if not await self._register("STATUS") & STATUS_BUSY:
                return
        raise Differs("hang")

    async def cycles(self, count: int) -> None:
        await ClockCycles(self.dut.clk, count)

    async def reset(self, count: int) -> None:
        """For so many cycles."""
        dut = self.dut
        dut.rst.value = 1
        self.go = 0
        dut.access_go.value = 0
        await ClockCycles(dut.clk, count)
        dut.rst.value = 0
        await ClockCycles(dut.clk, 2)

    async def memory(self, first: int, last: int) -> None:
        """These words of memory, as a digest; then what the ports broke."""
        dut = self.dut
        dut.dump_first.value, dut.dump_last.value = first, last
        path = Path(f"job{self.scenario['index']}.dump")
        await self._strobe(dut.dump)
        self.show("memory", hashlib.sha256(path.read_bytes()).hexdigest()[:16])
        self.show("protocol", [int(dut.violations.value), int(dut.breaches.value)])


async def judge(dut, scenarios: list[dict]) -> tuple[str | None, str | None]:
    """Scenario and kind of the first difference."""
    for scenario in scenarios:
        try:
            await Run(dut, scenario).run()
        except Differs as difference:
            return scenario["name"], str(difference)
    return None, None


@cocotb.test()
async def run_mutants(dut):
    """The quick suite on every mutant."""
    jobs = json.loads(Path("jobs.json").read_text())
    dut.rst.value = 1
    dut.load.value = dut.dump.value = 0
    Clock(dut.clk, PERIOD, unit="step").start()
    if jobs["keep"]:
        shown = {}
        dut.mutant.value = 0
        for scenario in jobs["scenarios"]:
            run = Run(dut, scenario)
            try:
                await run.run()
            except Differs as difference:
                run.shown.append(f"{difference} in step {run.step}")
            shown[scenario["name"]] = run.shown
        Path("shown.json").write_text(json.dumps(shown))
        return
    with open("results.jsonl", "a") as file:
        for name, number, wanted in jobs["mutants"]:
            Path("running").write_text(name)
            dut.mutant.value = number
            scenarios = [s for s in jobs["scenarios"] if s["name"] in wanted]
            print(json.dumps([name, *await judge(dut, scenarios)]), file=file, flush=True)
    Path("running").unlink(missing_ok=True)
