"""Events: what each cycle of a run counts for."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..spec.isa import WAITS, Engine
from .status import EVENTS

HANDSHAKE = wiring.Signature({"valid": Out(1), "ready": Out(1)})


class EventMonitor(wiring.Component):
    """Every running cycle is exactly one of busy, waiting for weights, for input, for the drain,
    and without an instruction. Memory is looked at in every cycle. Without delay.

    Members
    -------
    running : In
    busy, wait_weights : In   the array takes a pixel; it would, but for its weights
    blocked[side] : In        the next COMPUTE is held back by that wait (`isa.WAITS`)
    read_address, read_data, write_data : In(HANDSHAKE)   of the memory port
    events : Out(EVENTS)
    """

    running: In(1)
    busy: In(1)
    wait_weights: In(1)
    blocked: In(1).array(2)
    read_address: In(HANDSHAKE)
    read_data: In(HANDSHAKE)
    write_data: In(HANDSHAKE)
    events: Out(EVENTS)

    def elaborate(self, platform):
        m = Module()
        events = self.events
        blocked = dict(zip(WAITS[Engine.COMPUTE], self.blocked, strict=True))
        no_input, no_bank = blocked[Engine.LOAD], blocked[Engine.DRAIN]
        idle = self.running & ~self.busy & ~self.wait_weights
        m.d.comb += [
            events.cycles.eq(self.running),
            events.busy.eq(self.running & self.busy),
            events.wait_weights.eq(self.running & self.wait_weights),
            events.wait_load.eq(idle & no_input),
            events.wait_drain.eq(idle & ~no_input & no_bank),
            events.wait_instruction.eq(idle & ~no_input & ~no_bank),
            events.read_beats.eq(self.read_data.valid & self.read_data.ready),
            events.write_beats.eq(self.write_data.valid & self.write_data.ready),
            events.read_stalls.eq(self.read_address.valid & ~self.read_address.ready),
            events.write_stalls.eq(self.write_data.valid & ~self.write_data.ready),
        ]
        return m
