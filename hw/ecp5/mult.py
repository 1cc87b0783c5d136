"""MULT18X18D with its three registers."""

from amaranth.hdl import Cat, ClockSignal, Instance, Module, Signal, signed

BITS = 18
STAGES = ("INPUTA", "INPUTB", "PIPELINE", "OUTPUT")


def build(m: Module, unit) -> None:
    """The body of `resarray.hw.multiplier.Multiplier`."""
    a, b = Signal(signed(BITS)), Signal(signed(BITS))
    product = [Signal(name=f"p{i}") for i in range(2 * BITS)]
    # B comes from its pins where SOURCEB is 0; ecppack knows no other mode for that.
    # nextpnr takes its timing from the input and output registers alone: the pipeline register
    # must be set as well, or it reports a frequency that the block does not reach. The cascade
    # ports stay open.
    registers = {
        f"p_REG_{stage}_{pin}": f"{pin}0" for stage in STAGES for pin in ("CLK", "CE", "RST")
    }
    m.submodules.block = Instance(
        "MULT18X18D",
        **registers,
        p_SOURCEB_MODE="B_SHIFT",
        p_MULT_BYPASS="DISABLED",
        p_RESETMODE="SYNC",
        p_GSR="DISABLED",
        i_CLK0=ClockSignal(),
        i_CE0=1,
        i_RST0=0,
        i_SIGNEDA=1,
        i_SIGNEDB=1,
        i_SOURCEA=0,
        i_SOURCEB=0,
        **{f"i_A{i}": a[i] for i in range(BITS)},
        **{f"i_B{i}": b[i] for i in range(BITS)},
        **{f"o_P{i}": product[i] for i in range(2 * BITS)},
    )
    m.d.comb += [a.eq(unit.a), b.eq(unit.b), unit.product.eq(Cat(*product))]
