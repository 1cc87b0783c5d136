"""`ResarrayQuantizer`: quantises a PyTorch network with torchao (PT2E) as the accelerator computes.

What ``convert_pt2e`` makes of it, the front end takes as it is: int8 weights with a scale for each
output channel, int8 maps with one scale and zero point, one rounding where hardware rounds once.
"""

from typing import Any

import torch
from torch.fx import GraphModule, Node

from resarray.spec.errors import ResarrayError
from resarray.spec.numerics import INT8_MAX, INT8_MIN, WEIGHT_MAX

try:
    from torchao.quantization.pt2e import (
        HistogramObserver,
        MinMaxObserver,
        PerChannelMinMaxObserver,
    )
    from torchao.quantization.pt2e.quantizer import (
        QuantizationAnnotation,
        QuantizationSpec,
        Quantizer,
        SharedQuantizationSpec,
    )
except ModuleNotFoundError as error:
    raise ResarrayError(
        f"ResarrayQuantizer needs the Python package {error.name}: install resarray with the extra "
        "[pt2e], as by pip install -e '.[pt2e]'"
    ) from error

aten = torch.ops.aten
_WITH_WEIGHTS = {aten.conv2d.default, aten.conv2d.padding, aten.linear.default}
_CLAMPS = {
    aten.relu.default,
    aten.relu_.default,
    aten.relu6.default,
    aten.hardtanh.default,
    aten.hardtanh_.default,
    aten.clamp.default,
}
_ADDITIONS = {aten.add.Tensor, aten.add_.Tensor}
# What only moves values has the scale of what it reads.
_MOVES = {
    aten.max_pool2d.default,
    aten.cat.default,
    aten.flatten.using_ints,
    aten.view.default,
    aten.reshape.default,
    aten.squeeze.dims,
    aten.slice.Tensor,
    aten.dropout.default,
    aten.pad.default,
    aten.constant_pad_nd.default,
    aten.upsample_nearest2d.vec,
}


class ResarrayQuantizer(Quantizer):
    """For ``prepare_pt2e``.

    observer: makes the observer that measures a map's range, by default a histogram's, which
    shrinks it where that lowers the error.
    """

    def __init__(self, observer: Any = HistogramObserver):
        super().__init__()
        self.activation = _of_maps(observer)
        # Of logits the largest decide: their range is not shrunk.
        self.output = _of_maps(MinMaxObserver)
        self.weight = QuantizationSpec(
            dtype=torch.int8,
            observer_or_fake_quant_ctr=PerChannelMinMaxObserver.with_args(eps=2**-24),
            quant_min=-WEIGHT_MAX,
            quant_max=WEIGHT_MAX,
            qscheme=torch.per_channel_symmetric,
            ch_axis=0,
        )

    def annotate(self, model: GraphModule) -> GraphModule:
        """Says of every map of ``model`` which scale it gets."""
        for node in model.graph.nodes:
            if node.op == "placeholder" and node.users:
                _annotation(node).output_qspec = self.activation
            elif node.op == "call_function" and _is_map(node):
                self._annotate(node)
        return model

    def _annotate(self, node: Node) -> None:
        annotation = _annotation(node)
        operands = [n for n in node.all_input_nodes if _is_map(n)]
        if node.target in _WITH_WEIGHTS:
            weight = node.args[1]
            assert isinstance(weight, Node)
            annotation.input_qspec_map[weight] = self.weight
            operands = operands[:1]
        if node.target in _MOVES:
            first = operands[0]
            shared = SharedQuantizationSpec((first, node))
            annotation.input_qspec_map[first] = self._made(first)
            for operand in operands[1:]:
                annotation.input_qspec_map[operand] = shared
            annotation.output_qspec = shared
            return
        for operand in operands:
            if not _goes_on(operand):
                annotation.input_qspec_map[operand] = self._made(operand)
        if not _goes_on(node):
            annotation.output_qspec = self._made(node)

    def _made(self, node: Node) -> QuantizationSpec:
        last = any(user.op == "output" for user in node.users)
        return self.output if last else self.activation

    def validate(self, model: GraphModule) -> None:
        """Nothing is left to check: what cannot run, the front end refuses."""


def _of_maps(observer: Any) -> QuantizationSpec:
    """int8 with one scale and zero point, of the range that the observer measures."""
    return QuantizationSpec(
        dtype=torch.int8,
        observer_or_fake_quant_ctr=observer.with_args(eps=2**-20),
        quant_min=INT8_MIN,
        quant_max=INT8_MAX,
        qscheme=torch.per_tensor_affine,
    )


def _annotation(node: Node) -> QuantizationAnnotation:
    return node.meta.setdefault("quantization_annotation", QuantizationAnnotation(_annotated=True))


def _is_map(node: Node) -> bool:
    """Whether a node is a tensor of numbers that depends on the image."""
    value = node.meta.get("val")
    if not isinstance(value, torch.Tensor) or not value.is_floating_point():
        return False
    return node.op in ("placeholder", "call_function")


def _goes_on(node: Node) -> bool:
    """Whether a node's result is not rounded: the operator that alone reads it is fused with it."""
    users = list(node.users)
    if len(users) != 1:
        return False
    (user,) = users
    if user.target in _CLAMPS:
        return node.target in _WITH_WEIGHTS | _ADDITIONS
    return user.target in _ADDITIONS and node is _fused_operand(user)


def _fused_operand(addition: Node) -> Node | None:
    """The convolution that takes an addition in: of two the one with the longer sums."""
    found = [
        node
        for node in addition.all_input_nodes
        if node.target in _WITH_WEIGHTS and len(node.users) == 1 and _is_whole(node, addition)
    ]
    return max(found, key=_dot_length) if found else None


def _is_whole(node: Node, addition: Node) -> bool:
    return node.meta["val"].shape == addition.meta["val"].shape


def _dot_length(node: Node) -> int:
    weight = node.args[1]
    assert isinstance(weight, Node)
    return weight.meta["val"][0].numel()
