"""Processing elements and multipliers, at full width and for all operands."""

from functools import partial

from amaranth.hdl import Assume, Module, signed

from resarray.hw import element, multiplier
from resarray.hw.multiplier import Multiplier, WideMultiplier
from resarray.spec import numerics as n

from ..pipeline import Pipeline
from ..properties import Edit, Induction, Property


class Product(Pipeline):
    """A multiplier: ``a * b``."""

    def expected(self, m: Module):
        return {"product": self.unit.a * self.unit.b}


class WideProduct(Pipeline):
    """The wide multiplier around its two multipliers: their operands are the low and the high part
    of ``a``, and what they give is added with its weight. That this is ``a * b`` is the lemma
    "wide-product-identity"; that they multiply, the property "multiplier-product".
    """

    def __init__(self, a_bits: int, b_bits: int):
        cut = multiplier.MAX_BITS - 1
        super().__init__(
            WideMultiplier(a_bits, b_bits),
            multiplier.WIDE_LATENCY,
            {"low": cut + b_bits, "high": signed(a_bits - cut + b_bits)},
            ("resarray.hw.multiplier.Multiplier",),
        )
        self._cut = cut
        self._highest = ((1 << (a_bits - cut - 1)) - 1) * ((1 << b_bits) - 1)

    def expected(self, m: Module):
        a, b, cut = self.unit.a, self.unit.b, self._cut
        m.d.comb += Assume(self.high <= self._highest)
        operands = {"low": a[:cut], "high": a[cut:].as_signed()}
        for part, (name, operand) in zip(self.parts, operands.items(), strict=True):
            self.equal(m, part.a, operand, 0, f"{name}_a")
            self.equal(m, part.b, b, 0, f"{name}_b")
            self.drive(m, part.product, getattr(self, name), multiplier.LATENCY, name)
        return {"product": (self.high << cut) + self.low}


class PairProduct(Pipeline):
    """The pair element: ``(a0 + w1) * (a1 + w0)``, for weights of at least -127. That this is
    ``a0*w0 + a1*w1 + a0*a1 + w0*w1`` is the lemma "pair-identity"."""

    def expected(self, m: Module):
        u = self.unit
        m.d.comb += [Assume(w >= -n.WEIGHT_MAX) for w in (u.w0, u.w1)]
        return {"product": (u.a0 + u.w1) * (u.a1 + u.w0)}


class TileProducts(Pipeline):
    """An element with the operands of Winograd's transforms around its multipliers
    ("multiplier-12x12", "multiplier-12x11"), modulo its registers' widths, which all operands of a
    position fit ("tile-widths")."""

    def __init__(self, kind: str):
        bits = n.WINOGRAD
        self._pair = kind == "pair"
        wide = 2 * bits.factor if self._pair else bits.activation + bits.weight
        super().__init__(
            element.ELEMENTS[kind](bits),
            element.ELEMENTS[kind].latency,
            {"low": signed(wide), "high": signed(wide)},
            ("resarray.hw.element.Multiplier",),
        )

    def expected(self, m: Module):
        u, bits = self.unit, n.WINOGRAD
        operands = [(u.a0, u.w0), (u.a1, u.w1)]
        if self._pair:
            factors = (u.a0 + u.w1, u.a1 + u.w0)
            operands = [tuple(f[: bits.factor].as_signed() for f in factors)]
        products = (self.low, self.high)[: len(operands)]
        for part, (a, b), made in zip(self.parts, operands, products, strict=True):
            name = f"product{len(self.parts)}_{made.name}"
            self.equal(m, part.a, a, 1, f"{name}_a")
            self.equal(m, part.b, b, 1, f"{name}_b")
            self.drive(m, part.product, made, 1 + multiplier.LATENCY, name)
        total = products[0] if self._pair else products[0] + products[1]
        return {"product": total[: bits.product].as_signed()}


class MacProduct(Pipeline):
    """The plain element: ``a0*w0 + a1*w1``, for all operands."""

    def expected(self, m: Module):
        u = self.unit
        return {"product": u.a0 * u.w0 + u.a1 * u.w1}


PAIR, MAC = element.PairElement.latency, element.MacElement.latency
PROPERTIES = [
    Property(
        name="element-pair",
        unit="element.PairElement",
        says="The product of (a0 + w1) and (a1 + w0), exact, for all operands.",
        build=lambda: PairProduct(element.PairElement(), PAIR),
        method=Induction(PAIR + 1, solver="z3"),
        twins=(
            Edit("a sum of 8 bits", "spec.numerics", "FACTOR_BITS = 9", "FACTOR_BITS = 8"),
            Edit(
                "weights not crossed",
                "hw.element",
                "x.eq(self.a0 + self.w1)",
                "x.eq(self.a0 + self.w0)",
            ),
            Edit("a product of 16 bits", "spec.numerics", "PRODUCT_BITS = 17", "PRODUCT_BITS = 16"),
        ),
        quick=True,
    ),
    Property(
        name="element-mac",
        unit="element.MacElement",
        says="a0*w0 + a1*w1, exact, for all operands.",
        build=lambda: MacProduct(element.MacElement(), MAC),
        method=Induction(MAC + 1, solver="z3"),
        twins=(
            Edit(
                "a difference",
                "hw.element",
                "products[0] + products[1]",
                "products[0] - products[1]",
            ),
            Edit(
                "a sum of 15 bits",
                "hw.element",
                "total.eq(products[0] + products[1])",
                "total.eq((products[0] + products[1])[:15].as_signed())",
            ),
        ),
        quick=True,
    ),
    *(
        Property(
            name=f"element-{kind}-winograd",
            unit=f"element.{element.ELEMENTS[kind].__name__}",
            says="The same of Winograd's operands, modulo the product's width.",
            build=partial(TileProducts, kind),
            method=Induction(element.ELEMENTS[kind].latency + 1),
            twins=(
                Edit(what, "hw.element", old, new),
                Edit(
                    "a sum of 20 bits",
                    "hw.element",
                    "total.eq(products[0] + products[1])",
                    "total.eq((products[0] + products[1])[:20].as_signed())",
                )
                if kind == "mac"
                else Edit(
                    "factors of 11 bits",
                    "hw.element",
                    'Signal(signed(bits), name=n, reset_less=True) for n in "xy"',
                    'Signal(signed(bits - 1), name=n, reset_less=True) for n in "xy"',
                ),
            ),
        )
        for kind, what, old, new in (
            (
                "pair",
                "weights not crossed",
                "x.eq(self.a0 + self.w1)",
                "x.eq(self.a0 + self.w0)",
            ),
            ("mac", "a difference", "products[0] + products[1]", "products[0] - products[1]"),
        )
    ),
    *(
        Property(
            name=f"multiplier-{a}x{b}",
            unit="multiplier.Multiplier",
            says=f"The product of {a} and {b} bits, signed, 3 cycles later, for all operands.",
            build=partial(lambda a, b: Product(Multiplier(a, b), multiplier.LATENCY), a, b),
            method=Induction(multiplier.LATENCY + 1, solver="z3"),
            twins=(
                Edit(
                    "a register too few", "hw.multiplier", "output.eq(pipeline)", "output.eq(a * b)"
                ),
                Edit(
                    "b is not signed",
                    "hw.multiplier",
                    "pipeline.eq(a * b)",
                    "pipeline.eq(a * b.as_unsigned())",
                ),
            ),
            quick=(a, b) == (18, 18),
        )
        # The residual's; the low and the high part of the requantiser's, and the average's; those
        # of elements with Winograd's operands.
        for a, b in ((9, 18), (18, 18), (15, 18), (12, 18), (12, 12), (12, 11))
    ),
    *(
        Property(
            name=f"wide-multiplier-{a}",
            unit="multiplier.WideMultiplier",
            says=f"A product of {a} and {b} bits is put together of two exactly.",
            build=partial(WideProduct, a, b),
            method=Induction(multiplier.WIDE_LATENCY + 1, solver="z3"),
            twins=(
                Edit(
                    "the low part is signed",
                    "hw.multiplier",
                    "Cat(self.a[:cut], Const(0, 1)).as_signed()",
                    "self.a[:cut].as_signed()",
                ),
                Edit(
                    "a carry is lost",
                    "hw.multiplier",
                    "(low.product >> cut)",
                    "low.product[cut:-3]",
                ),
            ),
        )
        for a, b in ((n.ACC_BITS, n.MULT_BITS), (n.TOTAL_BITS, n.MULT_BITS))
    ),
]
