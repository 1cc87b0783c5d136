"""Proofs about numbers; and the wrong rounding constant that few networks show."""

import pytest

from resarray.spec.progress import silent
from resarray.verification.formal import campaign, convert, engines, lemmas, properties
from resarray.verification.formal.properties import Calculation

pytestmark = pytest.mark.verifies("requantiser", "array", "pools", "load", "contract", by="unit")


def test_lemmas_hold_and_their_twins_fail():
    chosen = [
        prop
        for prop in properties.all_properties().values()
        if isinstance(prop.method, Calculation)
    ]
    assert chosen
    assert campaign.complaints(campaign.check(chosen, 1, silent)) == []


def test_a_polynomial_that_does_not_vanish():
    assert lemmas.vanishes(lambda x, y: (x + 1) * y - x * y - y, 2)
    assert not lemmas.vanishes(lambda x, y: x * y, 2)


@pytest.mark.parametrize("name", ["requantise-sum", "requantise-product"])
def test_half_a_unit_of_0x7fff_is_found(name):
    prop = properties.all_properties()[name]
    assert "0x7fff" in prop.twins[0].says
    assert engines.judge(convert.rtlil_of(prop, 0), prop.method, True).holds is False
