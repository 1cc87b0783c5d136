"""DP16KD with its output register, as many side by side as a word needs."""

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal

from ...spec.errors import ResarrayError

PORT_BITS = 18
ADDRESS_BITS = 14
# Data width of a block by its depth. Side by side only: no multiplexer behind the output register.
WIDTHS = {512: 36, 1024: 18, 2048: 9, 4096: 4, 8192: 2, 16384: 1}


def tile_width(depth: int) -> int:
    """Bits of a word that one block holds."""
    for most, width in WIDTHS.items():
        if depth <= most:
            return width
    raise ResarrayError(
        f"a memory of {depth:,} words is too deep for the ECP5's block RAM: at most "
        f"{max(WIDTHS):,} are allowed; choose a smaller input buffer (input_words), scratchpad "
        "(scratch_words) or FIFO"
    )


def build(m: Module, unit) -> None:
    """The body of `resarray.hw.memory.Ram`: writes on port A, reads on port B."""
    width = tile_width(unit.depth)
    outputs = []
    for low in range(0, unit.width, width):
        data = Signal(width, name=f"data{low}")
        m.d.comb += data.eq(unit.write_data[low : low + width])
        block, output = _block(width, unit, data, f"q{low}")
        m.submodules[f"block{low // width}"] = block
        outputs.append(output)
    m.d.comb += unit.read_data.eq(Cat(*outputs))


def _block(width: int, unit, data: Signal, name: str):
    """One DP16KD and its ``width`` bits of output. An address counts single bits, so a wide word's
    lowest address pins are free; two or four of them enable the bytes of a write."""
    double = width > PORT_BITS
    free = {36: 5, 18: 4, 9: 3, 4: 2, 2: 1, 1: 0}[width]
    enables = {36: 4, 18: 2}.get(width, 0)
    write_bits = unit.write_en.replicate(enables) if double else Const((1 << enables) - 1, enables)
    pins = {}

    def connect(prefix: str, count: int, value) -> None:
        padded = Cat(value, Const(0, count))
        pins.update({f"i_{prefix}{i}": padded[i] for i in range(count)})

    connect("ADA", ADDRESS_BITS, Cat(write_bits, Const(0, free - enables), unit.write_addr))
    connect("ADB", ADDRESS_BITS, Cat(Const(0, free), unit.read_addr))
    connect("DIA", PORT_BITS, data[:PORT_BITS])
    connect("DIB", PORT_BITS, data[PORT_BITS:])
    ports = {p: [Signal(name=f"{name}_{p}{i}") for i in range(PORT_BITS)] for p in "ab"}
    for p, bits in ports.items():
        pins.update({f"o_DO{p.upper()}{i}": bit for i, bit in enumerate(bits)})
    # A word of 36 bits has its lower half on port A, for reads too.
    output = Cat(*ports["a"], *ports["b"]) if double else Cat(*ports["b"][:width])
    # In its widest mode a block writes by byte enables alone.
    write_enable = Const(1, 1) if double else unit.write_en
    block = Instance(
        "DP16KD",
        p_DATA_WIDTH_A=width,
        p_DATA_WIDTH_B=width,
        p_REGMODE_A="OUTREG",
        p_REGMODE_B="OUTREG",
        p_RESETMODE="SYNC",
        p_ASYNC_RESET_RELEASE="SYNC",
        p_GSR="DISABLED",
        p_CSDECODE_A="0b000",
        p_CSDECODE_B="0b000",
        p_WRITEMODE_A="NORMAL",
        p_WRITEMODE_B="NORMAL",
        i_CLKA=ClockSignal(),
        i_CEA=1,
        i_OCEA=1,
        i_WEA=write_enable,
        i_RSTA=0,
        i_CLKB=ClockSignal(),
        i_CEB=1,
        i_OCEB=1,
        i_WEB=0,
        i_RSTB=0,
        **{f"i_CS{p}{i}": 0 for p in "AB" for i in range(3)},
        **pins,
    )
    return block, output
