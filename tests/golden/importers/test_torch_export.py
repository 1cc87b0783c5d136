"""The front end for PyTorch reads operator by operator, and says where each came from."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from resarray.golden.float_graph import run_float
from resarray.golden.importers.aten import read_node, unreadable
from resarray.golden.importers.reader import Reader
from resarray.golden.importers.torch_export import read_model
from resarray.golden.models import load_model
from resarray.golden.ops import FloatBatchNorm, FloatConv, FloatUnsupported, Origin

from ..float_graphs import kinds
from ..test_importer import Tail, randomise

pytestmark = pytest.mark.verifies("front-ends", by="unit")


def test_one_operator_for_each():
    model = randomise(load_model("resnet8", 5))
    graph = read_model(model, (3, 17, 16), "net")
    block = ["Conv", "BatchNorm", "Activation", "Conv", "BatchNorm", "Add", "Activation"]
    shortcut = ["Slice", "Slice", "Pad"]
    stem, head = ["Conv", "BatchNorm", "Activation"], ["AvgPool", "Linear"]
    assert kinds(graph) == stem + block + (shortcut + block) * 2 + head
    x = torch.randn(2, 3, 17, 16)
    with torch.no_grad():
        expected = model(x)
    found = run_float(graph, x)
    torch.testing.assert_close(found.flatten(1), expected, rtol=1e-4, atol=1e-4)
    conv, norm = graph.ops[:2]
    assert isinstance(conv, FloatConv) and isinstance(norm, FloatBatchNorm)
    assert conv.name == "conv1" and norm.name == "bn1" and norm.inputs == (conv.output,)
    assert conv.origin is not None and conv.origin.source.startswith("resnet.py:")
    assert replace(conv.origin, source="") == Origin("conv2d", "conv1", "aten.conv2d.default")
    assert str(norm.origin).endswith("), operator aten.batch_norm.default")
    assert graph.ops[9].origin.scope == "layer1.0"


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: functional.dropout(x, 0.5, False),
        lambda m, x: x.contiguous().clone().detach()[:, :, :],
        lambda m, x: x.flatten(1).view(-1, 4, 8, 8),
        lambda m, x: x.to(torch.float32),
        lambda m, x: sum([x]),
    ],
)
def test_what_changes_nothing_is_no_operator(function):
    graph = read_model(Tail(function), (3, 8, 8))
    assert kinds(graph) == ["Conv", "BatchNorm"] and graph.output == graph.ops[-1].output


def test_reading_goes_on_behind_what_cannot_be_read():
    graph = read_model(Tail(lambda m, x: torch.floor(x.relu()) + x), (3, 8, 8))
    assert kinds(graph) == ["Conv", "BatchNorm", "Activation", "Unsupported", "Add"]
    op = graph.ops[3]
    assert isinstance(op, FloatUnsupported) and op.why.startswith("not supported; supported")
    assert op.inputs == (graph.ops[2].output,) and op.origin.node == "floor"
    assert graph.shapes[op.output] == (4, 8, 8)


class Chance(torch.nn.Module):
    def forward(self, x):
        return x.flatten(2).topk(3)[0] * torch.rand(3)


def test_chance_behind_what_is_no_map():
    ops = read_model(Chance(), (3, 6, 6)).ops
    assert [op.name for op in ops] == ["topk", "rand"]


class Parts(torch.nn.Module):
    def forward(self, x):
        _, last = x.chunk(2, 1)
        return x.flatten(2).topk(3)[0].sum() + torch.cumsum(last, 1)


def test_parts_that_are_taken_behind_what_is_no_map():
    program = torch.export.export(Parts(), (torch.zeros(1, 4, 6, 6),))
    nodes = {node.name: node for node in program.graph.nodes}
    nodes["topk"].append(nodes["getitem_1"])
    ops = Reader(program, (4, 6, 6), "model", "").read(read_node, unreadable).ops
    named = [op.name for op in ops if isinstance(op, FloatUnsupported)]
    assert named == ["topk", "sum_1", "cumsum"]


class Branches(torch.nn.Module):
    def forward(self, x):
        return torch.cond(x.sum() > 0, lambda y: y.relu(), lambda y: y.tanh(), (x,))


def test_lines_are_those_of_files():
    """Not of what PyTorch makes in memory."""
    ops = read_model(Branches(), (3, 6, 6)).ops
    assert [op.name for op in ops] == ["sum_1", "gt", "cond"]
    assert not any("<" in op.origin.source for op in ops)


class InPlace(torch.nn.Module):
    def forward(self, x):
        x = x + 1
        for _ in range(50):
            x = x.relu_()
        return x


def test_reading_what_changes_in_place_stays_linear():
    program = torch.export.export(InPlace(), (torch.zeros(1, 3, 6, 6),))
    reader = Reader(program, (3, 6, 6), "model", "")
    reader.read(read_node, unreadable)
    assert max(map(len, reader.sharing.values())) < 4


def test_reading_ends_with_what_is_no_map():
    """And what follows it still reads what it reads."""
    graph = read_model(
        Tail(lambda m, x: torch.floor(x.relu().flatten(2)).mean(2) + x.mean((2, 3))), (3, 8, 8)
    )
    assert kinds(graph) == ["Conv", "BatchNorm", "Activation", "Unsupported"]
    last = graph.ops[-1]
    assert isinstance(last, FloatUnsupported) and last.why.startswith("not supported; supported")
    assert {*last.inputs} == {graph.ops[1].output, graph.ops[2].output}
    assert graph.output == last.output and last.origin.node == "floor"
