"""COMPUTE engine: what enters the array, from loop counters, address generator and weights."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..spec import winograd
from ..spec.config import WEIGHT_SLOTS, Config
from ..spec.isa import Engine
from . import addresses
from .addresses import AddressGenerator
from .common import delay
from .layouts import INSTRUCTIONS, TABLE_WRITE, param_write, pixel_control
from .loops import PIXEL_LATENCY, LoopCounters
from .weight_sequencer import WeightSequencer


class ComputeEngine(wiring.Component):
    """Issues one pixel a cycle: the loop nest of COMPUTE in `resarray.spec.isa`.

    An accepted instruction starts loading its weights at once, while the loop counters are still
    busy with the one before: the weight sequencer runs as many k-tiles ahead as there are slots. So
    instructions follow each other without a gap as long as words, inputs and banks are there.

    Members
    -------
    i : In(stream of COMPUTE instructions)
    words : In(stream of words)   the weight FIFO
    read_addr, read_en : Out      input buffer, `addresses.LATENCY` cycles after the issue; beside
    control, slot : Out           it what accompanies that pixel, and where its weights are; which
    winograd, position : Out      position of a Winograd tile it is
    weight... : Out               the array's weight bus
    used, used_winograd : In      the last vector of a k-tile (of Winograd's) is in the array
    k_tile_end : Out              beside ``read_en``: it is that of the last one
    param, param_valid : Out(param_write)
    table_write, table_valid : Out(TABLE_WRITE)
    wait_weights : Out            no pixel for want of weights; with neither this nor ``read_en``
                                  there is no instruction
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(INSTRUCTIONS[Engine.COMPUTE])),
                "words": In(stream.Signature(8 * config.rows)),
                "read_addr": Out(range(config.input_words * config.rows)),
                "read_en": Out(1),
                "control": Out(pixel_control(config)),
                "slot": Out(range(WEIGHT_SLOTS)),
                "winograd": Out(1),
                "position": Out(range(winograd.POSITIONS)),
                "k_tile_end": Out(1),
                "used": In(1),
                "used_winograd": In(1),
                "weight": Out(config.operands.weight * config.rows),
                "weight_valid": Out(1),
                "weight_column": Out(range(config.columns)),
                "weight_slot": Out(range(WEIGHT_SLOTS)),
                "param": Out(param_write(config)),
                "param_valid": Out(1),
                "table_write": Out(TABLE_WRITE),
                "table_valid": Out(1),
                "wait_weights": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.weights = weights = WeightSequencer(config)
        m.submodules.loops = loops = LoopCounters(config)
        m.submodules.addresses = generator = AddressGenerator(config)

        # An instruction goes to the weight sequencer and to the loop counters in the same cycle.
        m.d.comb += [
            self.i.ready.eq(weights.ready & loops.i.ready),
            loops.i.valid.eq(self.i.valid & weights.ready),
            loops.i.payload.eq(self.i.payload),
            weights.start.eq(self.i.valid & loops.i.ready),
            weights.params.eq(self.i.payload.params),
            weights.table.eq(self.i.payload.table),
            weights.bank.eq(self.i.payload.bank),
            weights.k_tiles.eq(self.i.payload.k_tiles),
        ]
        if config.winograd:
            m.d.comb += weights.winograd.eq(self.i.payload.winograd)
        connect(m, flipped(self.words), weights.words)
        m.d.comb += [
            loops.loaded.eq(weights.loaded),
            weights.begin.eq(loops.first),
            weights.end.eq(self.used),
            weights.end_winograd.eq(self.used_winograd),
            generator.start.eq(loops.start),
            generator.instruction.eq(loops.next),
            generator.step.eq(loops.step),
            generator.last_k2.eq(loops.last_k2),
            generator.last_k1.eq(loops.last_k1),
            self.read_addr.eq(generator.addr),
            self.param.eq(weights.param),
            self.param_valid.eq(weights.param_valid),
            self.table_write.eq(weights.table_write),
            self.table_valid.eq(weights.table_valid),
        ]

        m.d.comb += [
            self.weight.eq(weights.weight),
            self.weight_valid.eq(weights.weight_valid),
            self.weight_column.eq(weights.weight_column),
            self.weight_slot.eq(weights.weight_slot),
        ]

        # K-tiles take the slots in the order in which they are loaded.
        next_slot, first_slot, slot = (
            Signal(range(WEIGHT_SLOTS), name=n) for n in ("next_slot", "first_slot", "slot")
        )
        first = delay(m, loops.first, 1, "first")
        tiled = delay(m, loops.winograd, 1, "tiled")
        begins = Mux(first, next_slot, first_slot)
        with m.If(first):
            m.d.sync += [
                first_slot.eq(next_slot),
                next_slot.eq(next_slot + Mux(tiled, winograd.POSITIONS, 1)),
            ]
        m.d.sync += slot.eq(begins + delay(m, loops.position, 1, "place"))
        m.d.comb += self.slot.eq(slot)

        # What goes with the pixel, in step with its address.
        flags = Cat(loops.waiting, loops.issue, loops.k_tile_end, loops.winograd, loops.position)
        m.d.comb += Cat(
            self.wait_weights, self.read_en, self.k_tile_end, self.winograd, self.position
        ).eq(delay(m, flags, addresses.LATENCY, "flags"))
        rest = Cat(loops.bank, delay(m, Cat(loops.clear, loops.end), 1, "ends"), loops.mark)
        m.d.comb += self.control.as_value().eq(
            Cat(
                delay(m, loops.issue, addresses.LATENCY, "valid"),
                delay(m, loops.pixel, addresses.LATENCY - PIXEL_LATENCY, "pixel"),
                delay(m, rest, addresses.LATENCY - 1, "rest"),
            )
        )
        return m
