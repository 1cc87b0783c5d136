"""Allocation: slabs in the input buffer (a ring), feature maps in the scratchpad, and everything in
memory."""

from dataclasses import dataclass

from resarray.spec.layout import ALIGNMENT, ceil_div

from .ir import Layer


@dataclass
class _Occupant:
    start: int
    stop: int
    last_reader: int


class InputRing:
    """Places slabs one after another in a buffer of ``size`` words, never around its end and never
    over what is read later, and says which compute instruction must be complete before a part may
    be overwritten."""

    def __init__(self, size: int):
        self.size = size
        self._next = 0
        self._occupants: list[_Occupant] = []

    def place(self, words: int, first_reader: int) -> int:
        """First word of a slab of ``words`` words that compute ``first_reader`` (from 0) is the
        first to read."""
        needed = sorted((o.start, o.stop) for o in self._occupants if o.last_reader >= first_reader)
        for first in (self._next, 0):
            start = first
            for taken, stop in needed:
                if taken < start + words and start < stop:
                    start = stop
            if start + words <= self.size:
                self._next = start + words
                return start
        raise ValueError(f"no room for a slab of {words} words in a buffer of {self.size}")

    def occupy(self, start: int, words: int, last_reader: int) -> int:
        """Fill [start, start + words), last read by compute number ``last_reader`` (from 0).
        Returns how many computes must be complete first."""
        stop = start + words
        release, left = 0, []
        for old in self._occupants:
            if old.stop <= start or stop <= old.start:
                left.append(old)
                continue
            release = max(release, old.last_reader + 1)
            if old.start < start:
                left.append(_Occupant(old.start, start, old.last_reader))
            if stop < old.stop:
                left.append(_Occupant(stop, old.stop, old.last_reader))
        left.append(_Occupant(start, stop, last_reader))
        self._occupants = left
        return release


@dataclass(frozen=True)
class Place:
    """A tensor's place in the scratchpad: words [start, stop) from the first layer that stores into
    it to the last one that does or reads it."""

    start: int
    stop: int
    first_layer: int
    last_layer: int

    def overlaps(self, other: "Place") -> bool:
        """Whether both have a word in common."""
        return self.start < other.stop and other.start < self.stop


def place_maps(
    layers: list[Layer], words: dict[str, int], batch: int, size: int
) -> dict[tuple[str, int], Place]:
    """Which images of which tensors a scratchpad of ``size`` words keeps, by (tensor, image): in
    the order in which they are made, each at the first place that is free while it is needed.
    ``words``: size of one image's tensor."""
    # The last layer that reads or writes each: several may write parts of one.
    needed = {
        view.tensor: index
        for index, layer in enumerate(layers)
        for view in (*layer.reads, layer.output)
    }
    places: dict[tuple[str, int], Place] = {}
    made: set[str] = set()
    for index, layer in enumerate(layers):
        name = layer.output.tensor
        last, length = needed[name], words[name]
        if last == index or name in made:
            continue
        made.add(name)
        # All that is still needed here meets whatever this layer makes: the first gap is the place.
        taken = sorted((p.start, p.stop) for p in places.values() if p.last_layer >= index)
        start = at = 0
        for image in range(batch):
            while at < len(taken) and taken[at][0] < start + length:
                start = max(start, taken[at][1])
                at += 1
            if start + length > size:
                break
            places[name, image] = Place(start, start + length, index, last)
            start += length
    return places


class Memory:
    """Hands out aligned regions one after another."""

    def __init__(self) -> None:
        self.end = 0
        self.addresses: dict[str, int] = {}

    def add(self, symbol: str, size: int) -> int:
        """Byte address of a new region of ``size`` bytes."""
        address = ceil_div(self.end, ALIGNMENT) * ALIGNMENT
        self.addresses[symbol] = address
        self.end = address + size
        return address

    def align(self) -> int:
        """Moves the end to the next aligned address and returns it."""
        self.end = ceil_div(self.end, ALIGNMENT) * ALIGNMENT
        return self.end
