"""Tensors from the RTL against the golden model's, value by value."""

from dataclasses import dataclass

import numpy as np

from resarray.spec.errors import ResarrayError


@dataclass(frozen=True)
class Check:
    """One tensor's comparison; ``first`` [image, c, h, w] is where it first differs."""

    name: str
    values: int
    mismatches: int
    first: tuple[int, ...] | None = None
    expected: int | None = None
    got: int | None = None

    def describe(self) -> str:
        """One line for the report."""
        if self.first is None:
            return f"{self.name}: {self.values} values equal"
        return (
            f"{self.name}: {self.mismatches} of {self.values} values differ, first at "
            f"[image, c, h, w] = {list(self.first)}: expected {self.expected}, got {self.got}"
        )


def compare_tensor(name: str, got: np.ndarray, expected: np.ndarray) -> Check:
    """Compare int8 [images, C, H, W] arrays of one shape; another shape is an error."""
    if got.shape != expected.shape:
        raise ResarrayError(
            f"tensor '{name}' has shape {list(got.shape)} in the accelerator's memory and "
            f"{list(expected.shape)} in the golden model: the image belongs to another model, "
            "input size or count; compile it again"
        )
    differs = got != expected
    mismatches = int(np.count_nonzero(differs))
    if not mismatches:
        return Check(name, got.size, 0)
    first = tuple(int(i) for i in np.unravel_index(int(differs.argmax()), got.shape))
    return Check(name, got.size, mismatches, first, int(expected[first]), int(got[first]))


def compare(tensors: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> dict[str, Check]:
    """A `Check` for every tensor that the accelerator stored, in its order.

    `ResarrayError` for a stored tensor that the golden model does not know.
    """
    unknown = [name for name in tensors if name not in expected]
    if unknown:
        raise ResarrayError(
            f"the accelerator stored tensor '{unknown[0]}', which the golden model does not have: "
            "the image belongs to another model; compile it again"
        )
    return {name: compare_tensor(name, got, expected[name]) for name, got in tensors.items()}
