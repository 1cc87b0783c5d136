"""Winograd's transforms in front of the array and behind the accumulators are the matrices of
`resarray.spec.winograd`."""

from amaranth.hdl import Assert, Assume, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib.data import View

from resarray.hw import input_transform, output_transform, weight_transform
from resarray.hw.array import numbers_of
from resarray.hw.common import delay
from resarray.hw.input_transform import InputTransform
from resarray.hw.output_transform import STEPS, OutputTransform
from resarray.hw.weight_transform import WeightTransform
from resarray.spec import winograd
from resarray.spec.config import Config

from .. import lemmas
from ..harness import past
from ..pipeline import Inside, Pipeline, history
from ..properties import Edit, Induction, Property

# Two parts make a word.
CONFIG = Config(name="formal", rows=4, columns=4, lanes=2)
PARTS = CONFIG.block_groups
LAST = winograd.POSITIONS - 1
# Of accumulators here. Nothing is shifted down, so the lowest bits are those of any width.
ACC_BITS = 6


def dot(row, values) -> Value:
    """The sum of ``values`` times the whole numbers of ``row``, by shifts."""
    found: Value = Const(0)
    for factor, value in zip(map(int, row), values, strict=True):
        for bit in range(abs(factor).bit_length()):
            if abs(factor) >> bit & 1:
                found = found - (value << bit) if factor < 0 else found + (value << bit)
    return found


def _follows(place, before) -> Value:
    """That a vector's place, ``winograd`` and position, is that behind ``before``."""
    inside = before[0] & (before[1:] != LAST)
    first = ~place[0] | (place[1:] == 0)
    return (place[1:] <= LAST) & Mux(inside, place[0] & (place[1:] == before[1:] + 1), first)


def _differences(x: list) -> dict:
    """What the input transform makes of a tile's pixels first."""
    return {
        "x0_2": x[0] - x[2],
        "x4_2": x[4] - x[2],
        "x1_2": x[1] + x[2],
        "x3_4": x[3] + x[4],
        "x2_1": x[2] - x[1],
        "x3_4n": x[3] - x[4],
        "x3_1": x[3] - x[1],
        "x5_3": x[5] - x[3],
    }


class Inputs(Inside):
    """All pixels at all times, of tiles and of none, in any order. Assumed: a tile is not
    interrupted. Nothing is reset; from the start on the vectors before were 0."""

    def __init__(self):
        super().__init__(InputTransform(CONFIG))

    def specify(self, m: Module, platform) -> None:
        u = self.unit
        latency = input_transform.LATENCY
        vectors = history(m, u.vector, latency + LAST, "vector")
        places = history(m, Cat(u.winograd, u.position), latency, "place")
        tiled, at = places[latency][0], places[latency][1:]
        m.d.comb += Assume(_follows(places[0], places[1]))
        found = numbers_of(u.transformed, CONFIG.operands.activation)
        channels = [numbers_of(vector) for vector in vectors]
        known = history(m, Const(1), latency, "known")
        for i, number in enumerate(found):
            m.d.comb += Assert(~known[latency] | tiled | (number == channels[latency][i]))
            for p, row in enumerate(winograd.INPUT):
                pixels = [channels[latency + p - q][i] for q in range(winograd.POSITIONS)]
                m.d.comb += Assert(~tiled | (at != p) | (number == dot(row, pixels)))

        # Inside.
        asked = [
            Cat(
                *(place[0] & (place[1:] == p) for p in range(winograd.POSITIONS)),
                since & ~place[0],
            )
            for place, since in zip(places, known, strict=True)
        ]
        for i in range(latency):
            m.d.comb += Assert(_follows(places[i], places[i + 1]))
        for i in range(winograd.POSITIONS):
            m.d.comb += [
                Assert(self.inner[f"pixels{i}"] == vectors[i + 1]),
                Assert(self.register(m, f"asked_d{i + 1}") == asked[i + 1]),
            ]
        stage = winograd.POSITIONS + 1
        m.d.comb += Assert(self.register(m, "plain_d1") == vectors[stage])
        for i in range(CONFIG.rows):
            m.d.comb += [
                Assert(self.inner[f"complete{i}"] == asked[1][LAST]),
                Assert(self.inner[f"asked{i}"] == asked[stage]),
            ]
            for p in range(winograd.POSITIONS):
                x = [channels[stage + p - q][i] for q in range(winograd.POSITIONS)]
                for name, value in _differences(x).items():
                    found = self.register(m, f"{name}_{i}")
                    m.d.comb += Assert(~asked[stage][p] | (found == value))


class Weights(Pipeline):
    """Words at all times, alone and in threes. Assumed: none is whole within the six cycles behind
    a third one."""

    def __init__(self):
        super().__init__(WeightTransform(CONFIG), weight_transform.LATENCY)

    def specify(self, m: Module, platform) -> None:
        u, inner = self.unit, self.inner
        latest, before = (Signal.like(u.word, name=n, reset_less=True) for n in ("latest", "older"))
        with m.If(u.take):
            m.d.sync += [latest.eq(u.word), before.eq(latest)]
        whole = u.take & (u.last | ~u.winograd)
        since = Signal(range(winograd.POSITIONS), init=LAST)
        with m.If(whole & u.winograd):
            m.d.sync += since.eq(0)
        with m.Elif(since != LAST):
            m.d.sync += since.eq(since + 1)
        m.d.comb += Assume(~whole | (since == LAST))

        # The words that leave from the next cycle on, but for the rest of the latency.
        row = [Signal.like(u.word, name=f"row{k}", reset_less=True) for k in range(winograd.TAPS)]
        several, column, slot = (
            Signal.like(x, name=f"{n}_spec", reset_less=True)
            for n, x in (("several", u.winograd), ("column", u.column), ("slot", u.slot))
        )
        active, position = Signal(), Signal(range(winograd.POSITIONS))
        with m.If(whole):
            words = Mux(u.winograd, before, u.word), latest, u.word
            m.d.sync += [
                *(register.eq(word) for register, word in zip(row, words, strict=True)),
                several.eq(u.winograd),
                column.eq(u.column),
                slot.eq(u.slot),
                active.eq(1),
                position.eq(0),
            ]
        with m.Elif(several & (position != LAST)):
            m.d.sync += position.eq(position + 1)
        with m.Else():
            m.d.sync += active.eq(0)
        place = Signal.like(Cat(u.column, u.slot))
        m.d.comb += place.eq(Cat(column, (slot + position)[: len(slot)]))
        rest = self.latency - 1
        self.equal(m, u.weight_valid, active, rest, "valid")
        valid = Signal(len(place))
        m.d.comb += valid.eq(u.weight_valid.replicate(len(place)))
        expected = place & active.replicate(len(place))
        self.equal(m, Cat(u.weight_column, u.weight_slot) & valid, expected, rest, "place")
        channels: list[list] = [numbers_of(word) for word in row]
        for i, number in enumerate(numbers_of(u.weight, CONFIG.operands.weight)):
            of_channel = [channel[i] for channel in channels]
            weight = Const(0)
            for p, factors in enumerate(winograd.WEIGHT):
                weight = Mux(position == p, dot(factors, of_channel), weight)
            weight = Mux(active, weight, 0)
            self.equal(m, Mux(u.weight_valid, number, 0), weight, rest, f"weight{i}")

        # Inside, a cycle later. A reset ends what leaves, and leaves the words as they are.
        later = [delay(m, word, 1, f"later{k}", reset_less=True) for k, word in enumerate(row)]
        stored = {
            name: numbers_of(delay(m, word, 1, f"stored_{name}", reset_less=True))
            for name, word in (("before", latest), ("first", before))
        }
        begun = past(m, active, "active")
        at = past(m, Cat(Const(1) << position)[: winograd.POSITIONS], "position")
        m.d.comb += [
            Assert(position < winograd.POSITIONS),
            Assert(~(active & several) | (since == position)),
            # Of the unit's `check`.
            Assert(self.register(m, "recent") == (Const(1) << since)[:LAST]),
            Assert(inner["word"] == delay(m, u.word, 1, "came", reset_less=True)),
            Assert(inner["position"] == (at & begun.replicate(winograd.POSITIONS))),
            Assert(~begun | (inner["several"] == delay(m, several, 1, "many", reset_less=True))),
            Assert(~begun | (inner["place"] == delay(m, place, 1, "there", reset_less=True))),
        ]
        for i in range(CONFIG.rows):
            w = [numbers_of(word)[i] for word in later]
            m.d.comb += [
                *(Assert(inner[f"w{k}{i}"] == value) for k, value in enumerate(w)),
                *(Assert(self.register(m, f"{n}{i}") == kept[i]) for n, kept in stored.items()),
                Assert(inner[f"near{i}"] == w[0] + w[2]),
                Assert(inner[f"far{i}"] == w[0] + (w[2] << 2)),
            ]


def _output_transform() -> OutputTransform:
    output_transform.ACC_BITS = ACC_BITS
    return OutputTransform(CONFIG)


class Outputs(Inside):
    """Tiles one after the other with any pauses between words: what leaves are the outputs, modulo
    2**ACC_BITS, of part after part and output after output, each with its residual and its columns'
    group; none that is not wanted, and nothing else.

    Specified by the accumulators and residuals of a tile's six positions as they came, part by
    part. The invariants say which of the unit's partial sums and residuals are those of which,
    by what came last; sums are put together as the unit does (lemma "output-sums"). Accumulators
    have ACC_BITS bits here.
    """

    def __init__(self):
        super().__init__(_output_transform())

    def specify(self, m: Module, platform) -> None:
        u = self.unit
        lanes = range(CONFIG.lanes)
        # What is next; and since the reset, what came last.
        position, part = Signal(range(winograd.POSITIONS)), Signal(range(PARTS))
        came, last_position, last_part = Signal(), Signal.like(position), Signal.like(part)
        with m.If(u.valid):
            m.d.sync += [part.eq(part + 1), came.eq(1)]
            m.d.sync += [last_position.eq(position), last_part.eq(part)]
            with m.If(part == PARTS - 1):
                m.d.sync += [part.eq(0), position.eq(Mux(position == LAST, 0, position + 1))]
        begun = Signal(reset_less=True)
        m.d.sync += begun.eq(1)
        m.d.comb += [
            Assume(u.winograd),
            Assume(u.position == position),
            Assume((part == 0) | u.valid),
            # The unit has its own copies of ``winograd``, and no instruction begins with a reset.
            Assume(begun | ~u.valid),
        ]
        part_end = last_part == PARTS - 1
        behind = Mux(last_position == LAST, 0, last_position + 1)
        m.d.comb += [
            Assert(part == Mux(came & ~part_end, last_part + 1, 0)),
            Assert(position == Mux(came, Mux(part_end, behind, last_position), 0)),
            Assert(last_position <= LAST),
        ]
        words = []
        word = Value.cast(u.i)
        for i in range(winograd.POSITIONS * PARTS):
            register = Signal.like(word, name=f"word{i}", reset_less=True)
            with m.If(u.valid):
                m.d.sync += register.eq(word)
            words.append(register)
            word = register
        # Two cycles later sums are made of them, three later residuals are taken in.
        state = Cat(came, last_part, last_position)
        states = history(m, state, 0, "state")
        for i in range(3):
            states.append(past(m, states[-1], f"state{i}"))
        by_time = [words]
        for i in range(3):
            by_time.append([delay(m, w, 1, f"{w.name}_{i}", reset_less=True) for w in by_time[-1]])
        acc = [[View(u.i.shape(), w).acc for w in kept] for kept in by_time]

        def is_at(time: int, p: int, k: int) -> Value:
            """That part k of position p came last, so many cycles ago."""
            return states[time] == Cat(Const(1, 1), Const(k, len(part)), Const(p, len(position)))

        for lane in lanes:
            for i in range(PARTS):
                m.d.comb += Assert(self.register(m, f"before{lane}_{i}") == acc[0][i][lane])
            for p in range(winograd.POSITIONS):
                for k in range(PARTS):
                    for i in range(PARTS):
                        at, of = (p, k - i) if i <= k else (p - 1, PARTS + k - i)
                        if at < 0:
                            continue
                        for j in range(winograd.TILE):
                            if at < (0 if j == 0 else 2):
                                continue
                            ring = self.register(m, f"output{lane}_{j}_{i}")
                            value = _partial(acc[2], lane, j, p, k, at, of)
                            m.d.comb += Assert(~is_at(2, p, k) | (ring == value))
        # On the way there: sums a cycle later, what is added of them two cycles later.
        fresh = Signal(init=1)
        m.d.sync += fresh.eq(0)
        m.d.comb += Assert(~fresh | ~Cat(came, *(s[0] for s in states)).any())
        pushed = [u.valid]
        for i in range(3):
            pushed.append(past(m, pushed[-1], f"pushed{i}"))
        moved = history(m, u.valid, 3, "moved")
        for i in range(3):
            newer, older = by_time[i], by_time[i + 1]
            m.d.comb += Assert(pushed[i + 1] | (states[i] == states[i + 1]) | ~states[i][0])
            m.d.comb += Assert(~pushed[i + 1] | (states[i] == _behind(states[i + 1], len(part))))
            for n in range(1, len(newer)):
                m.d.comb += Assert(newer[n] == Mux(moved[i + 1], older[n - 1], older[n]))
            m.d.comb += Assert(moved[i + 1] | (newer[0] == older[0]))
            m.d.comb += Assert(~pushed[i + 1] | moved[i + 1])
            m.d.comb += Assert(~moved[i + 1] | pushed[i + 1] | ~states[i][0])
        beside = history(m, Cat(u.i.group, u.i.residual, u.kept), 3, "beside")
        positions = history(m, u.position, 3, "position")
        is_last = [u.position == LAST]
        for i in range(3):
            is_last.append(past(m, is_last[-1], f"is_last{i}"))
        came_in = history(m, Value.cast(u.i), 3, "came_in")
        waits = [flag & (at != winograd.TILE) for flag, at in zip(pushed, positions, strict=True)]
        m.d.comb += [
            *(Assert(self.register(m, f"waits_d{i}") == waits[i]) for i in (1, 2)),
            *(Assert(fresh | (self.inner[f"waits{lane}"] == waits[3])) for lane in lanes),
        ]
        for i in (1, 2, 3):
            at_position = states[i - 1][-len(position) :]
            m.d.comb += [
                Assert(self.register(m, f"rest_d{i}") == beside[i]),
                Assert(~moved[i] | (by_time[i - 1][0] == came_in[i])),
                Assert(beside[i][: -winograd.TILE] == came_in[i][: len(beside[i]) - winograd.TILE]),
                Assert(~pushed[i] | (positions[i] == at_position)),
                Assert(~pushed[i] | (is_last[i] == (at_position == LAST))),
            ]
        for lane in lanes:
            sums, differences, triples, chosen, valid2 = (
                self.inner[f"{n}{lane}"]
                for n in ("sums", "differences", "triples", "chosen", "valid2")
            )
            new, old = acc[0][0][lane], acc[0][PARTS][lane]
            chosen_at = [Cat(s[-len(position) :] == p for p in STEPS) for s in states[:2]]
            m.d.comb += [
                Assert(~pushed[1] | (sums == (old + new)[:ACC_BITS].as_signed())),
                Assert(~pushed[1] | (differences == (old - new)[:ACC_BITS].as_signed())),
                Assert(~pushed[1] | (triples == (new + (new << 1))[:ACC_BITS].as_signed())),
                Assert(~pushed[1] | (chosen == chosen_at[0])),
                Assert(fresh | (valid2 == pushed[2])),
            ]
            for j in range(winograd.TILE):
                addend = self.register(m, f"addend{lane}_{j}")
                goes_on = self.register(m, f"goes_on{lane}_{j}")
                m.d.comb += Assert(~pushed[2] | (goes_on == ~chosen_at[1][0 if j == 0 else 1]))
                for step, p in enumerate(STEPS):
                    values = [acc[1][n * PARTS][lane] for n in range(p + 1)][::-1]
                    given = lemmas.output_sums(values)[j]
                    takes = j == {0: 0, LAST: winograd.TILE - 1}.get(p, j)
                    value = given[-1][:ACC_BITS].as_signed() if takes else Const(0)
                    m.d.comb += Assert(~pushed[2] | ~chosen_at[1][step] | (addend == value))
                none = ~chosen_at[1].any()
                m.d.comb += Assert(~pushed[2] | ~none | (addend == 0))
        residuals = [[View(u.i.shape(), w).residual for w in kept] for kept in by_time]
        for p in range(winograd.POSITIONS):
            for k in range(PARTS):
                entered = [
                    (q, r)
                    for q in range(winograd.POSITIONS)
                    for r in range(PARTS)
                    if q != winograd.TILE and (q, r) <= (p, k)
                ]
                for i, (q, r) in enumerate(reversed(entered[-winograd.TILE * PARTS :])):
                    ring = Cat(self.register(m, f"residual{lane}_{i}") for lane in lanes)
                    value = residuals[3][(p - q) * PARTS + k - r]
                    m.d.comb += Assert(~is_at(3, p, k) | (ring == value))

        # A part of the last position has come: three cycles later its outputs begin to leave.
        ends = [u.valid & (u.position == LAST)]
        for i in range((winograd.TILE - 1) * PARTS + 5):
            ends.append(past(m, ends[-1], f"ends{i}"))
        load = [self.inner[f"load{i}"] for i in (*lanes, CONFIG.lanes)]
        m.d.comb += [
            *(Assert(self.register(m, f"tile_end_d{i}") == ends[i]) for i in (1, 2)),
            *(Assert(fresh | (enable == ends[3])) for enable in load),
            Assert(load[-1] == ends[3]),
            *(Assert(~begun | self.inner[f"tiled{i}"]) for i in range(len(load))),
            Assert((begun & ~fresh) | ~Cat(*ends[1:]).any()),
            *(Assert(ends[i] == (pushed[i] & is_last[i])) for i in (1, 2, 3)),
        ]
        # Those of another tile are longer ago.
        for i, ended in enumerate(ends[1:], 1):
            same = (position == LAST) & (i <= part)
            m.d.comb += Assert(~ended | same | (position * PARTS + part < i))
            m.d.comb += [Assert(~(ended & before)) for before in ends[i + PARTS :]]
        kept, group = beside[3][-winograd.TILE :], beside[3][: len(u.group)]
        leaving = []
        for j in range(winograd.TILE):
            sums = [_partial(acc[2], lane, j, LAST, 0, LAST, 0) for lane in lanes]
            made = Cat(
                Const(j, 2),
                group,
                residuals[3][(LAST - j) * PARTS - 1],
                *sums,
            )
            chain = [(ends[3] & kept[j], made)]
            for i in range(j * PARTS + 2):
                valid, value = chain[-1]
                chain.append(
                    (
                        past(m, valid, f"leaves{j}_{i}"),
                        delay(m, value, 1, f"made{j}_{i}", reset_less=True),
                    )
                )
            m.d.comb += [Assert(~valid | ends[3 + i]) for i, (valid, _) in enumerate(chain)]
            leaving.append(chain)
        length = (winograd.TILE - 1) * PARTS + 1
        for n in range(length):
            rest = self.register(m, f"leaving_rest{n}")
            found = Cat(rest, *(self.register(m, f"leaving{i}_{n}") for i in lanes))
            now = [chain[1 + j * PARTS - n] for j, chain in enumerate(leaving) if j * PARTS >= n]
            m.d.comb += [
                Assert(self.register(m, f"leaves{n}") == Cat(valid for valid, _ in now).any()),
                *(Assert(~valid | (found == value)) for valid, value in now),
            ]
        before = [chain[j * PARTS + 1] for j, chain in enumerate(leaving)]
        given = [chain[j * PARTS + 2] for j, chain in enumerate(leaving)]
        out = Cat(u.o.group, u.o.residual, *(u.o.acc[i] for i in lanes))
        m.d.comb += [
            Assert(u.o_valid == Cat(valid for valid, _ in given).any()),
            *(Assert(~valid | (out == value[2:])) for valid, value in given),
            *(
                Assert(~valid | (Cat(u.phase, u.group) == value[: 2 + len(group)]))
                for valid, value in before
            ),
        ]


def _behind(state, bits: int) -> Value:
    """What comes last where one part more has come: whether any has, its part and its position."""
    part, position = state[1 : 1 + bits], state[1 + bits :]
    end = part == PARTS - 1
    next_position = Mux(end, Mux(position == LAST, 0, position + 1), position)[: len(position)]
    behind = Cat(Const(1, 1), Mux(end, 0, part + 1)[:bits], next_position)
    return Mux(state[0], behind, Const(1, len(state)))


def _partial(acc: list, lane: int, j: int, p: int, k: int, at: int, of: int) -> Value:
    """Output j of part ``of`` as far as position ``at``, where part k of position p came last."""
    values = [acc[(p - q) * PARTS + k - of][lane] for q in range(at + 1)]
    total: Value | None = None
    for more in lemmas.output_sums(values)[j]:
        total = more if total is None else (total + more)[:ACC_BITS].as_signed()
    assert total is not None
    return total[:ACC_BITS].as_signed()


class Passes(Pipeline):
    """Accumulators of no tile. Assumed: for its latency ``winograd`` has been unset."""

    def __init__(self):
        super().__init__(OutputTransform(CONFIG), output_transform.LATENCY)

    def expected(self, m: Module):
        u = self.unit
        m.d.comb += [Assume(~u.winograd), Assert((u.group == u.i.group) & (u.phase == 0))]
        return {"o_valid": u.valid}

    def specify(self, m: Module, platform) -> None:
        super().specify(m, platform)
        o, i = (Value.cast(x) for x in (self.unit.o, self.unit.i))
        self.equal(m, o, i, self.latency, "o")


PROPERTIES = [
    Property(
        name="input-transform",
        unit="input_transform.InputTransform",
        says="The activations of a tile's six positions are winograd.INPUT times its pixels; what "
        "belongs to no tile passes.",
        build=Inputs,
        method=Induction(4, twin_depth=24),
        twins=(
            Edit(
                "a sum of two pixels",
                "hw.input_transform",
                '"x4_2": (4, 2, -1)',
                '"x4_2": (4, 2, 1)',
            ),
            Edit(
                "differences of 8 bits",
                "hw.input_transform",
                "Signal(signed(ACTIVATION_BITS + 1)",
                "Signal(signed(ACTIVATION_BITS)",
            ),
            Edit(
                "pixels of no tile are positions 0",
                "hw.input_transform",
                "(plain[i], 0, 0),",
                '(d["x0_2"] << 2, d["x4_2"], 0),',
            ),
        ),
    ),
    Property(
        name="weight-transform",
        unit="weight_transform.WeightTransform",
        says="Three words become winograd.WEIGHT times them, in six slots; another word passes.",
        build=Weights,
        method=Induction(weight_transform.LATENCY + 1),
        twins=(
            Edit(
                "position 3 is position 4",
                "hw.weight_transform",
                "(far[i], w1[i] << 1, 0),",
                "(far[i], w1[i] << 1, 1),",
            ),
            Edit(
                "all six go to one slot",
                "hw.weight_transform",
                "slot.eq(slot + 1)",
                "slot.eq(slot)",
            ),
            Edit(
                "a word of its own is the one two words before",
                "hw.weight_transform",
                "Mux(three[i], first, c), before",
                "first, before",
            ),
            Edit(
                "a sum of 10 bits",
                "hw.weight_transform",
                '("far", WEIGHT_BITS + 3)',
                '("far", WEIGHT_BITS + 2)',
            ),
        ),
    ),
    Property(
        name="output-transform",
        unit="output_transform.OutputTransform",
        says="The outputs of a tile are winograd.OUTPUT times its accumulators, modulo 2**32, each "
        "with its residual; those that are not wanted do not leave.",
        build=Outputs,
        method=Induction(1, twin_depth=24),
        twins=(
            Edit(
                "a difference is a sum",
                "hw.output_transform",
                "(differences, before - acc,",
                "(differences, before + acc,",
            ),
            Edit(
                "outputs that are not wanted leave",
                "hw.output_transform",
                "kept[-1] & load",
                "kept[0] & load",
            ),
        ),
    ),
    Property(
        name="output-passes",
        unit="output_transform.OutputTransform",
        says="Accumulators of no tile pass.",
        build=Passes,
        method=Induction(2),
        twins=(
            Edit(
                "they wait for a tile's",
                "hw.output_transform",
                "Mux(tiled[i], acc[i], self.i.acc[i])",
                "acc[i]",
            ),
        ),
    ),
]
