"""CCU2C: a sum one of whose terms counts only where a bit says so. Yosys would put a LUT for that
in front of the chain, though the cell has two inputs to spare."""

from amaranth.hdl import Instance, Module, Signal

# Of A, B and C, with D set: the carry is propagated where B ^ (A & C). With D and C unset: where it
# is not, the carry is B.
TABLE = 0x6CCC


def build(m: Module, enable, augend, addend, total: Signal) -> None:
    """``total`` = ``addend`` + ``augend`` where ``enable`` is set, else ``addend``; all are equally
    wide."""
    carry = 0
    for low in range(0, len(total), 2):
        both = low + 1 < len(total)
        pins, following = {}, Signal(name=f"{total.name}_carry{low}")
        for i in range(2):
            used = i == 0 or both
            pins |= {
                f"p_INIT{i}": TABLE if used else 0,
                f"p_INJECT1_{i}": "NO",
                f"i_A{i}": augend[low + i] if used else 0,
                f"i_B{i}": addend[low + i] if used else 0,
                f"i_C{i}": enable,
                f"i_D{i}": 1,
                f"o_S{i}": total[low + i] if used else Signal(name=f"{total.name}_open"),
            }
        m.submodules[f"{total.name}_{low}"] = Instance(
            "CCU2C", **pins, i_CIN=carry, o_COUT=following
        )
        carry = following
