"""``python widen.py``: random bursts through `AXIWiden`, in Migen's simulator; 0 where all fit.

A process of its own: LiteX and Migen warn while they are imported.
"""

import random

from litex.soc.interconnect.axi import AXIInterface
from migen import Module, passive, run_simulation

from resarray.fpga.soc.accelerator import AXIWiden

NARROW, WIDE, SIZE = 4, 16, 1024  # bytes
BURSTS = 40


def bursts(seed: int) -> list[tuple[int, list[int]]]:
    """Byte address and words of each."""
    rng = random.Random(seed)
    made = []
    for _ in range(BURSTS):
        beats = rng.randint(1, 9)
        address = NARROW * rng.randrange(SIZE // NARROW - beats)
        made.append((address, [rng.getrandbits(8 * NARROW) for _ in range(beats)]))
    return made


def put(endpoint, rng, **fields):
    """Offer one beat after a random pause, until it is taken."""
    for _ in range(rng.choice((0, 0, 1, 3))):
        yield
    for name, value in fields.items():
        yield getattr(endpoint, name).eq(value)
    yield endpoint.valid.eq(1)
    yield
    while not (yield endpoint.ready):
        yield
    yield endpoint.valid.eq(0)


def get(endpoint, rng, *fields):
    """Take one beat after a random pause."""
    for _ in range(rng.choice((0, 0, 1, 3))):
        yield
    yield endpoint.ready.eq(1)
    yield
    while not (yield endpoint.valid):
        yield
    values = []
    for name in fields:
        values.append((yield getattr(endpoint, name)))
    yield endpoint.ready.eq(0)
    return values


def addresses(channel, work, rng):
    for address, words in work:
        yield from put(channel, rng, addr=address, len=len(words) - 1, size=2, burst=1)


def write_data(channel, work, rng):
    for _, words in work:
        for i, word in enumerate(words):
            yield from put(channel, rng, data=word, strb=15, last=i == len(words) - 1)


def write_responses(channel, work, rng):
    for _ in work:
        yield from get(channel, rng, "resp")


def read_data(channel, work, rng, wrong):
    for number, (_, words) in enumerate(work):
        for i, word in enumerate(words):
            data, last = yield from get(channel, rng, "data", "last")
            if data != word or last != (i == len(words) - 1):
                wrong.append((number, i, hex(data), hex(word), last))


@passive
def memory_writes(bus, memory, rng):
    while True:
        address, beats = yield from get(bus.aw, rng, "addr", "len")
        for i in range(beats + 1):
            data, strobe, _ = yield from get(bus.w, rng, "data", "strb", "last")
            base = (address + NARROW * i) // WIDE * WIDE
            for byte in range(WIDE):
                if strobe >> byte & 1:
                    memory[base + byte] = data >> 8 * byte & 0xFF
        yield from put(bus.b, rng, resp=0)


@passive
def memory_reads(bus, memory, rng):
    while True:
        address, beats = yield from get(bus.ar, rng, "addr", "len")
        for i in range(beats + 1):
            base = (address + NARROW * i) // WIDE * WIDE
            data = int.from_bytes(memory[base : base + WIDE], "little")
            yield from put(bus.r, rng, data=data, last=i == beats)


def run(seed: int) -> list:
    """What was wrong."""
    expected, memory, wrong = bytearray(SIZE), bytearray(SIZE), []
    work = bursts(seed)
    for address, words in work:
        for i, word in enumerate(words):
            at = address + NARROW * i
            expected[at : at + NARROW] = word.to_bytes(NARROW, "little")
    narrow, wide = AXIInterface(data_width=8 * NARROW), AXIInterface(data_width=8 * WIDE)
    top = Module()
    top.submodules.widen = AXIWiden(narrow, wide)
    rngs = [random.Random(seed + i) for i in range(8)]
    run_simulation(
        top,
        [
            addresses(narrow.aw, work, rngs[0]),
            write_data(narrow.w, work, rngs[1]),
            write_responses(narrow.b, work, rngs[2]),
            memory_writes(wide, memory, rngs[3]),
        ],
    )
    if memory != expected:
        wrong.append("memory differs")
    again = [
        (
            address,
            [
                int.from_bytes(memory[at : at + NARROW], "little")
                for at in range(address, address + NARROW * len(words), NARROW)
            ],
        )
        for address, words in work
    ]
    narrow, wide = AXIInterface(data_width=8 * NARROW), AXIInterface(data_width=8 * WIDE)
    top = Module()
    top.submodules.widen = AXIWiden(narrow, wide)
    run_simulation(
        top,
        [
            addresses(narrow.ar, again, rngs[4]),
            read_data(narrow.r, again, rngs[5], wrong),
            memory_reads(wide, memory, rngs[6]),
        ],
    )
    return wrong


if __name__ == "__main__":
    for seed in range(5):
        wrong = run(seed)
        assert not wrong, (seed, wrong[:3])
