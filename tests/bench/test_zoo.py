"""The zoo's table: a network that runs, one that is refused."""

import json

import pytest

from resarray.bench import zoo
from resarray.cli.main import run

pytestmark = pytest.mark.verifies("networks", by="program")


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Weights trained here, not the user's; builds are shared."""
    from resarray.spec.cache import build_folder

    builds = build_folder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESARRAY_BUILD", str(builds))
        patch.setenv("RESARRAY_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.long
def test_networks_are_measured(tmp_path, capsys):
    """Both in processes of their own; 9x9 pixels are too few for LeNet-5."""
    out = tmp_path / "out"
    names = ("--model", "lenet5", "--model", "resnet8")
    options = ("--preset", "tiny", "--input-size", "9", "--jobs", "2", "-o", str(out))
    assert run(["zoo", *names, *options]) == 1
    refused, row = json.loads((out / "zoo.json").read_text())["networks"]
    assert "takes 28 to 31 pixels" in refused["refused"]
    assert row["name"] == "resnet8" and row["input_size"] == "9x9" and row["bit_exact"]
    assert row["utilization"] == row["macs"] / (16 * row["cycles"])
    assert row["sqnr_db"] > 20 and row["sqnr_images"] == zoo.IMAGES
    table = (out / "zoo.md").read_text()
    text = capsys.readouterr().out
    assert table in text and "failed: lenet5: input size 9" in text
    assert f"| `resnet8` | 9x9 | {row['macs']:,} | {row['cycles']:,} |" in table
    assert f"| all of {row['tensors_compared']} |" in table
    assert "| `lenet5` | 9 |" in table and "| refused: input size 9" in table


def test_failures():
    good = {"name": "a", "bit_exact": True, "mismatches": 0}
    bad = {"name": "b", "bit_exact": False, "mismatches": 3}
    refused = {"name": "c", "refused": "too small"}
    assert zoo.failures([good, bad, refused]) == ["b: 3 mismatches", "c: too small"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "resnet19"), "no network of the zoo is called 'resnet19'"),
        (("--input-size", "wide"), "input size 'wide' is no size"),
        (("--preset", "huge"), "huge"),
    ],
)
def test_refused_options(capsys, tmp_path, options, message):
    assert run(["zoo", *options, "-o", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
