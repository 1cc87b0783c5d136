"""The memory port: arbiter for reads, STORE for writes. AXI4's rules, and the windows.

The slave that is assumed keeps AXI4's rules too: data and responses only for what it has taken, in
order, the last beat marked.
"""

from amaranth.hdl import Assert, Assume, Cat, Module, Mux, Signal
from amaranth.lib.data import StructLayout, View
from amaranth.utils import exact_log2

from resarray.hw.arbiter import ReadArbiter
from resarray.hw.layouts import ADDR_BITS, BURST
from resarray.hw.store import MAX_WRITES, StoreEngine
from resarray.spec.registers import ErrorCause

from ..contracts import fifo, splitter, whole_pattern
from ..harness import Harness, constant, offered, past
from ..properties import Edit, Induction, Property, Reachable
from ..units import SMALL

SHIFT = exact_log2(SMALL.rows)
LOW = exact_log2(SMALL.burst_words)
ENGINES = [0, 2, 1]  # of an arbiter with three clients
PAGE = 1 << 12
TAG = StructLayout({"client": range(len(ENGINES)), "last": 1, "addr": ADDR_BITS})


def settings(m: Module, unit, *names: str) -> None:
    """The window is one that a start accepts, and stays: `resarray.hw.settings`."""
    for name in ("mem_base", "mem_words", *names):
        value = getattr(unit, name)
        m.d.comb += Assume(value == constant(m, value, name))
    m.d.comb += [
        Assume(unit.mem_base[:12] == 0),
        Assume(unit.mem_base + (unit.mem_words << SHIFT) <= 1 << 32),
    ]


def within(burst):
    """That a burst has beats, and crosses no boundary: `BurstSplitter`."""
    return (burst.beats != 0) & (burst.addr[:LOW] + burst.beats <= SMALL.burst_words)


def inside(unit, addr, length, low=0):
    """That a burst on the bus, of ``length`` + 1 beats, lies in the words [low, mem_words), and so
    in the 32 bits of an address, and in one page of 4 KiB."""
    size = (length + 1) << SHIFT
    return (
        (addr >= unit.mem_base + (low << SHIFT))
        & (addr + size <= unit.mem_base + (unit.mem_words << SHIFT))
        & (addr[:12] + size <= PAGE)
        & (addr[:SHIFT] == 0)
    )


def keeps(m: Module, valid, ready, payload, name: str) -> None:
    """Assert that a channel's offer stays until it is taken."""
    payload = Cat(payload)
    waiting = past(m, valid & ~ready, f"{name}_waiting")
    m.d.comb += Assert(~waiting | (valid & (payload == past(m, payload, name))), f"{name} changes")


def stages(m: Module, harness: Harness, checks) -> None:
    """What is known of a burst in the second and third stage on its way to the bus."""
    inner, unit = harness.inner, harness.unit
    for valid, stage in (("valid1", "s1"), ("valid2", "s2"), ("valid3", "s3")):
        m.d.comb += Assert(~inner[valid] | within(inner[stage].burst))
    for valid, stage in (("valid2", "s2"), ("valid3", "s3")):
        s = inner[stage]
        bus_addr = (unit.mem_base + (s.burst.addr << SHIFT))[:32]
        m.d.comb += Assert(
            ~inner[valid] | ((s.end == s.burst.addr + s.burst.beats) & (s.bus_addr == bus_addr)),
            "a burst is somewhere else on the bus",
        )
    m.d.comb += [Assert(~inner["valid3"] | check) for check in checks]


def faults(m: Module, unit, cause: ErrorCause, bad, bad_addr, outside, burst) -> None:
    """Assert that a ``bad`` response a cycle before is told with ``cause`` and its burst's address,
    else a ``burst`` that was ``outside`` then; and nothing else."""
    error = unit.fault.payload
    told = Mux(
        bad,
        (error.cause == cause) & (error.addr == bad_addr << SHIFT),
        (error.cause == ErrorCause.OUTSIDE_WINDOW) & (error.addr == burst.addr << SHIFT),
    )
    m.d.comb += [
        Assert(unit.fault.valid == (bad | past(m, outside & ~unit.halt, "outside"))),
        Assert(~unit.fault.valid | told),
    ]


class Reads(Harness):
    """All about a read but whose it is."""

    def specify(self, m: Module, platform) -> None:
        unit, bus = self.unit, self.unit.bus
        settings(m, unit)
        for i, request in enumerate(unit.request):
            offered(m, request, f"request{i}")
            m.d.comb += Assume(~request.valid | within(request.payload))
        # The slave: bursts taken, and beats left of the oldest.
        waiting = Signal(range(SMALL.max_reads + 2))
        taken, step = bus.arvalid & bus.arready, bus.rvalid & bus.rready
        m.d.sync += waiting.eq(waiting + taken - (step & bus.rlast))
        m.d.comb += Assume(~bus.rvalid | (waiting != 0))

        late = Signal(3)  # cycles that data has waited
        m.d.sync += late.eq(Mux(bus.rvalid & ~bus.rready, late + 1, 0))

        # What is decided in one cycle begins in the next one and is on the bus in the third.
        halted = past(m, past(m, unit.halt, "halt"), "halted")
        stopped = past(m, unit.halt & unit.idle, "stopped")
        fault = self.inner["valid3"] & self.inner["s3"].outside
        issued = bus.arvalid & ~past(m, bus.arvalid & ~bus.arready, "waits")
        m.d.comb += [
            Assert(~bus.arvalid | inside(unit, bus.araddr, bus.arlen), "outside the window"),
            Assert(waiting + bus.arvalid <= SMALL.max_reads, "too many in flight"),
            Assert(late <= 2, "it does not take what it has asked for"),
            Assert(~unit.idle | ~(bus.arvalid | (waiting != 0)), "idle with reads in flight"),
            Assert(~(issued & halted), "a read begins after a halt"),
            Assert(~stopped | unit.idle, "a read begins when all seemed to have ended"),
            Assert(~past(m, fault, "fault") | (fault & ~issued), "a read begins after a fault"),
        ]
        keeps(m, bus.arvalid, bus.arready, [bus.araddr, bus.arlen], "ar")
        # What is issued is the burst in the third stage, whose tag goes with it.
        s3, tags = self.inner["s3"], self.inner["tags"]
        addr, beats = past(m, s3.burst.addr, "addr"), past(m, s3.burst.beats, "beats")
        m.d.comb += [
            Assert(issued == past(m, tags.i.valid, "issue"), "a read that has no tag"),
            Assert(~issued | (bus.araddr == (unit.mem_base + (addr << SHIFT))[:32])),
            Assert(~issued | (bus.arlen + 1 == beats)),
        ]
        # READY may wait for VALID, so VALID must not wait for READY.
        free = ~unit.halt & (tags.level != SMALL.max_reads)
        could = past(m, self.inner["valid3"] & ~s3.outside & free, "could")
        could = past(m, could & ~bus.arvalid, "could_begin")
        m.d.comb += Assert(~could | bus.arvalid, "a read waits for READY")
        # Faults, each in the cycle behind.
        tag = View(TAG, tags.o.payload)
        bad = past(m, step & (bus.rresp != 0), "bad")
        bad_addr = past(m, tag.addr, "bad_addr")
        faults(m, unit, ErrorCause.READ_RESPONSE, bad, bad_addr, fault, s3.burst)
        # Inside: a tag for each burst in flight; a grant is of a request that is there.
        grant, turn = self.inner["grant"], self.inner["turn"]
        m.d.comb += Assert((grant == 0) | ((grant == 1 << turn) & ~self.inner["valid1"]))
        m.d.comb += Assert(self.inner["occupied"] == (grant.any() | self.inner["valid1"]))
        m.d.comb += [Assert(~grant[i] | request.valid) for i, request in enumerate(unit.request)]
        stages(m, self, [s3.outside == (s3.end > unit.mem_words)])
        m.d.comb += Assert(tags.level == waiting + bus.arvalid)
        fifo(m, self, "tags.", SMALL.max_reads)


class Owner(Harness):
    """A burst granted at any moment is issued behind those granted before it, as it was, with its
    client in its tag; a beat goes to the client of the oldest tag, which goes with the last one.
    Between them is a `Fifo`, whose order is a property of its own."""

    def specify(self, m: Module, platform) -> None:
        unit, bus, inner = self.unit, self.unit.bus, self.inner
        for i, request in enumerate(unit.request):
            offered(m, request, f"request{i}")
        tags = inner["tags"]
        tag = View(TAG, tags.i.payload)
        under_way = Signal(3)  # bursts granted and not issued
        ahead, chosen = Signal.like(under_way), Signal()  # of the chosen one, which is under way
        burst, client = Signal(BURST), Signal(range(len(ENGINES)))
        granted, issued = Signal(), tags.i.valid
        m.d.comb += granted.eq(Cat(r.valid & r.ready for r in unit.request).any())
        m.d.sync += under_way.eq(under_way + granted - issued)
        m.d.comb += Assert(~issued | (under_way != 0), "a burst that nobody wanted")
        with m.If(chosen):
            m.d.sync += ahead.eq(ahead - issued)
            with m.If(issued & (ahead == 0)):
                m.d.sync += chosen.eq(0)
                m.d.comb += Assert(
                    (tag.client == client) & (tag.last == burst.last) & (tag.addr == burst.addr)
                )
        own = past(m, chosen & issued & (ahead == 0), "own")
        m.d.comb += Assert(~own | (bus.arvalid & (bus.arlen + 1 == past(m, burst.beats, "beats"))))
        for i, request in enumerate(unit.request):
            m.d.comb += Assume(~request.valid | within(request.payload))
            with m.If(request.valid & request.ready & self.choose & ~chosen):
                m.d.sync += [
                    chosen.eq(1),
                    client.eq(i),
                    burst.eq(request.payload),
                    ahead.eq(under_way - issued),
                ]

        head = View(TAG, tags.o.payload)
        step = bus.rvalid & bus.rready
        m.d.comb += [
            Assert(~bus.rready | tags.o.valid, "a beat without a tag"),
            Assert((tags.o.valid & tags.o.ready) == (step & bus.rlast), "a tag goes alone"),
        ]
        last = past(m, bus.rlast & head.last, "last")
        for i, data in enumerate(unit.data):
            m.d.comb += [
                Assert(data.valid == past(m, step & (head.client == i), f"step{i}")),
                Assert(~data.valid | (data.payload.word == past(m, bus.rdata, f"rdata{i}"))),
                Assert(~data.valid | (data.payload.last == last)),
            ]


class Writes(Harness):
    """All about a write but which words."""

    def specify(self, m: Module, platform) -> None:
        unit, bus, inner = self.unit, self.unit.bus, self.inner
        settings(m, unit, "write_words")
        offered(m, unit.i, "i")
        offered(m, unit.words, "words")
        whole_pattern(m, unit.i.payload)
        # The slave: bursts all of whose words it has and whose address, and no response yet.
        addressed, written = bus.awvalid & bus.awready, bus.wvalid & bus.wready
        started = bus.awvalid & ~past(m, bus.awvalid & ~bus.awready, "aw_waiting")
        to_write = Signal(9)  # words of the burst that began last
        addresses, bodies = Signal(5), Signal(5)
        response = bus.bvalid & bus.bready
        body = written & bus.wlast
        m.d.sync += [
            addresses.eq(addresses + addressed - response),
            bodies.eq(bodies + body - response),
        ]
        m.d.comb += Assume(~bus.bvalid | ((addresses != 0) & (bodies != 0)))
        length = Mux(started, bus.awlen + 1, to_write)
        m.d.sync += to_write.eq(length - written)
        late = Signal(3)  # cycles that a word is not there
        answered_late = Signal(3)  # cycles that a response is not taken
        m.d.sync += [
            late.eq(Mux((length != 0) & ~bus.wvalid, late + 1, 0)),
            answered_late.eq(Mux(bus.bvalid & ~bus.bready, answered_late + 1, 0)),
        ]

        s3 = inner["s3"]
        halted = past(m, past(m, unit.halt, "halt"), "halted")
        stopped = past(m, unit.halt & unit.idle, "stopped")
        fault = inner["valid3"] & (s3.above | s3.below)
        m.d.comb += [
            Assert(~bus.awvalid | inside(unit, bus.awaddr, bus.awlen, unit.write_words)),
            Assert(~started | (to_write == 0), "a burst begins within another"),
            Assert(~bus.wvalid | (length != 0), "a word too many"),
            Assert(~bus.wvalid | (bus.wlast == (length == 1)), "wrong last word"),
            Assert(bus.wstrb.all()),
            Assert(late <= 3, "a burst that has begun waits for the accelerator"),
            Assert(answered_late <= 3, "a response waits for the accelerator"),
            Assert(~unit.idle | ((addresses == 0) & (bodies == 0) & (length == 0) & ~bus.awvalid)),
            Assert(~(started & halted), "a write begins after a halt"),
            Assert(~stopped | unit.idle, "a write begins when all seemed to have ended"),
            Assert(~past(m, fault, "fault") | (fault & ~started), "a write begins after a fault"),
        ]
        # READY may wait for VALID, so VALID must not wait for READY; data: see `late`.
        there = inner["valid3"] & (inner["words"] >= s3.burst.beats)
        may = ~unit.halt & ~(s3.above | s3.below) & inner["tags"].i.ready
        could = past(m, there & may, "could")
        could = past(m, could & ~bus.awvalid & inner["free"], "could_begin")
        m.d.comb += Assert(~could | bus.awvalid, "a write waits for READY")
        # An instruction is done with the response to its last burst; faults in the cycle behind.
        tag = inner["tags"].o.payload
        bad = past(m, response & (bus.bresp != 0), "bad")
        bad_addr = past(m, tag[1:], "bad_addr")
        m.d.comb += Assert(unit.done == (response & tag[0]))
        faults(m, unit, ErrorCause.WRITE_RESPONSE, bad, bad_addr, fault, s3.burst)
        keeps(m, bus.awvalid, bus.awready, [bus.awaddr, bus.awlen], "aw")
        keeps(m, bus.wvalid, bus.wready, [bus.wdata, bus.wstrb, bus.wlast], "w")
        # Inside.
        stages(
            m,
            self,
            [s3.above == (s3.end > unit.mem_words), s3.below == (s3.burst.addr < unit.write_words)],
        )
        splitter(m, self, "splitter.", SMALL)
        tags = fifo(m, self, "tags.", MAX_WRITES)
        words = fifo(m, self, "fifo.", SMALL.output_words)
        relay, spared = inner["relay.self"], inner["relay.spared"]
        left, free, last = inner["left"], inner["free"], inner["last_word"]
        tagged = inner["tags"].i.valid  # a burst has begun, its tag is on its way
        m.d.comb += [
            Assert(tags + tagged == addresses + bus.awvalid),
            Assert(tags + tagged == bodies + (length != 0)),
            Assert(~tagged | (bus.awvalid & ~inner["valid3"])),
            Assert(free == (length == 0)),
            Assert(free | ((left == length) & (last == (length == 1)))),
            Assert(
                words + relay.o.valid + spared
                == inner["words"] + inner["minus"] + inner["added"] + length,
                "words without a burst",
            ),
            Assert(~spared | relay.o.valid),
            Assert(~inner["valid3"] | (inner["minus"] == 0)),
            Assert(~inner["enough"] | (there & ~(s3.above | s3.below))),
        ]


PROPERTIES = [
    Property(
        name="arbiter-bus",
        unit="arbiter.ReadArbiter",
        says="Whatever is asked for: no read leaves the window or crosses 4 KiB, none changes "
        "while it waits, none begins after a halt or a fault, which is told with its address; all "
        "data is taken at once; at most `max_reads` are in flight, and `idle` means none, with a "
        "halt for good.",
        build=lambda: Reads(ReadArbiter(SMALL, ENGINES), checks=False),
        method=Induction(4),
        twins=(
            Edit(
                "the window has one word more",
                "hw.arbiter",
                "less(self.mem_words, s2.end)",
                "less(self.mem_words + 1, s2.end)",
            ),
            Edit("its end wraps", "hw.arbiter", '"end": ADDR_BITS + 1', '"end": ADDR_BITS'),
            Edit(
                "it issues after a halt",
                "hw.arbiter",
                "~s3.outside & ~self.halt & (tags",
                "~s3.outside & (tags",
            ),
            Edit(
                "one more in flight",
                "hw.arbiter",
                "tags.level != self._config.max_reads",
                "tags.level <= self._config.max_reads",
            ),
            Edit(
                "a waiting read is replaced",
                "hw.arbiter",
                "with m.If(~bus.arvalid):",
                "with m.If(1):",
            ),
            Edit(
                "a read is issued while another waits",
                "hw.arbiter",
                "issue.eq(may & ~bus.arvalid)",
                "issue.eq(may)",
            ),
            Edit(
                "a last burst is somewhere else",
                "hw.arbiter",
                "bus.araddr.eq(s3.bus_addr)",
                "bus.araddr.eq(s3.bus_addr & ~s3.burst.last.replicate(32))",
            ),
            Edit(
                "VALID waits for READY",
                "hw.arbiter",
                "issue.eq(may & ~bus.arvalid)",
                "issue.eq(may & ~bus.arvalid & bus.arready)",
            ),
            Edit("a bad response is no fault", "hw.arbiter", "bad_data | outside", "outside"),
            Edit("what is outside is no fault", "hw.arbiter", "bad_data | outside", "bad_data"),
            Edit(
                "another address is told",
                "hw.arbiter",
                "data_addr.eq(head.addr)",
                "data_addr.eq(0)",
            ),
        ),
        quick=True,
    ),
    Property(
        name="arbiter-order",
        unit="arbiter.ReadArbiter",
        says="A burst's words go to the client that asked for it, in the order of the grants, "
        "unchanged and the last marked; none is lost, doubled or given to another.",
        build=lambda: Owner(ReadArbiter(SMALL, ENGINES), {"choose": 1}, checks=False),
        method=Reachable(),
        twins=(
            Edit(
                "the client before gets it",
                "hw.arbiter",
                "step & (head.client == i)",
                "step & (head.client == (i + 1) % count)",
            ),
            Edit(
                "every burst's last word is marked",
                "hw.arbiter",
                "last.eq(bus.rlast & head.last)",
                "last.eq(bus.rlast)",
            ),
        ),
    ),
    Property(
        name="store-bus",
        unit="store.StoreEngine",
        says="Whatever is stored: no write leaves [write_words, mem_words) or crosses 4 KiB, none "
        "changes while it waits; its words are as many as it says, the last one marked; once "
        "begun it never waits for the accelerator for more than 3 cycles; none begins after a halt "
        "or a fault, which is told with its address; the response to its last burst ends a STORE; "
        "`idle` means that all are answered, with a halt for good.",
        build=lambda: Writes(StoreEngine(SMALL), checks=False),
        method=Induction(7, twin_depth=30),
        twins=(
            Edit(
                "below the window",
                "hw.store",
                "less(s2.burst.addr, self.write_words)",
                "less(s2.burst.addr + 1, self.write_words)",
            ),
            Edit(
                "above the window",
                "hw.store",
                "less(self.mem_words, s2.end)",
                "less(self.mem_words, s2.burst.addr)",
            ),
            Edit(
                "the last word is not marked",
                "hw.store",
                "last_word.eq(s3.burst.beats == 1)",
                "last_word.eq(0)",
            ),
            Edit(
                "it begins without its words",
                "hw.store",
                "~less(words, s3.burst.beats)",
                "(words != 0)",
            ),
            Edit(
                "it begins after a halt",
                "hw.store",
                "& ~self.halt\n                & tags.i.ready",
                "& tags.i.ready",
            ),
            Edit(
                "VALID waits for READY",
                "hw.store",
                "enough & ~bus.awvalid &",
                "enough & ~bus.awvalid & bus.awready &",
            ),
            Edit(
                "every burst counts as done",
                "hw.store",
                "self.done.eq(response & tags.o.payload[0])",
                "self.done.eq(response)",
            ),
            Edit(
                "another address is told",
                "hw.store",
                "response_addr.eq(tags.o.payload[1:])",
                "response_addr.eq(tags.o.payload)",
            ),
        ),
    ),
]
