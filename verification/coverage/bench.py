"""Testbench that cocotb runs inside the simulator: register accesses and wild programs.

Reads ``steps.json`` in the working folder, and ``job0.mem``, the memory's contents::

    {load_words, steps: [{ports: {port of the harness: value}, accesses: [[offset, write, data],
     ...], registers: {name: value}, cycles, reset}, ...]}

Each step makes the accesses, starts a program, waits for its interrupt or ``cycles``, and reads all
registers; what still runs, or has ``reset``, is reset. Writes ``outcomes.json``: of each step its
registers and ``violations``.
"""

import json
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, First, RisingEdge, Timer

from resarray.sim.bench import PERIOD, RESET_CYCLES, Registers, strobe, write_json
from resarray.spec.registers import STATUS_BUSY


async def reset(dut) -> Registers:
    dut.rst.value = 1
    registers = Registers(dut)
    await ClockCycles(dut.clk, RESET_CYCLES)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 2)
    return registers


async def run_step(dut, registers: Registers, step: dict) -> tuple[Registers, dict]:
    for name, value in step["ports"].items():
        getattr(dut, name).value = value
    await strobe(dut, dut.load)
    await strobe(dut, dut.arm)
    for offset, write, data in step["accesses"]:
        await registers._access(offset, write, data)
    for name, value in step["registers"].items():
        await registers.write(name, value)
    await registers.write("CTRL", 1)
    await First(RisingEdge(dut.irq), Timer(step["cycles"] * PERIOD, unit="step"))
    found = await registers.read_all()
    # After an error transactions that are on their way still end.
    for _ in range(20):
        if not await registers.read("STATUS") & STATUS_BUSY:
            break
    else:
        step["reset"] = True
    found["violations"] = dut.violations.value.to_unsigned()
    return (await reset(dut) if step["reset"] else registers), found


@cocotb.test()
async def run_steps(dut):
    """Every step in turn."""
    job = json.loads(Path("steps.json").read_text())
    for signal in (dut.load, dut.dump, dut.flip, dut.arm, dut.window, dut.job):
        signal.value = 0
    dut.load_words.value = job["load_words"]
    Clock(dut.clk, PERIOD, unit="step").start()
    registers = await reset(dut)
    outcomes = []
    for step in job["steps"]:
        registers, found = await run_step(dut, registers, step)
        outcomes.append(found)
    write_json("outcomes.json", outcomes)
