"""Lemmas about numbers on which proofs of units rely."""

from functools import partial

import numpy as np

from resarray.spec import numerics as n
from resarray.spec import winograd
from resarray.spec.config import MAX_DOT_LENGTH

from .. import lemmas
from ..properties import Calculation, Property, Variant


def _lemma(name: str, says: str, build, broken: str, value) -> Property:
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
        "winograd-identity",
        "24 times four outputs are Winograd's matrices of six pixels and three weights.",
        lemmas.winograd_identity,
        "a weight of an output is doubled",
        winograd.OUTPUT * np.where(np.arange(6) == 5, 2, 1),
    ),
    _lemma(
        "output-sums",
        "What the output transform adds up is its matrix times the accumulators.",
        lemmas.output_identity,
        "triples are fivefold",
        4,
    ),
    _lemma(
        "quotient",
        "Shifted additions divide by -24 modulo 2**32, for all outputs.",
        lemmas.quotient,
        "one is left out",
        lemmas.QUOTIENT[:-1],
    ),
    _lemma(
        "tile-widths",
        "Operands, factors and products of all positions fit their widths.",
        lemmas.operand_width,
        "a bit fewer",
        1,
    ),
    _lemma(
        "tile-dot-width",
        "A column's sums fit their width at all positions, for all rows.",
        lemmas.tile_dot_width,
        "a bit fewer",
        1,
    ),
    _lemma(
        "tile-model",
        "The functional model's tiles are direct convolutions.",
        lemmas.tile_model,
        "products of weights are left in",
        False,
    ),
    _lemma(
        "average-width",
        "The average's sum and bias fit their widths.",
        lemmas.average_width,
        "a bit fewer",
        n.TOTAL_BITS - 1,
    ),
]
