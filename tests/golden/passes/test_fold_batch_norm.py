"""Batch norms go into the convolutions before them, where these are theirs alone."""

import pytest
import torch

from resarray.golden.ops import FloatAdd, FloatBatchNorm
from resarray.golden.passes import fold_batch_norm

from ..float_graphs import batch_norm, check_same, conv, kinds, network


@pytest.mark.parametrize("seed", range(3))
def test_folds_one_after_the_other(seed):
    torch.manual_seed(seed)
    graph = network(
        conv("a", "input", kernel=3), batch_norm("b", "a"), batch_norm("c", "b"), conv("d", "c")
    )
    folded = fold_batch_norm(graph)
    assert kinds(folded) == ["Conv", "Conv"]
    assert folded.ops[1].inputs == ("a",)
    check_same(graph, folded, exact=False)


def test_without_gamma_and_beta_and_at_the_output():
    norm = FloatBatchNorm("b", ("a",), "b", torch.randn(3), torch.rand(3), None, None, 0.1)
    graph = network(conv("a", "input"), norm)
    folded = fold_batch_norm(graph)
    assert kinds(folded) == ["Conv"] and folded.output == "a"
    check_same(graph, folded, exact=False)


LEFT_ALONE = {
    "of the input": [batch_norm("a", "input")],
    "clamped": [conv("a", "input", lo=0.0), batch_norm("b", "a")],
    "read twice": [conv("a", "input"), batch_norm("b", "a"), FloatAdd("c", ("a", "b"), "c")],
    "read before": [conv("a", "input"), conv("c", "a"), batch_norm("b", "a")],
    "an addition": [FloatAdd("a", ("input", "input"), "a"), batch_norm("b", "a")],
}


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_leaves_others_alone(case):
    graph = network(*LEFT_ALONE[case])
    folded = fold_batch_norm(graph)
    assert kinds(folded) == kinds(graph)
    check_same(graph, folded)


def test_one_of_a_norm_read_twice():
    """What both norms read has one reader, the second norm's operand has two."""
    graph = network(
        conv("a", "input"),
        batch_norm("b", "a"),
        batch_norm("c", "b"),
        FloatAdd("d", ("b", "c"), "d"),
    )
    folded = fold_batch_norm(graph)
    assert kinds(folded) == ["Conv", "BatchNorm", "Add"]
    check_same(graph, folded, exact=False)
