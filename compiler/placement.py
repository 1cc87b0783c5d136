"""Where tensors lie: what a concatenation joins is written side by side in one tensor, and a slice
is a part of one. Neither takes time, where channel blocks allow it; else they are convolutions.
"""

from dataclasses import replace

import numpy as np
import torch

from resarray.golden.graph import QGraph
from resarray.golden.ops import QConcat, QConstant, QConv, QOp, QSlice
from resarray.spec.config import Config
from resarray.spec.numerics import GUARD_BITS, IDENTITY_MULT, RESIDUAL_HEADROOM

from .ir import View


def place(graph: QGraph, config: Config) -> tuple[QGraph, dict[str, View]]:
    """``graph`` as ``config`` can place it, and where its tensors lie, by name.

    The placed graph computes the same under the same names. It has copies of operands that lie
    elsewhere already or that nothing writes, and convolutions in place of concatenations and slices
    that do not begin with a channel block; the tensors that they make are its own.
    """
    placed = _Placement(graph, config.rows)
    return placed.graph, placed.views()


def complete(graph: QGraph, config: Config, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """``values`` (tensor name -> int8 [N][C][H][W]) of all of ``graph``'s tensors, with those that
    the placed graph has beside them."""
    placed, _ = place(graph, config)
    tensors = {name: torch.from_numpy(value) for name, value in values.items()}
    for op in placed.ops:
        if op.output not in tensors:
            tensors[op.output] = op.fast(placed.tensors, *(tensors[name] for name in op.inputs))
    return {name: tensor.numpy() for name, tensor in tensors.items()}


class _Placement:
    """Operators are placed from the last to the first: a concatenation says where its operands
    go."""

    def __init__(self, graph: QGraph, rows: int):
        self._rows = rows
        self._makers = {op.output: op for op in graph.ops}
        self._reversed: list[QOp] = []
        # (tensor, first block) of those that lie in another's.
        self._places: dict[str, tuple[str, int]] = {}
        self.graph = QGraph(graph.name, graph.input, graph.outputs, dict(graph.tensors))
        for op in reversed(graph.ops):
            if op.output in graph.outputs and isinstance(op, QConcat | QConstant | QSlice):
                op = self._copied_out(op)
            if isinstance(op, QConcat):
                self._concat(op)
            elif isinstance(op, QSlice) and op.first % rows:
                self._reversed.append(self._selection(op.name, op.input, op.output, op.first))
            else:
                self._reversed.append(op)
        self.graph.ops = self._reversed[::-1]

    def views(self) -> dict[str, View]:
        """Where each tensor of the placed graph lies."""
        views = {
            name: View(name, tensor.shape, *self._places.get(name, (name, 0)))
            for name, tensor in self.graph.tensors.items()
        }
        for op in self.graph.ops:
            if isinstance(op, QSlice):
                source = views[op.input]
                first = source.first + op.first // self._rows
                views[op.output] = replace(views[op.output], tensor=source.tensor, first=first)
        return views

    def _tensor(self, name: str, like: str) -> str:
        """A new tensor like another."""
        self.graph.tensors[name] = replace(self.graph.tensors[like], name=name)
        return name

    def _copied_out(self, op: QConcat | QConstant | QSlice) -> QConcat | QConstant | QSlice:
        """An output of the network is what a layer writes."""
        parts = self._tensor(f"{op.output}.parts", op.output)
        self._reversed.append(self._copy(op.name, parts, op.output))
        return replace(op, name=f"{op.name}.parts", output=parts)

    def _concat(self, op: QConcat) -> None:
        sizes = [self.graph.tensors[name].shape[0] for name in op.operands]
        starts = [sum(sizes[:i]) for i in range(len(sizes))]
        if any(start % self._rows for start in starts):
            self._reversed += self._summed(op, starts)[::-1]
            return
        blocks = [start // self._rows for start in starts]
        root, first = self._root(op, blocks)
        operands, copies = [], []
        for number, (name, block) in enumerate(zip(op.operands, blocks, strict=True)):
            wanted = root, first + block
            maker = self._makers.get(name)
            free = maker is not None and not isinstance(maker, QSlice | QConstant)
            if free and self._places.setdefault(name, wanted) == wanted:
                operands.append(name)
                continue
            copied = self._tensor(f"{op.output}.copy{number}", name)
            self._places[copied] = wanted
            copies.append(self._copy(f"{op.name}.copy{number}", name, copied))
            operands.append(copied)
        self._reversed.append(replace(op, operands=tuple(operands)))
        self._reversed += copies[::-1]

    def _root(self, op: QConcat, blocks: list[int]) -> tuple[str, int]:
        """Where a concatenation lies: in another that it is an operand of, or in one of which its
        operands are a part already."""
        if op.output not in self._places:
            tensor, first = self._places.get(op.operands[0], (op.output, 0))
            there = [self._places.get(name) for name in op.operands]
            if there == [(tensor, first + block) for block in blocks]:
                self._places[op.output] = tensor, first
        return self._places.get(op.output, (op.output, 0))

    def _copy(self, name: str, source: str, output: str) -> QConv:
        """A convolution that hands its input on."""
        channels = self.graph.tensors[source].shape[0]
        ones = np.ones((channels, 1, 1, 1), np.int8)
        return _exact(name, source, output, ones, groups=channels)

    def _selection(self, name: str, source: str, output: str, first: int) -> QConv:
        """A convolution that takes channels from ``first`` on."""
        count, channels = (self.graph.tensors[name].shape[0] for name in (output, source))
        weight = np.zeros((count, channels, 1, 1), np.int8)
        weight[:, first : first + count, 0, 0] = np.eye(count, dtype=np.int8)
        return _exact(name, source, output, weight)

    def _summed(self, op: QConcat, starts: list[int]) -> list[QConv]:
        """A convolution for each operand, which puts it into its channels of the output, and zeros
        into the others; from the second on it adds to what the one before made."""
        total, made = self.graph.tensors[op.output].shape[0], None
        convs = []
        for number, (name, start) in enumerate(zip(op.operands, starts, strict=True)):
            channels = self.graph.tensors[name].shape[0]
            weight = np.zeros((total, channels, 1, 1), np.int8)
            weight[start : start + channels, :, 0, 0] = np.eye(channels, dtype=np.int8)
            last = number == len(starts) - 1
            output = op.output if last else self._tensor(f"{op.output}.part{number}", op.output)
            label = op.name if last else f"{op.name}.part{number}"
            conv = _exact(label, name, output, weight)
            if made is not None:
                # A factor of one: mult * 2**(RESIDUAL_HEADROOM - shift - GUARD_BITS).
                shift = RESIDUAL_HEADROOM
                conv = replace(conv, residual=made, res_mult=1 << GUARD_BITS, res_shift=shift)
            convs.append(conv)
            made = output
        return convs


def _exact(name: str, source: str, output: str, weight: np.ndarray, groups: int = 1) -> QConv:
    """A 1x1 convolution of weights 0 and 1, whose input and output have one scale: exact."""
    count = len(weight)
    return QConv(
        name=name,
        input=source,
        output=output,
        weight=weight,
        bias=np.zeros(count, np.int32),
        mult=np.full(count, IDENTITY_MULT, np.int64),
        shift=np.zeros(count, np.int64),
        groups=groups,
        op="copy",
    )
