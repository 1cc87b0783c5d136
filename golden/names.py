"""Names that are taken."""

from collections.abc import Container


def unused(name: str, taken: Container[str], numbers: dict[str, int]) -> str:
    """``name``, or where that is taken, with the first number from 2 on that is not.

    numbers: of each name the last that it was given; kept by the caller, as many may want one name
    """
    number, found = numbers.get(name, 1), name
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    numbers[name] = number
    return found
