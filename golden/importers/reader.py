"""Walks the nodes of an exported program; `aten` knows the operators."""

import math
import operator
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import Node
from torch.fx.node import map_arg

from resarray.golden.float_graph import FloatGraph
from resarray.golden.ops import FloatOp, FloatPad, FloatSlice, FloatUnsupported, Origin, Shape
from resarray.spec.errors import reason

from .refused import Refused, shown

# What a node stands for: the name of a tensor of the graph, a parameter, several names, or nothing.
Value = str | Tensor | list[str] | None
INPUT = "input"
# Numbers that a node may make of the model's parameters: those of the largest layers.
MAX_CONSTANT = 1 << 28
# Characters of a module's path, and of a source file's name.
MAX_SCOPE = 200
MAX_FILE = 80


aten = torch.ops.aten
# What hands its argument on, though its schema does not say so.
_PASSED_ON = (operator.getitem, aten.dropout.default, aten.feature_dropout.default)
_TO = aten.to.dtype
_FRAME = re.compile(r'File "(.+?)", line (\d+)')
_TORCH = Path(torch.__file__).parent


class Reader:
    """Reads a program node by node into a float graph.

    A tensor of the graph is called as its node. It is [C][H][W] always: a vector [N, C * H * W] is
    the map that it was flattened from, and how a node sees it is in the node's own shape.
    """

    def __init__(self, program: ExportedProgram, shape: Shape, name: str, prefix: str):
        self.program = program
        self.name = name
        self.prefix = prefix
        self.shapes: dict[str, Shape] = {INPUT: (shape[0], shape[1], shape[2])}
        self.values: dict[Node, Value] = {}
        self.groups: dict[Node, Node] = {}  # the node whose values in memory a node shares
        self.sharing: dict[Node, list[Node]] = {}  # that node -> those that share, if read later
        self.ops: dict[str, FloatOp] = {}

    def read(
        self,
        read_node: Callable[["Reader", Node], Value],
        unreadable: Callable[[Node], str | None],
    ) -> FloatGraph:
        """The graph; ``read_node`` makes of a node its value, or raises `Refused`. Reading goes on
        behind a node that is refused if its result is a map or a vector; else only those behind it
        are named that are ``unreadable`` whatever they are given, with why."""
        constants = self._constants()
        inputs = 0
        outputs: tuple[str, ...] = (INPUT,)
        nodes = list(self.program.graph.nodes)
        for number, node in enumerate(nodes):
            shared = _shared(node)
            self.groups[node] = node if shared is None else self.groups[shared]
            self.sharing.setdefault(self.groups[node], []).append(node)
            if node.op == "placeholder":
                self.values[node] = constants.get(node.name, INPUT)
                inputs += node.name not in constants
            elif node.op == "call_function":
                try:
                    self.values[node] = read_node(self, node)
                except Refused as error:
                    result, given = _shape_of(node), self._read_by([node])
                    if result is None or not given:
                        end = self._end(nodes[number:], str(error))
                        outputs = (self._behind(nodes[number:], end, unreadable),)
                        break
                    why = str(error)
                    self.values[node] = self.emit(
                        node, FloatUnsupported, *given, why=why, result=result
                    )
            elif node.op == "output":
                outputs = self._outputs(node, inputs)
        return FloatGraph(self.name, INPUT, outputs, self.shapes[INPUT], tuple(self.ops.values()))

    # -- for those that read a node ----------------------------------------------------------

    def any_tensor(self, node: Node, index: int = 0) -> str:
        """The map or vector that argument ``index`` names."""
        argument = node.args[index]
        value = self.values.get(argument) if isinstance(argument, Node) else None
        if not isinstance(value, str):
            raise Refused(f"its argument {index} must be a feature map of the network")
        return value

    def feature_map(self, node: Node, index: int = 0) -> str:
        """The map [N, C, H, W] that argument ``index`` names."""
        value, argument = self.any_tensor(node, index), node.args[index]
        if is_vector(argument):
            raise Refused(f"its argument {index} must be a feature map of the network")
        if not self.fits(argument, value):
            raise Refused(f"its argument {index} is expanded: only sums and products may read it")
        return value

    def fits(self, node: Any, value: str) -> bool:
        """Whether a node's result has the shape of the tensor ``value``, or as many values as a
        vector; else it is expanded from it."""
        result, shape = node.meta["val"].shape, self.shapes[value]
        if is_vector(node):
            return math.prod(result) == math.prod(shape)
        return tuple(result[1:]) == shape

    def is_map(self, argument: Any) -> bool:
        """Whether this argument is a tensor that the network computes, map or vector."""
        return isinstance(argument, Node) and isinstance(self.values.get(argument), str)

    def constant(self, argument: Any) -> Tensor:
        """The parameter or buffer that is this argument."""
        value = self.values.get(argument)
        if not isinstance(value, Tensor):
            raise Refused("its weights must be parameters or buffers of the model")
        return value.float()

    def replace(self, node: Node, value: Value) -> None:
        """``node`` changed its first argument in place to ``value``: so were all that share it."""
        changed: Any = node.args[0]
        before = self.values[changed]
        if not isinstance(before, str):
            raise Refused("it changes a parameter in place: let it return a new one")
        if value == before:
            return
        group = self.groups[changed]
        sharing = [
            other
            for other in self.sharing[group]
            if any(user not in self.values and user is not node for user in other.users)
            and other is not node
        ]
        for other in sharing:
            if self.values[other] != before:
                raise Refused(
                    f"it changes in place what '{other.name}' shares, which is read after it: let "
                    "it return a new tensor"
                )
        self.values.update((other, value) for other in sharing)
        self.sharing[group] = [*sharing, node]

    def evaluated(self, node: Node) -> Tensor | None:
        """What a node that no tensor of the network reaches computes of parameters and numbers."""
        why = _uncomputable(node)
        if why is not None:
            raise Refused(why)
        try:
            function: Any = node.target
            args: Any = map_arg(node.args, self.values.get)
            kwargs: Any = map_arg(node.kwargs, self.values.get)
            value = function(*args, **kwargs)
        except Exception as error:  # PyTorch raises what it likes
            raise Refused(
                f"cannot be computed of the model's parameters: {reason(error)}"
            ) from error
        return value.detach() if isinstance(value, Tensor) else None

    def emit(
        self,
        node: Node,
        kind: type[FloatOp],
        *inputs: str,
        part: str = "",
        output: str = "",
        **fields: Any,
    ) -> str:
        """Append the operator ``kind`` with these inputs and fields; the name of its output.

        It is called as the node's module; ``part``: as this part of it. ``output``: instead of the
        node's name.
        """
        scope = self._scope(node)
        label = f"{scope}.{part}" if scope and part else scope
        origin = Origin(node.name, scope, str(node.target), _source(node))
        op = kind(label or node.name, inputs, output or node.name, **fields, origin=origin)
        self.ops[op.output] = op
        self.shapes[op.output] = op.shape(*(self.shapes[name] for name in inputs))
        return op.output

    # -- the program -------------------------------------------------------------------------

    def _constants(self) -> dict[str, Tensor]:
        signature, state = self.program.graph_signature, dict(self.program.state_dict)
        state.update(self.program.constants)
        names = {
            **signature.inputs_to_parameters,
            **signature.inputs_to_buffers,
            **signature.inputs_to_lifted_tensor_constants,
        }
        return {node: state[name].detach() for node, name in names.items()}

    def _scope(self, node: Node) -> str:
        """Path of the module that the node belongs to."""
        stack = list(node.meta.get("nn_module_stack", {}).values())
        path = stack[-1][0].removeprefix("L['self'].") if stack else ""
        return shown(path.removeprefix(self.prefix).removeprefix("."), MAX_SCOPE)

    def _end(self, nodes: list[Node], why: str) -> str:
        """One operator for all that is left, so that what reads a tensor is known to its end."""
        read = self._read_by(nodes) or (INPUT,)
        return self.emit(nodes[0], FloatUnsupported, *read, why=why)

    def _behind(self, nodes: list[Node], end: str, unreadable: Callable[[Node], str | None]) -> str:
        """An operator behind ``end`` for each ``unreadable`` node behind the first, and for each
        that cannot be computed of parameters; the last."""
        reached = {nodes[0]}
        for node in nodes[1:]:
            if node.op != "call_function":
                continue
            if reached.intersection(node.all_input_nodes) or self._read_by([node]):
                reached.add(node)
                why = unreadable(node)
            else:
                why = _uncomputable(node)
            if why is not None:
                end = self.emit(node, FloatUnsupported, end, why=why)
        return end

    def _outputs(self, node: Node, inputs: int) -> tuple[str, ...]:
        """The tensors that the network returns, or an operator that says why it cannot be."""
        results: Any = node.args[0]
        values = [self.values.get(r) if isinstance(r, Node) else None for r in results]
        faults = map(self._fault, results, values)
        why = next(filter(None, faults), "" if values else "returns nothing")
        if not why and inputs != 1:
            why = f"takes {inputs} inputs: 1 is supported"
        if not why:
            return tuple(str(value) for value in values)
        read = self._read_by([node]) or (INPUT,)
        self.ops["output"] = FloatUnsupported("output", read, "output", why)
        return ("output",)

    def _fault(self, result: Any, value: Value) -> str:
        """Why a result of the network, of this value, can be no output; "": it can."""
        source = value
        while isinstance(op := self.ops.get(str(source)), FloatSlice | FloatPad):
            source = op.inputs[0]
        if source == INPUT:
            return "returns its input: it must return what it computes of it"
        if not isinstance(value, str):
            return (
                "returns what it does not compute of its input: it must return such tensors alone"
            )
        shape, expected = self.shapes[value], list(result.meta["val"].shape)
        if math.prod(shape) != math.prod(expected):
            return f"returns {expected} expanded from {list(shape)}: return it as it is"
        return ""

    def _read_by(self, nodes: list[Node]) -> tuple[str, ...]:
        """The tensors that nodes read."""
        found: list[str] = []
        for value in [self.values.get(read) for node in nodes for read in node.all_input_nodes]:
            if isinstance(value, str | list):
                found += [value] if isinstance(value, str) else value
        return tuple(found)


def _shape_of(node: Node) -> Shape | None:
    """[C, H, W] of a node's result for one image; None where it is no map or vector."""
    value = node.meta.get("val")
    shape = tuple(value.shape) if isinstance(value, Tensor) else ()
    if len(shape) not in (2, 4) or shape[0] != 1:
        return None
    return (shape[1], 1, 1) if len(shape) == 2 else (shape[1], shape[2], shape[3])


def _source(node: Node) -> str:
    """The innermost line that is not PyTorch's own, where the program knows it."""
    frames = _FRAME.findall(node.meta.get("stack_trace") or "")
    own = [(file, line) for file, line in frames if _is_users(file)]
    return f"{shown(Path(own[-1][0]).name, MAX_FILE)}:{own[-1][1]}" if own else ""


def _is_users(file: str) -> bool:
    """Whether it is a file, and not PyTorch's own."""
    return not file.startswith("<") and not Path(file).is_relative_to(_TORCH)


def _uncomputable(node: Node) -> str | None:
    """Why a node that no tensor of the network reaches cannot be computed; None: it may be."""
    if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
        return "it depends on chance: the network must answer the same every time"
    if in_place(node):
        return "it changes a parameter in place: let it return a new one"
    result = node.meta.get("val")
    if isinstance(result, Tensor) and result.numel() > MAX_CONSTANT:
        return f"makes {result.numel():,} numbers: at most {MAX_CONSTANT:,} are computed"
    return None


def in_place(node: Node) -> bool:
    """Whether a node changes its first argument's values: its operator's name says so."""
    name = str(node.target).split(".")[1:2]
    return name != ["detach_"] and any(part.endswith("_") for part in name)


def _shared(node: Node) -> Node | None:
    """The argument whose values in memory a node's result may share; None: it has its own."""
    schema = getattr(node.target, "_schema", None)
    copies = node.kwargs.get("copy") or (node.target is _TO and True in node.args[3:4])
    views = schema is not None and any(result.alias_info for result in schema.returns)
    if copies or not (views or node.target in _PASSED_ON):
        return None
    source = node.args[0]
    return source if isinstance(source, Node) else None


def is_vector(node: Any) -> bool:
    """Whether a node's result is no map [N, C, H, W]."""
    return node.meta["val"].ndim != 4
