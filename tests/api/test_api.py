"""A network by the API: quantised, compiled, simulated, run; what it shows and refuses."""

import copy
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from torch import nn

import resarray
from resarray.fpga.host.accelerator import Accelerator
from resarray.golden.pipeline import prepare
from resarray.sim import run as sim_run
from resarray.spec.errors import ResarrayError
from tests.cli.network import build
from tests.cli.test_commands import MODEL
from tests.cli.test_run import Board

pytestmark = pytest.mark.verifies("command", by="text")

PIXELS = np.random.default_rng(7).integers(0, 256, (6, 8, 8, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def quantised():
    return resarray.load(build(), name="<b>net</b>").quantise(PIXELS)


@pytest.fixture(scope="module")
def program(quantised):
    return quantised.compile("tiny", batch=2)


@pytest.fixture(scope="module")
def runs():
    """What the simulator answered."""
    return []


@pytest.fixture(scope="module")
def simulation(program, runs):
    original = sim_run.run_many
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sim_run, "run_many", lambda *a, **o: runs.extend(original(*a, **o)) or runs)
        return program.simulate(PIXELS[:4], record=True)


def test_the_simulation_answers_what_the_golden_model_does(quantised, simulation):
    golden = quantised.golden(PIXELS[:4])
    assert simulation.exact
    assert simulation.summary["images"] == 4
    (name, values), *others = simulation.outputs.items()
    assert not others
    assert (values == golden.expected[name]).all()


def test_a_wrong_value_is_no_error_but_not_exact(program, simulation, runs, monkeypatch):
    wrong = copy.deepcopy(runs)
    next(iter(wrong[0].tensors.values()))[0, 0, 0, 0] ^= 1
    monkeypatch.setattr(sim_run, "run_many", lambda *_, **__: wrong)
    found = program.simulate(PIXELS[:4])
    assert simulation.exact
    assert not found.exact
    assert "1 values differ" in repr(found)
    with pytest.raises(ResarrayError, match="record=True"):
        found.save("nothing.json")


def test_a_result_makes_a_report_and_an_image_a_program(simulation, program, tmp_path):
    from resarray.report.read import read_result
    from resarray.spec.image import load

    simulation.save(tmp_path / "out.json")
    assert read_result(tmp_path / "out.json")["cycles"] == simulation.cycles
    program.save(tmp_path / "x.rsa")
    assert load(tmp_path / "x.rsa").manifest == program.image.manifest


def test_module_and_command_line_make_the_same_integers():
    by_name = prepare(MODEL, images="digits")
    by_object = resarray.load(build()).quantise("digits").golden()
    for name, values in by_name.expected.items():
        assert (by_object.expected[name] == values).all()


def test_float_tensors_are_taken_as_they_are():
    network = resarray.load(build(), mean=0.5, std=0.25)
    ready = torch.from_numpy(PIXELS).permute(0, 3, 1, 2).float().div(255).sub(0.5).div(0.25)
    by_pixels, by_floats = network.quantise(PIXELS), network.quantise(ready)
    for name, values in by_pixels.golden().expected.items():
        assert (by_floats.golden().expected[name] == values).all()


def test_the_module_given_stays_as_it_is():
    model = build().half().train()
    quantised = resarray.load(model).quantise(PIXELS)
    assert model.training
    assert model[0].weight.dtype == torch.float16
    with torch.no_grad():
        model[0].weight.zero_()
    assert quantised.golden().float_logits.std(0).max() > 0


def test_an_example_gives_size_and_channels():
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Flatten(), nn.Linear(4 * 8 * 10, 5))
    network = resarray.load(model, example=torch.zeros(1, 2, 10, 12))
    assert network.input_size == (10, 12)
    assert network.inspect(presets=()).input_shape == (2, 10, 12)


def test_a_boards_last_batch_is_filled_up(program, monkeypatch):
    board = Board(2)
    board.close = lambda: None
    monkeypatch.setattr(Accelerator, "open", lambda *_, **__: board)
    last = program.image.manifest["outputs"][0]
    with resarray.open("/dev/null") as opened:
        found = opened.outputs(program, torch.from_numpy(PIXELS[:3]))
        assert found[last].shape == (3, 10, 1, 1)
        assert opened.cycles == 2 * 1234
        assert opened.run(program, PIXELS[:1]).shape == (1, 10)
    assert len(board.runs) == 3
    assert (board.runs[1][0] == board.runs[1][1]).all()


class Texts(HTMLParser):
    """Elements, which must be closed, and texts."""

    def __init__(self, page: str):
        super().__init__()
        self.open: list[str] = []
        self.elements: list[str] = []
        self.texts = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.elements.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts += data


def test_objects_show_themselves_and_escape_what_they_show(quantised, program, simulation):
    network = resarray.load(build(), name="<b>net</b>")
    for shown in (network, network.inspect(["tiny"]), quantised, program, simulation):
        page = Texts(shown._repr_html_())
        assert "b" not in page.elements
        assert "<b>net</b>" in page.texts
        assert "table" in page.elements
        assert repr(shown).startswith("<resarray.")
    assert "svg" in Texts(program._repr_html_()).elements
    # Without a size nothing is known of its operators; a notebook says so.
    unknown = resarray.load(nn.Sequential(nn.Conv2d(3, 4, 3)))
    assert "no default input size" in Texts(unknown._repr_html_()).texts


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: resarray.load(3), "a model of type int"),
        (lambda: resarray.load("no_such"), "unknown model 'no_such'"),
        (lambda: resarray.load(build(), example=torch.zeros(8)), r"shape \[8\]"),
        (lambda: resarray.load(build(), input_size="big"), "is no size"),
        (lambda: resarray.load("resnet8", example=torch.zeros(1, 16, 16)), "1 channels"),
        (lambda: resarray.load(build()).quantise(), "quantise"),
        (lambda: resarray.load(build()).quantise(7), "images of type int"),
        (lambda: resarray.load(build()).quantise([]), "empty list"),
        (lambda: resarray.load(build()).quantise(PIXELS.astype(int)), "it must be uint8"),
        (lambda: resarray.load(build()).quantise("nowhere"), "not found"),
        (lambda: resarray.load(build()).inspect(["huge"]), "unknown preset 'huge'"),
        (lambda: resarray.open("sim", board="none"), "unknown board"),
    ],
)
def test_what_is_wrong_is_said(call, sentence):
    with pytest.raises(ResarrayError, match=sentence):
        call()


def test_what_does_not_fit_a_program_is_said(quantised, program):
    with pytest.raises(ResarrayError, match="multiple of 2"):
        program.simulate(PIXELS[:3])
    with resarray.open("sim") as board, pytest.raises(ResarrayError, match="multiple of 2"):
        board.run(program, PIXELS[:3])
    with pytest.raises(ResarrayError, match="unknown preset"):
        quantised.compile("huge")
    floats = np.zeros((4, 3, 8, 8), np.float32)
    ready = resarray.load(nn.Sequential(nn.Conv2d(3, 4, 3)), input_size=8).quantise(floats)
    with pytest.raises(ResarrayError, match="are pixels"):
        ready.golden(PIXELS)
