"""The systolic array is a dot product, with the weights that its contract says."""

from functools import partial
from unittest import mock

from amaranth.hdl import Array, Assert, Module, Signal, Value
from amaranth.lib import memory

from resarray.hw import array, element
from resarray.hw.array import SystolicArray, column_latency, numbers_of
from resarray.hw.common import delay
from resarray.hw.multiplier import LATENCY
from resarray.spec.config import Config

from ..pipeline import Pipeline
from ..properties import Edit, Induction, Property

CONFIGS = {
    kind + "-winograd" * tiled: Config(
        name="formal", rows=4, columns=4, lanes=2, element=kind, winograd=tiled
    )
    for tiled in (False, True)
    for kind in element.ELEMENTS
}
SLOTS = 2


class Dot(Pipeline):
    """Four columns of four rows around their multipliers, at all times and with any words on the
    weight bus: what is multiplied are the numbers of a vector and those of the column's weights, and
    what comes out is the sum of the products less the shared ones, modulo the width of a dot
    product. That factors and sums fit their widths say the lemmas "pair-width", "dot-width" and
    those of Winograd's; that the sum is the dot product, "pair-identity".

    A column's weights are the last word for it and the vector's slot that came before the vector.
    More columns are more of the same with another number; more rows a larger sum; more slots, of
    which there are SLOTS here, a deeper memory.
    """

    views = SLOTS

    def __init__(self, config: Config):
        self._config = config
        self._pair = config.element == "pair"
        count = (config.columns + self._pair) * config.rows // (2 if self._pair else 1)
        self._count = count
        # Two products make a plain element's.
        bits = config.operands.product - (not self._pair)
        array.WEIGHT_SLOTS = SLOTS
        super().__init__(
            SystolicArray(config),
            column_latency(config),
            {f"product{i}": bits for i in range(count)},
            ("resarray.hw.element.Multiplier",),
        )

    def elaborate(self, platform):
        # As `memory.Memory`, which is watched.
        with mock.patch.object(array, "Memory", lambda **options: memory.Memory(**options)):
            return super().elaborate(platform)

    def specify(self, m: Module, platform) -> None:
        u, config, bits = self.unit, self._config, self._config.operands
        free = iter([getattr(self, f"product{i}").as_signed() for i in range(self._count)])
        parts = iter(self.parts)
        a = numbers_of(u.vector, bits.activation)

        def products(w, c: int, name: str) -> list:
            """The products of this cycle's vector with weights ``w``, of column ``c``."""
            found: list[Value] = []
            for i in range(0, config.rows, 2):
                operands = [(a[i], w[i]), (a[i + 1], w[i + 1])]
                if self._pair:
                    factors = a[i] + w[i + 1], a[i + 1] + w[i]
                    operands = [tuple(f[: bits.factor].as_signed() for f in factors)]
                for x, y in operands:
                    part, product = next(parts), next(free)
                    label = f"{name}_{i}_{len(found)}"
                    # The column's register, and the element's.
                    self.equal(m, part.a, x, c + 2, f"{label}_a")
                    self.equal(m, part.b, y, c + 2, f"{label}_b")
                    self.drive(m, part.product, product, c + 2 + LATENCY, f"{label}_product")
                    found.append(product)
            return found

        shared = products([0] * config.rows, 0, "shared") if self._pair else []
        for c in range(config.columns):
            slots = [
                Signal.like(u.weight, name=f"slot{c}_{s}", reset_less=True) for s in range(SLOTS)
            ]
            for s, word in enumerate(slots):
                with m.If(u.weight_valid & (u.weight_column == c) & (u.weight_slot == s)):
                    m.d.sync += word.eq(u.weight)
                view = self.memories[c * SLOTS + s]
                m.d.comb += view.addr.eq(s)
                word = delay(m, word, c, f"word{c}_{s}", reset_less=True)
                m.d.comb += Assert(view.data == word)
            weights = Signal.like(u.weight, name=f"weights{c}")
            m.d.comb += weights.eq(Array(slots)[u.slot])
            sums = products(numbers_of(weights, bits.weight), c, f"column{c}")
            total = sum(sums) - sum(shared)
            expected = total[: len(u.dot[c])].as_signed()
            self.equal(m, u.dot[c], expected, self.latency + c, f"dot{c}")


PROPERTIES = [
    Property(
        name=f"array-{kind}",
        unit="array.SystolicArray",
        says="Each column gives the sum of products of its vector and its weights.",
        build=partial(Dot, config),
        method=Induction(column_latency(config) + config.columns + 2),
        twins=(
            *(
                (
                    Edit(
                        "the shared term is not subtracted",
                        "hw.array",
                        "total - self.i.shared if",
                        "total if",
                    ),
                )
                if kind == "pair"
                else ()
            ),
            Edit(
                "a vector's slot comes a column late",
                "hw.array",
                "read.addr.eq(self.i.slot)",
                "read.addr.eq(self.o.slot)",
            ),
            Edit(
                "the slot of the vector takes the word",
                "hw.array",
                "write.addr.eq(self.i.weight_slot)",
                "write.addr.eq(self.i.slot)",
            ),
            Edit(
                "weights of the right neighbour",
                "hw.array",
                "self._index + 1)",
                "self._index + 2)",
            ),
        ),
    )
    for kind, config in CONFIGS.items()
]
