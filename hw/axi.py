"""AXI4 and AXI4-Lite signatures: the subset that the accelerator uses (one ID, in order)."""

from amaranth.hdl import Module
from amaranth.lib.wiring import In, Out, Signature

from .common import signals


class AXI4(Signature):
    """AXI4 master port with ``data_bytes``-byte beats and 32-bit addresses.

    Incrementing bursts of whole beats only; no IDs, so all responses come in order.
    """

    def __init__(self, data_bytes: int):
        super().__init__(
            {
                "awvalid": Out(1),
                "awready": In(1),
                "awaddr": Out(32),
                "awlen": Out(8),
                "awsize": Out(3),
                "awburst": Out(2),
                "wvalid": Out(1),
                "wready": In(1),
                "wdata": Out(8 * data_bytes),
                "wstrb": Out(data_bytes),
                "wlast": Out(1),
                "bvalid": In(1),
                "bready": Out(1),
                "bresp": In(2),
                "arvalid": Out(1),
                "arready": In(1),
                "araddr": Out(32),
                "arlen": Out(8),
                "arsize": Out(3),
                "arburst": Out(2),
                "rvalid": In(1),
                "rready": Out(1),
                "rdata": In(8 * data_bytes),
                "rresp": In(2),
                "rlast": In(1),
            }
        )


def join(m: Module, reads, writes, bus) -> None:
    """``bus`` has the read channels of ``reads`` and the write channels of ``writes``, all AXI4."""
    reads, writes = signals(reads), signals(writes)
    for (name,), member, port in bus.signature.flatten(bus):
        end = (reads if name.startswith("r") or name.startswith("ar") else writes)[name]
        m.d.comb += port.eq(end) if member.flow == Out else end.eq(port)


class AXI4Lite(Signature):
    """AXI4-Lite master port with 32-bit data and ``address_bits``-bit addresses."""

    def __init__(self, address_bits: int):
        super().__init__(
            {
                "awvalid": Out(1),
                "awready": In(1),
                "awaddr": Out(address_bits),
                "wvalid": Out(1),
                "wready": In(1),
                "wdata": Out(32),
                "wstrb": Out(4),
                "bvalid": In(1),
                "bready": Out(1),
                "bresp": In(2),
                "arvalid": Out(1),
                "arready": In(1),
                "araddr": Out(address_bits),
                "rvalid": In(1),
                "rready": Out(1),
                "rdata": In(32),
                "rresp": In(2),
            }
        )
