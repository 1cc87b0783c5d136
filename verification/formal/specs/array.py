"""The systolic array is a dot product, with the weights that its contract says."""

from functools import partial

from amaranth.hdl import Assume, Module, Mux, Signal, Value

from resarray.hw import element
from resarray.hw.array import SystolicArray, bytes_of, column_latency
from resarray.hw.multiplier import LATENCY
from resarray.spec.config import Config
from resarray.spec.numerics import ACTIVATION_BITS, PRODUCT_BITS, WEIGHT_BITS, WEIGHT_MAX

from ..pipeline import Pipeline
from ..properties import Edit, Induction, Property

CONFIGS = {
    kind: Config(name="formal", rows=4, columns=4, lanes=2, element=kind)
    for kind in element.ELEMENTS
}


class Dot(Pipeline):
    """Four columns of four rows around their multipliers, at all times and with any words on the
    weight bus: what is multiplied are the bytes of a vector and those of the column's weights, and
    what comes out is the sum of the products less the shared ones, modulo the width of a dot
    product (that it fits says the lemma "dot-width"; that the sum is the dot product,
    "pair-identity").

    A column's weights are the last word for it before the last ``swap``, the one that comes with
    the vector included. More columns are more of the same with another number; more rows a
    larger sum.
    """

    resets = False

    def __init__(self, config: Config):
        self._config = config
        self._pair = config.element == "pair"
        count = (config.columns + self._pair) * config.rows // (2 if self._pair else 1)
        self._count = count
        bits = PRODUCT_BITS if self._pair else ACTIVATION_BITS + WEIGHT_BITS
        super().__init__(
            SystolicArray(config),
            column_latency(config),
            {f"product{i}": bits for i in range(count)},
            ("resarray.hw.element.Multiplier",),
        )

    def specify(self, m: Module, platform) -> None:
        u, config = self.unit, self._config
        free = iter([getattr(self, f"product{i}").as_signed() for i in range(self._count)])
        parts = iter(self.parts)
        a = bytes_of(u.vector)

        def products(w, c: int, name: str) -> list:
            """The products of this cycle's vector with weights ``w``, of column ``c``."""
            found: list[Value] = []
            for i in range(0, config.rows, 2):
                operands = [(a[i], w[i]), (a[i + 1], w[i + 1])]
                if self._pair:
                    operands = [(a[i] + w[i + 1], a[i + 1] + w[i])]
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
            shadow, active = (
                Signal.like(u.weight, name=f"{n}{c}_spec", reset_less=True)
                for n in ("shadow", "active")
            )
            weights = Signal.like(u.weight, name=f"weights{c}")
            m.d.comb += weights.eq(Mux(u.swap, shadow, active))
            m.d.sync += active.eq(weights)
            with m.If(u.weight_valid & (u.weight_column == c)):
                m.d.sync += shadow.eq(u.weight)
            self.equal(m, self.inner[f"column{c}.shadow"], shadow, c, f"shadow{c}")
            self.equal(m, self.inner[f"column{c}.active"], active, c, f"active{c}")
            sums = products(bytes_of(weights), c, f"column{c}")
            total = sum(sums) - sum(shared)
            expected = total[: len(u.dot[c])].as_signed()
            self.equal(m, u.dot[c], expected, self.latency + c, f"dot{c}")
        m.d.comb += [Assume(w >= -WEIGHT_MAX) for w in bytes_of(u.weight)]


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
            Edit("the swap comes a column late", "hw.array", "If(self.i.swap)", "If(self.o.swap)"),
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
