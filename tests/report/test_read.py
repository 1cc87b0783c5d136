"""Results that are refused, and why."""

import contextlib
import copy
import json
import random
from pathlib import Path

import pytest

from resarray.report.markdown import markdown
from resarray.report.page import page
from resarray.report.read import read_result, require_comparable
from resarray.sim.format import FORMAT, content_digest, to_json
from resarray.spec.errors import ResarrayError
from resarray.verification.faults.edits import edit

from .conftest import falsify

pytestmark = pytest.mark.verifies("report", by="text")

SEED = 12


def test_measured_result_is_complete(measured, result):
    assert read_result(measured) == result
    assert result["format"] == FORMAT
    assert result["timeline"]["layer_ends"][-1] == result["timeline"]["cycles"]
    assert 2 * result["timeline"]["cycles"] == pytest.approx(result["cycles"], rel=0.01)
    assert "sim --model" in result["provenance"]["command"]
    assert {"resarray", "Python", "simulator", "torch"} <= set(result["provenance"]["versions"])


def test_digest_is_of_the_content_alone(result):
    shuffled = dict(reversed(result.items()))
    assert content_digest(shuffled) == content_digest(result) == result["digest"]
    assert json.loads(to_json(shuffled)) == result
    result["cycles_per_second"] += 1
    assert content_digest(result) != result["digest"]


@pytest.mark.parametrize(
    "changes", [{"format": 1, "input_size": 8}, {"format": 2}, {"format": 3}], ids=str
)
def test_results_of_earlier_formats_are_read(result, tmp_path, changes):
    old = {**result, **changes}
    del old["digest"]
    if old["format"] < 3:
        del old["outputs"]
    old["layers"] = [{k: v for k, v in layer.items() if k != "method"} for layer in old["layers"]]
    (tmp_path / "old.json").write_bytes(to_json(old))
    read = read_result(tmp_path / "old.json")
    assert read["input_size"] == result["input_size"] == [8, 8]
    assert read["layers"] == [layer | {"method": "direct"} for layer in result["layers"]]
    assert read["outputs"][0]["shape"] == result["outputs"][0]["shape"]


def set_layer(**fields):
    return lambda r: r["layers"][0].update(fields)


def set_tensor(part: str, **fields):
    return lambda r: r["tensors"][0][part].update(fields)


def halves(result: dict) -> None:
    result["timeline"]["counts"]["drain"].pop()


def busier(result: dict) -> None:
    """Every sum but the one over the layers' waits agrees."""
    result["counters"]["BUSY"] += 1
    result["counters"]["WAIT_LOAD"] -= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.pop("layers"), "has no field 'layers'"),
        (lambda r: r["layers"][1].pop("macs"), "has no field 'layers[1].macs'"),
        (set_layer(cycles=-5), "has -5 in field 'layers[0].cycles', which must be a whole number"),
        (set_layer(cycles=1.5), "has 1.5 in field 'layers[0].cycles'"),
        (set_layer(cycles=True), "has True in field 'layers[0].cycles'"),
        (set_layer(name=None), "has None in field 'layers[0].name', which must be text"),
        (set_layer(shape=[1, 2]), "which must be a list of 3"),
        (lambda r: r.update(utilization=-1), "which must be a number"),
        (lambda r: r.update(utilization=0.5), "contradicts itself: utilization is 0.5"),
        (lambda r: r.update(cycles=r["cycles"] + 1), "contradicts itself: cycles is"),
        (lambda r: r["layers"][0].update(cycles=7), "contradicts itself: cycles is"),
        (lambda r: r["layers"][0].update(bytes_read=8), "the sum of bytes_read is"),
        (lambda r: r.update(macs=1), "contradicts itself: macs is 1"),
        (busier, "contradicts itself: counters.WAIT_LOAD is"),
        (lambda r: r["counters"].update(BUSY=1), "contradicts itself: counters.CYCLES is"),
        (lambda r: r["config"].update(acc_depth=32), "the configuration has another hash"),
        (lambda r: r["config"].update(rows=5), "has an impossible configuration"),
        (lambda r: r["config"].update(colour=5), "has an impossible configuration"),
        (lambda r: r.update(mismatches=1), "contradicts itself: mismatches is 1"),
        (lambda r: r.update(bit_exact=False), "bit_exact and mismatches disagree"),
        (lambda r: r["tensors"][0].update(mismatches=3), "contradicts itself: mismatches is 0"),
        (lambda r: r["tensors"].reverse(), "its tensors are not those of its layers"),
        (set_tensor("error", histogram=[1, 2]), "contradicts itself: the histogram of"),
        (set_tensor("maps", rtl="AAAA"), "contradicts itself: bytes of rtl of the feature maps"),
        (set_tensor("maps", rtl="no!"), "which must be base64"),
        (set_tensor("maps", channels=[9, 0, 1, 2]), "contradicts itself: feature maps of"),
        (lambda r: r["pictures"][0].update(png="AAAA"), "which must be a PNG picture"),
        (lambda r: r["predictions"].pop(), "its predictions are not those of its images"),
        (lambda r: r["outputs"].clear(), "its outputs are none of its tensors"),
        (lambda r: r["outputs"][0].update(tensor="x"), "its outputs are none of its tensors"),
        (lambda r: r["predictions"][0].update(rtl=10), "is beyond the network's classes"),
        (halves, "the number of windows of 'drain'"),
        (lambda r: r["timeline"]["counts"]["load"].__setitem__(0, 10**6), "'load' is busier"),
        (lambda r: r["layers"][0].update(utilization=0.01), "utilization of layer '0' is 0.01"),
        (lambda r: r.update(macs_per_multiplier_cycle=1.9), "macs_per_multiplier_cycle is 1.9"),
        (lambda r: r.update(cycles_per_second=1.0), "contradicts itself: cycles_per_second is"),
        (lambda r: r["top1"].update(rtl=0.875), "contradicts itself: top1"),
        (lambda r: r.update(preset="small"), "the configuration is not the preset's"),
        (set_tensor("maps", image=2), "contradicts itself: feature maps of"),
        (set_tensor("maps", offset=[0, 1]), "contradicts itself: feature maps of"),
        (lambda r: r["provenance"]["versions"].clear(), "'provenance.versions.resarray'"),
        (lambda r: r["memory"].update(bytes_per_cycle=5e-324), "which must be a number above 0"),
        (lambda r: r["timeline"]["layer_ends"].reverse(), "the timeline's layers do not fill it"),
    ],
)
def test_impossible_content(altered, change, message):
    path = altered(change)
    with pytest.raises(ResarrayError) as caught:
        read_result(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "make it again" in str(caught.value)


def test_first_mismatch_lies_in_the_tensor(altered):
    def change(result):
        falsify(result)
        result["tensors"][0]["first"]["position"][3] = 99

    read_result(altered(falsify))
    with pytest.raises(ResarrayError, match="contradicts itself: first mismatch"):
        read_result(altered(change))


def test_recorded_activity_is_that_of_the_counters(altered):
    def one_picture(result):
        """As if all pictures were in the recorded program."""
        result["batch"] = result["images"]

    with pytest.raises(ResarrayError, match="contradicts itself: the timeline's 'compute'"):
        read_result(altered(one_picture))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (lambda t: t[: len(t) // 2], "is not JSON .*truncated or another file"),
        (lambda t: "", "is not JSON"),
        (lambda t: "[1, 2]", "is JSON, but not an object"),
        (lambda t: "{}", "is not a result of 'resarray sim'"),
        (lambda t: t.replace('"format": 4', '"format": 5'), "has format 5, this resarray reads 4"),
        (lambda t: t.replace('"format": 4', '"format": "new"'), "has format 'new'"),
        (lambda t: t.replace('"images": 2', '"images": 3', 1), "was changed after it was written"),
        (lambda t: t.replace('"images": 2', '"images": NaN', 1), "NaN is not a number"),
        (lambda t: "[" * 100_000, "is not JSON"),
        (lambda t: t.replace('"images": 2', '"images": 1e999', 1), "1e999 is too large a number"),
        (lambda t: t.replace('"images": 2', '"images": 1' + "0" * 400, 1), "is too large a number"),
        (lambda t: t.replace('"images": 2', r'"images": "\ud800"', 1), "is not JSON"),
    ],
)
def test_damaged_file(measured, tmp_path, text, message):
    path = tmp_path / "damaged.json"
    path.write_text(text(measured.read_text()))
    with pytest.raises(ResarrayError, match=message):
        read_result(path)


def test_random_edits(result, tmp_path):
    """Sealed again with a right digest: one sentence, or a page."""
    rng, path, refused = random.Random(SEED), tmp_path / "edited.json", 0
    for number in range(300):
        edited = copy.deepcopy(result)
        what = [edit(edited, rng) for _ in range(rng.choice([1, 1, 2]))]
        with contextlib.suppress(ValueError):  # not a number
            edited["digest"] = content_digest(edited)
        path.write_text(json.dumps(edited))
        try:
            found = read_result(path)
            page([found], None)
            markdown([found], None)
        except ResarrayError:
            refused += 1
        except Exception as error:
            raise AssertionError(f"seed {SEED}, edit {number}: {what}") from error
    assert refused > 100


def test_unreadable_file(tmp_path):
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ResarrayError, match="it is not text"):
        read_result(tmp_path / "binary.json")
    with pytest.raises(ResarrayError, match="No such file"):
        read_result(tmp_path / "none.json")
    with pytest.raises(ResarrayError, match="Is a directory"):
        read_result(tmp_path)


def test_comparable(result):
    a, b = Path("a.json"), Path("b.json")
    other = copy.deepcopy(result)
    require_comparable([(a, result), (b, other)])
    other["input_size"] = [16, 8]
    with pytest.raises(
        ResarrayError, match=r"'a.json' and 'b.json' .*input sizes are '8x8' and '16x8'"
    ):
        require_comparable([(a, result), (b, other)])
    other = copy.deepcopy(result)
    other["model"] = other["model"].rsplit("/", 1)[-1]  # the same file, from another folder
    require_comparable([(a, result), (b, other)])
    other["layers"][0]["macs"] += 1
    with pytest.raises(ResarrayError, match="has other layers in one than in the other"):
        require_comparable([(a, result), (b, other)])
    other["model"] = "resnet18"
    with pytest.raises(ResarrayError, match="their models are"):
        require_comparable([(a, result), (b, other)])
