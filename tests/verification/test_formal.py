"""`make formal`: what it says of units right and broken, of edits and of options."""

from dataclasses import replace

import pytest

from resarray.spec.errors import ResarrayError
from resarray.spec.progress import silent
from resarray.verification.formal import campaign, convert, engines, properties
from resarray.verification.formal.__main__ import run
from resarray.verification.formal.properties import Edit

pytestmark = pytest.mark.verifies(
    "accelerator", "memory-port", "memories", "instructions", "registers", "start", by="unit"
)

# Enough of the quick ones for a minute on one core; `make formal` proves all.
NAMES = ["relay-order", "stream-BurstSplitter-o", "splitter-words-2", "errors-first", "start-quiet"]


def test_quick_properties_hold_and_their_twins_fail():
    chosen = properties.choose(NAMES, quick=True)
    assert [prop.name for prop in chosen] == NAMES
    outcomes = campaign.check(chosen, 1, silent)
    assert campaign.complaints(outcomes) == []


def test_a_property_that_does_not_hold_and_a_twin_that_passes():
    prop = properties.all_properties()["relay-order"]
    twin = prop.twins[0]
    rtlil = convert.rtlil_of(prop, 0)
    broken = campaign.Outcome(
        prop,
        engines.judge(rtlil, prop.method, False),
        [engines.judge(convert.rtlil_of(prop, None), prop.method, True)],
    )
    assert campaign.complaints([broken]) == [
        "relay-order: FAILS",
        f"relay-order: its twin is not caught: {twin.says}",
    ]


def test_every_edit_applies_once():
    for prop in properties.all_properties().values():
        for twin in prop.twins:
            if isinstance(twin, Edit):
                path = convert.source_of(twin)
                assert convert.edited(twin, path.read_text()) != path.read_text(), prop.name


def test_an_edit_that_no_longer_applies():
    prop = properties.all_properties()["relay-order"]
    lost = replace(prop.twins[0], old="nothing like that")
    with pytest.raises(ValueError, match="must find once"):
        convert.edited(lost, convert.source_of(lost).read_text())


def test_an_induction_that_does_not_close_is_no_proof():
    prop = properties.all_properties()["relay-order"]
    verdict = engines.judge(convert.rtlil_of(prop, None), properties.Induction(1), False)
    assert verdict.holds is None


def test_unknown_names_and_options(capsys):
    with pytest.raises(ResarrayError, match="no property is called 'nope'"):
        properties.choose(["nope"])
    assert run(["nope"]) == 2
    assert run(["--jobs", "0"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2 and all(line.startswith("error: ") for line in errors)


def test_list(capsys):
    assert run(["--list", "relay-order"]) == 0
    assert capsys.readouterr().out.startswith("relay-order (memory.Relay, PDR): ")
