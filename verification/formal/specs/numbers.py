"""Lemmas about numbers on which proofs of units rely."""

from functools import partial

from resarray.spec import numerics as n
from resarray.spec.config import MAX_DOT_LENGTH

from .. import lemmas
from ..properties import Calculation, Property, Variant


def _lemma(name: str, says: str, build, broken: str, value: int) -> Property:
    twin = Variant(broken, partial(build, value))
    return Property(name, "numerics", says, build, Calculation(), (twin,), quick=True)


PROPERTIES = [
    _lemma(
        "pair-identity",
        "(a0 + w1)(a1 + w0) - a0 a1 - w0 w1 is a pair's dot product.",
        lemmas.pair_identity,
        "a0 a1 is subtracted twice",
        2,
    ),
    _lemma(
        "wide-product-identity",
        "A wide product is the sum of two with their weights.",
        lemmas.wide_product,
        "the high part weighs half",
        lemmas.CUT - 1,
    ),
    _lemma(
        "pair-width",
        "All products of the pair element fit their width.",
        lemmas.pair_width,
        "a bit fewer",
        n.PRODUCT_BITS - 1,
    ),
    _lemma(
        "dot-width",
        "A column's sums fit their width for all rows, weights and vectors.",
        lemmas.dot_width,
        "a bit fewer",
        1,
    ),
    _lemma(
        "sum-width",
        "Sums of as many products as are allowed fit an accumulator.",
        lemmas.accumulator_width,
        "twice as many",
        2 * MAX_DOT_LENGTH,
    ),
    _lemma(
        "requantise-width",
        "The requantiser's fixed-point sum fits its width.",
        lemmas.requantise_width,
        "two bits fewer",
        n.FIXED_BITS - 2,
    ),
    _lemma(
        "average-width",
        "The average's sum and bias fit their widths.",
        lemmas.average_width,
        "a bit fewer",
        n.TOTAL_BITS - 1,
    ),
]
