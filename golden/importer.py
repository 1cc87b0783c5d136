"""PyTorch model to float graph, through `torch.export`: batch norms folded into the convolutions
before them, ReLUs fused, zero-padded shortcuts turned into 1x1 selection convolutions."""

import contextlib
import io
import logging
import math
import warnings
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.fx import Node
from torch.nn.utils import parametrize

from resarray.spec.config import MAX_DOT_LENGTH
from resarray.spec.errors import ResarrayError
from resarray.spec.isa import MAX_PADDING

from .float_graph import FloatAdd, FloatConv, FloatGlobalAvgPool, FloatGraph, FloatMaxPool, FloatOp
from .user_model import OneOutput, users_code

MAX_KERNEL = 31
SUPPORTED = (
    "2-D convolution, batch norm after it, ReLU, addition, max pool of stride 2, global average "
    "pool, flatten and linear, strided slices and zero-padded channels of a shortcut"
)

aten = torch.ops.aten
# Operators that return their first argument unchanged in evaluation.
_IDENTITIES = {
    aten.dropout.default,
    aten.dropout_.default,
    aten.feature_dropout.default,
    aten.clone.default,
    aten.contiguous.default,
    aten.detach.default,
    aten.alias.default,
    aten.lift_fresh_copy.default,
}
# What changes nothing but how the answer is read.
_AT_THE_END = {
    aten.softmax.int,
    aten.log_softmax.int,
    aten.argmax.default,
}


def import_model(model: nn.Module, shape: tuple[int, int, int], name: str = "model") -> FloatGraph:
    """The float graph of ``model`` for one image of ``shape`` [C, H, W].

    `ResarrayError` names the node and the operator that is not supported, and what is.
    """
    _require_plain_weights(model, name)
    logged = logging.root.manager.disable
    try:
        # PyTorch prints and logs much about what it cannot export.
        with (
            users_code(
                f"model '{name}' cannot be exported with input {list(shape)}",
                "its forward() must take one image tensor [N, C, H, W] without data-dependent "
                "control flow",
            ),
            contextlib.redirect_stderr(io.StringIO()),
            torch.no_grad(),  # a forward() that says so itself then changes nothing
        ):
            warnings.simplefilter("ignore")
            logging.disable(logging.CRITICAL)
            model.eval()
            program = torch.export.export(model, (torch.zeros(1, *shape),))
    finally:
        logging.disable(logged)
    # The names of layers are those in the user's network.
    return _Importer(program, shape, name, "inner" if isinstance(model, OneOutput) else "").run()


def _require_plain_weights(model: nn.Module, name: str) -> None:
    """`ResarrayError` names the module whose weights are computed in every call."""
    for label, module in model.named_modules():
        label = label.removeprefix("inner.")
        if parametrize.is_parametrized(module):
            raise ResarrayError(
                f"model '{name}': module '{label}' computes its weights in every call (as "
                "weight_norm and spectral_norm do): call "
                "torch.nn.utils.parametrize.remove_parametrizations on it when it is trained"
            )
        for hook in module._forward_pre_hooks.values():
            if type(hook).__module__.startswith("torch.nn.utils."):
                raise ResarrayError(
                    f"model '{name}': module '{label}' computes its weights in every call "
                    f"({type(hook).__name__}): call torch.nn.utils.remove_weight_norm, "
                    "remove_spectral_norm or prune.remove on it when it is trained"
                )


@dataclass(frozen=True)
class _Selection:
    """A view of a tensor: every ``stride``-th pixel, zero channels ``before`` and ``after``. It
    becomes a convolution when an operator reads it."""

    source: str
    stride: tuple[int, int] = (1, 1)
    before: int = 0
    after: int = 0


@dataclass(frozen=True)
class _Flat:
    """A tensor [C][H][W] seen as a vector of C*H*W."""

    source: str


class _Importer:
    """Walks the exported nodes in order; `values` holds what each node stands for: a tensor's
    name, a `_Selection`, a `_Flat`, a parameter or None."""

    def __init__(self, program: torch.export.ExportedProgram, shape, name: str, prefix: str):
        self.program = program
        self.graph = FloatGraph(name, "input", "", {"input": tuple(shape)})
        self.prefix = prefix
        self.values: dict[Node, object] = {}
        self.producers: dict[str, FloatOp] = {}
        self.handlers = {
            aten.conv2d.default: self.conv,
            aten.conv2d.padding: self.conv,
            aten.batch_norm.default: self.batch_norm,
            aten.relu.default: self.relu,
            aten.relu_.default: self.relu,
            aten.add.Tensor: self.add,
            aten.add_.Tensor: self.add,
            aten.max_pool2d.default: self.max_pool,
            aten.adaptive_avg_pool2d.default: self.adaptive_avg_pool,
            aten.avg_pool2d.default: self.avg_pool,
            aten.mean.dim: self.mean,
            aten.flatten.using_ints: self.reshape,
            aten.view.default: self.reshape,
            aten.reshape.default: self.reshape,
            aten.squeeze.default: self.reshape,
            aten.squeeze.dim: self.reshape,
            aten.squeeze.dims: self.reshape,
            aten.unsqueeze.default: self.reshape,
            aten.linear.default: self.linear,
            aten.slice.Tensor: self.slice,
            aten.pad.default: self.pad,
            aten.constant_pad_nd.default: self.pad,
        }

    def run(self) -> FloatGraph:
        # What does not reach the logits, as features that are answered beside them.
        self.program.graph.eliminate_dead_code()
        constants = self._constants()
        inputs = 0
        for node in self.program.graph.nodes:
            if node.op == "placeholder":
                if node.name in constants:
                    self.values[node] = constants[node.name]
                else:
                    self.values[node] = "input"
                    inputs += 1
            elif node.op == "call_function":
                self.values[node] = self.call(node)
            elif node.op == "output":
                self.finish(node)
        if inputs != 1:
            raise ResarrayError(f"model '{self.graph.name}' takes {inputs} inputs: 1 is supported")
        return self.graph

    def _constants(self) -> dict[str, Tensor]:
        signature, state = self.program.graph_signature, dict(self.program.state_dict)
        state.update(self.program.constants)
        names = {
            **signature.inputs_to_parameters,
            **signature.inputs_to_buffers,
            **signature.inputs_to_lifted_tensor_constants,
        }
        return {node: state[name].detach().float() for node, name in names.items()}

    def call(self, node: Node) -> object:
        if node.target in _IDENTITIES:
            if "dropout" in str(node.target) and node.args[2]:
                raise self.refuse(node, "dropout in training mode; give it training=False")
            return self.values[node.args[0]]
        if node.target is aten._assert_tensor_metadata.default:
            return None
        if node.target is aten.to.dtype and _dtype(node) == _dtype(node.args[0]) == torch.float32:
            return self.values[node.args[0]]
        if node.target in _AT_THE_END and all(user.op == "output" for user in node.users):
            raise self.refuse(
                node, "return the logits: what follows them here does not change the class"
            )
        if "autocast" in str(node.target):
            raise self.refuse(node, "remove torch.autocast from forward(): it is made integers")
        if node.target not in self.handlers:
            raise self.refuse(node, f"not supported; supported are: {SUPPORTED}")
        try:
            return self.handlers[node.target](node)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            # With operands of another kind than a network of feature maps has.
            raise self.refuse(node, "its arguments are not supported in this form") from error

    def refuse(self, node: Node, why: str) -> ResarrayError:
        scope = self.scope(node)
        where = f" of module '{scope}'" if scope else ""
        return ResarrayError(
            f"model '{self.graph.name}', node '{node.name}'{where}, operator {node.target}: {why}"
        )

    # -- names, operands and emission --------------------------------------------------------

    def scope(self, node: Node) -> str:
        """Path of the module that the node belongs to."""
        stack = list(node.meta.get("nn_module_stack", {}).values())
        path = stack[-1][0].removeprefix("L['self'].") if stack else ""
        return path.removeprefix(self.prefix).removeprefix(".")

    def tensor(self, node: Node, index: int = 0) -> str:
        """The tensor that argument ``index`` names; emits the convolution of a selection."""
        argument = node.args[index]
        value = self.values.get(argument) if isinstance(argument, Node) else None
        if isinstance(value, _Selection):
            value = self.values[argument] = self.materialise(argument, value)
        if not isinstance(value, str):
            raise self.refuse(node, f"its argument {index} must be a feature map of the network")
        return value

    def emit(self, name: str, op: FloatOp, shape: tuple[int, int, int], node: Node) -> str:
        """Append ``op`` under a name that no tensor has yet; its output has the same name."""
        unique, number = name, 1
        while unique in self.graph.shapes:
            number += 1
            unique = f"{name}_{number}"
        op.name = op.output = unique
        if min(shape) < 1:
            raise self.refuse(node, f"its output {list(shape)} is empty: use a larger input")
        self.graph.ops.append(op)
        self.graph.shapes[unique] = shape
        self.producers[unique] = op
        return unique

    def only_use(self, node: Node) -> bool:
        """Whether this node alone reads the tensor of argument 0, under whatever view, so that the
        tensor can be changed in place."""
        source = _source(self.values[node.args[0]])
        views = {n for n, value in self.values.items() if _source(value) == source}
        return {reader for view in views for reader in view.users} - views == {node}

    def finish(self, node: Node) -> None:
        results = node.args[0]
        value = self.values.get(results[0]) if len(results) == 1 else None
        if _source(value) == "input":
            raise ResarrayError(
                f"model '{self.graph.name}' returns its input: it must return the logits "
                "[N, classes]"
            )
        if isinstance(value, _Flat):
            value = value.source if self.graph.shapes[value.source][1:] == (1, 1) else None
        if not isinstance(value, str):
            raise ResarrayError(
                f"model '{self.graph.name}' must return one tensor: the logits [N, classes]"
            )
        self.graph.output = value

    # -- operators ---------------------------------------------------------------------------

    def conv(self, node: Node) -> str:
        _, weight, bias, stride, padding, dilation, groups = _arguments(
            node, (None, None, None, [1, 1], [0, 0], [1, 1], 1)
        )
        stride, dilation = _pair(stride), _pair(dilation)
        weight = self.constant(node, weight)
        if groups != 1:
            raise self.refuse(node, f"groups = {groups}: only 1 is supported")
        if dilation != (1, 1):
            raise self.refuse(node, f"dilation = {dilation}: only 1 is supported")
        if not {*stride} <= {1, 2}:
            raise self.refuse(node, f"stride = {stride}: 1 and 2 are supported")
        return self.emit_conv(
            node,
            self.scope(node) or node.name,
            FloatConv(
                name="",
                input=self.tensor(node),
                output="",
                weight=weight,
                bias=torch.zeros(len(weight)) if bias is None else self.constant(node, bias),
                stride=stride,
                padding=_padding(padding, weight.shape[2:]),
            ),
        )

    def emit_conv(self, node: Node, name: str, op: FloatConv) -> str:
        _, height, width = self.graph.shapes[op.input]
        channels, _, kh, kw = op.weight.shape
        top, bottom, left, right = op.padding
        if max(kh, kw) > MAX_KERNEL:
            raise self.refuse(node, f"kernel {kh}x{kw}: at most {MAX_KERNEL} is supported")
        if max(op.padding) > MAX_PADDING:
            raise self.refuse(node, f"padding {op.padding}: at most {MAX_PADDING} is supported")
        if op.weight[0].numel() > MAX_DOT_LENGTH:
            raise self.refuse(
                node,
                f"sums of {op.weight[0].numel()} products: at most {MAX_DOT_LENGTH} fit the "
                "accumulator; use fewer channels or a smaller kernel",
            )
        shape = (
            channels,
            (height + top + bottom - kh) // op.stride[0] + 1,
            (width + left + right - kw) // op.stride[1] + 1,
        )
        return self.emit(name, op, shape, node)

    def constant(self, node: Node, argument: object) -> Tensor:
        value = self.values.get(argument)
        if not isinstance(value, Tensor):
            raise self.refuse(node, "its weights must be parameters or buffers of the model")
        return value

    def batch_norm(self, node: Node) -> str:
        _, gamma, beta, mean, variance, training, _, eps, *_ = node.args
        if training or mean is None:
            raise self.refuse(node, "a batch norm needs running statistics, in evaluation mode")
        flat = self.values.get(node.args[0])
        if isinstance(flat, _Flat) and self.graph.shapes[flat.source][1:] == (1, 1):
            x = flat.source  # BatchNorm1d
        else:
            x = self.tensor(node)
        conv = self.producers.get(x)
        if not isinstance(conv, FloatConv) or conv.relu or not self.only_use(node):
            raise self.refuse(
                node,
                "a batch norm is supported only directly after a convolution or linear layer of "
                "its own",
            )
        mean, variance = self.constant(node, mean).double(), self.constant(node, variance).double()
        factor = (variance + eps).rsqrt()
        if gamma is not None:
            factor = factor * self.constant(node, gamma)
        bias = (conv.bias - mean) * factor
        if beta is not None:
            bias = bias + self.constant(node, beta)
        conv.weight = (conv.weight * factor[:, None, None, None]).float()
        conv.bias = bias.float()
        return flat if isinstance(flat, _Flat) else x

    def relu(self, node: Node) -> object:
        flat = self.values.get(node.args[0])
        x = flat.source if isinstance(flat, _Flat) else self.tensor(node)
        op = self.producers.get(x)
        if isinstance(op, FloatConv | FloatAdd) and (op.relu or self.only_use(node)):
            op.relu = True
            return flat if isinstance(flat, _Flat) else x
        if isinstance(op, FloatMaxPool):
            raise self.refuse(node, "put the ReLU before the max pool: the result is the same")
        raise self.refuse(
            node,
            "a ReLU is supported only directly after a convolution, linear layer or addition "
            "whose result nothing else reads",
        )

    def add(self, node: Node) -> object:
        if node.args[1] == 0:  # with which Python's sum() begins
            return self.values[node.args[0]]
        if node.kwargs.get("alpha", 1) != 1 or not isinstance(node.args[1], Node):
            raise self.refuse(node, "only the plain sum of two feature maps is supported")
        a, b = self.tensor(node, 0), self.tensor(node, 1)
        shapes = self.graph.shapes
        if shapes[a] != shapes[b]:
            raise self.refuse(
                node, f"shapes {list(shapes[a])} and {list(shapes[b])} differ: they must be equal"
            )
        scope = self.scope(node)
        name = f"{scope}.add" if scope else node.name
        return self.emit(name, FloatAdd("", a, b, ""), shapes[a], node)

    def max_pool(self, node: Node) -> str:
        _, kernel, stride, padding, dilation, ceil = _arguments(
            node, (None, None, [], [0, 0], [1, 1], False)
        )
        kernel, padding = _pair(kernel), _pair(padding)
        stride = _pair(stride) if stride else kernel
        if kernel not in ((2, 2), (3, 3)):
            raise self.refuse(node, f"kernel {_by(kernel)}: 2x2 and 3x3 are supported")
        if stride != (2, 2):
            raise self.refuse(node, f"stride {_by(stride)}: only 2 is supported")
        allowed = ((0, 0), (1, 1)) if kernel == (3, 3) else ((0, 0),)
        if padding not in allowed:
            raise self.refuse(
                node,
                f"padding {_by(padding)}: with kernel {_by(kernel)}, "
                f"{' and '.join(map(_by, allowed))} are supported",
            )
        if _pair(dilation) != (1, 1):
            raise self.refuse(node, f"dilation = {_pair(dilation)}: only 1 is supported")
        if ceil:
            raise self.refuse(node, "ceil_mode = True is not supported")
        x = self.tensor(node)
        channels, height, width = self.graph.shapes[x]
        grow = 2 * padding[0] - kernel[0]
        shape = (channels, (height + grow) // 2 + 1, (width + grow) // 2 + 1)
        op = FloatMaxPool("", x, "", kernel[0], padding[0])
        return self.emit(self.scope(node) or node.name, op, shape, node)

    def adaptive_avg_pool(self, node: Node) -> str:
        if _pair(node.args[1]) != (1, 1):
            raise self.refuse(node, f"output {node.args[1]}: only 1x1 (global) is supported")
        return self.global_avg_pool(node)

    def avg_pool(self, node: Node) -> str:
        _, kernel, _, padding, _, _, divisor = _arguments(
            node, (None, None, [], [0, 0], False, True, None)
        )
        whole = self.graph.shapes[self.tensor(node)][1:]
        if _pair(kernel) != whole:
            raise self.refuse(
                node,
                f"kernel {_by(_pair(kernel))}: only the whole map ({_by(whole)}) is supported",
            )
        if _pair(padding) != (0, 0):
            raise self.refuse(node, f"padding {_by(_pair(padding))}: only 0 is supported")
        if divisor is not None:
            raise self.refuse(node, f"divisor_override = {divisor} is not supported")
        return self.global_avg_pool(node)

    def mean(self, node: Node) -> object:
        dims = sorted(d % 4 for d in node.args[1])
        if dims != [2, 3]:
            raise self.refuse(node, f"dimensions {node.args[1]}: only height and width together")
        pooled = self.global_avg_pool(node)
        keepdim = _arguments(node, (None, None, False))[2]
        return pooled if keepdim else _Flat(pooled)

    def global_avg_pool(self, node: Node) -> str:
        x = self.tensor(node)
        op = FloatGlobalAvgPool("", x, "")
        name = self.scope(node) or node.name
        return self.emit(name, op, (self.graph.shapes[x][0], 1, 1), node)

    def reshape(self, node: Node) -> object:
        """Flattening to [N, C*H*W], or a view that changes nothing."""
        value = self.values[node.args[0]]
        source = value.source if isinstance(value, _Flat) else self.tensor(node)
        channels, height, width = self.graph.shapes[source]
        result = tuple(node.meta["val"].shape)
        if result == (1, channels, height, width):
            return source
        if result[:1] == (1,) and len(result) < 4:
            return _Flat(source)
        if node.target is aten.squeeze.default and len(result) == 1:  # one image loses its N too
            return _Flat(source)
        raise self.refuse(
            node, f"result {list(result)}: only flattening to [N, {channels * height * width}]"
        )

    def linear(self, node: Node) -> object:
        x, weight, bias = _arguments(node, (None, None, None))
        value = self.values.get(x)
        if not isinstance(value, _Flat):
            raise self.refuse(node, "only a linear layer on a flattened feature map is supported")
        weight = self.constant(node, weight)
        bias = torch.zeros(len(weight)) if bias is None else self.constant(node, bias)
        shape = self.graph.shapes[value.source]
        if weight.shape[1] != math.prod(shape):
            raise self.refuse(node, f"only a flattened vector of all {math.prod(shape)} values")
        weight = weight.reshape(len(weight), *shape)
        op = FloatConv("", value.source, "", weight, bias, op="linear")
        return _Flat(self.emit_conv(node, self.scope(node) or node.name, op))

    def slice(self, node: Node) -> object:
        _, dim, start, end, step = _arguments(node, (None, 0, None, None, 1))
        size = node.args[0].meta["val"].shape[dim]
        whole = not start and (end is None or end >= size)
        if whole and step == 1:
            return self.values[node.args[0]]
        selection = self.selection(node)
        if not whole or dim not in (2, 3) or step != 2 or selection.stride[dim - 2] != 1:
            raise self.refuse(
                node,
                f"slice [{start}:{end}:{step}] of dimension {dim}: only [::2] of height or width",
            )
        stride = list(selection.stride)
        stride[dim - 2] = 2
        return replace(selection, stride=tuple(stride))

    def pad(self, node: Node) -> object:
        padding = list(node.args[1]) + [0] * (8 - len(node.args[1]))
        mode = "constant"
        values = list(node.args[2:])
        if node.target is aten.pad.default and values:
            mode, values = values[0], values[1:]
        constant = next((v for v in [*values, node.kwargs.get("value")] if v is not None), 0)
        if mode != "constant":
            raise self.refuse(node, f"padding mode '{mode}': only zeros are supported")
        if constant != 0:
            raise self.refuse(node, f"padding with {constant}: only zeros are supported")
        if any(padding[:4] + padding[6:]):
            raise self.refuse(
                node,
                "padding of height and width by itself is not supported: give it to the "
                "convolution behind it (only channels may be padded so)",
            )
        before, after = padding[4:6]
        if min(before, after) < 0:
            raise self.refuse(node, "negative padding is not supported")
        selection = self.selection(node)
        return replace(selection, before=selection.before + before, after=selection.after + after)

    def selection(self, node: Node) -> _Selection:
        value = self.values[node.args[0]]
        return value if isinstance(value, _Selection) else _Selection(self.tensor(node))

    def materialise(self, node: Node, selection: _Selection) -> str:
        channels = self.graph.shapes[selection.source][0]
        weight = torch.zeros(selection.before + channels + selection.after, channels, 1, 1)
        weight[selection.before : selection.before + channels, :, 0, 0] = torch.eye(channels)
        scope = self.scope(node)
        op = FloatConv("", selection.source, "", weight, torch.zeros(len(weight)), selection.stride)
        return self.emit_conv(node, f"{scope}.shortcut" if scope else node.name, op)


def _source(value: object) -> str | None:
    """The tensor that a value is or views."""
    if isinstance(value, _Flat | _Selection):
        return value.source
    return value if isinstance(value, str) else None


def _arguments(node: Node, defaults: tuple) -> list:
    """Positional arguments, with defaults for those left out."""
    return [*node.args, *defaults[len(node.args) :]]


def _padding(value: object, kernel: tuple[int, int]) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of a convolution's padding: numbers, "same" or "valid"."""
    if value == "valid":
        return (0, 0, 0, 0)
    if value == "same":
        (kh, kw) = kernel
        return ((kh - 1) // 2, kh // 2, (kw - 1) // 2, kw // 2)
    top, left = _pair(value)
    return (top, top, left, left)


def _by(pair: tuple[int, ...]) -> str:
    return "x".join(map(str, pair))


def _dtype(node: Node) -> torch.dtype | None:
    return getattr(node.meta.get("val"), "dtype", None)


def _pair(value) -> tuple[int, int]:
    values = tuple(value) if isinstance(value, list | tuple) else (value, value)
    return values * 2 if len(values) == 1 else values
