"""What properties are built of: a unit with free inputs, and what its streams promise."""

import sys

from amaranth.hdl import Assert, Assume, Fragment, Module, Signal, Value
from amaranth.lib.data import View
from amaranth.lib.wiring import Component, In

from resarray.hw.verilog import Portable


class Harness(Component):
    """A unit, ``self.unit``, whose inputs are free in every cycle; its reset is too. Subclasses say
    in `specify` what is assumed of them and what is asserted.

    ``self.inner`` has the variables of the unit's ``elaborate``, and of those of its submodules, as
    "fifo.stored": an induction may need what is true of them, as further assertions.

    free:   further free values, by name (-> shape), members of this component
    checks: the unit's own `resarray.hw.checks` are asserted too
    """

    def __init__(self, unit: Component, free: dict | None = None, checks: bool = True):
        self.unit = unit
        self._checks = checks
        self._inputs = {
            "__".join(map(str, path)): value
            for path, member, value in unit.signature.flatten(unit)
            if member.flow == In and isinstance(Value.cast(value), Signal)
        }
        inputs = {f"unit__{name}": In(len(Value.cast(v))) for name, v in self._inputs.items()}
        super().__init__(inputs | {name: In(shape) for name, shape in (free or {}).items()})

    def specify(self, m: Module, platform) -> None:
        raise NotImplementedError

    def elaborate(self, platform):
        m = Module()
        with _Locals(self.unit) as self.inner:
            m.submodules.unit = Fragment.get(self.unit, platform if self._checks else Portable())
        for name, value in self._inputs.items():
            m.d.comb += Value.cast(value).eq(getattr(self, f"unit__{name}"))
        self.specify(m, platform)
        return m

    def register(self, m: Module, name: str) -> Signal:
        """The register of the unit itself called ``name``, which no variable of its ``elaborate``
        holds."""
        fragment, *_ = m._named_submodules["unit"]
        (found,) = (
            signal
            for statements in fragment.statements.values()
            for signal in statements._lhs_signals()
            if signal.name == name
        )
        return found


class _Locals:
    """Collects the variables of every ``elaborate`` that returns while it is entered: signals,
    units ("fifo.self") and what is in lists ("stage0"), by their names behind the unit's place
    among the submodules."""

    def __init__(self, unit: Component):
        self.found: dict = {}
        self._paths = {id(unit): ""}

    def __enter__(self):
        self._before = sys.getprofile()
        sys.setprofile(self._event)
        return self.found

    def __exit__(self, *_):
        sys.setprofile(self._before)

    def _event(self, frame, event: str, _) -> None:
        if event != "return" or frame.f_code.co_name != "elaborate":
            return
        path = self._paths.get(id(frame.f_locals.get("self")))
        module = frame.f_locals.get("m")
        if path is None or not isinstance(module, Module):
            return
        for name, (inner, _) in module._named_submodules.items():
            inner = getattr(inner, "_elaboratable_", inner)  # of a domain's renaming
            self._paths[id(inner)] = f"{path}{name}."
        for name, value in frame.f_locals.items():
            if isinstance(value, Signal | View | Component):
                self.found[path + name] = value
            elif isinstance(value, list | dict):
                pairs = value.items() if isinstance(value, dict) else enumerate(value)
                self.found |= {
                    f"{path}{name}{key}": item for key, item in pairs if isinstance(item, Signal)
                }


def constant(m: Module, value: Value, name: str) -> Signal:
    """A value that is any one, for all time: ``value``, a free input, as it was in the first
    cycle."""
    kept = Signal.like(value, name=f"{name}_kept", reset_less=True)
    known = Signal(name=f"{name}_known", reset_less=True)
    result = Signal.like(value, name=name)
    with m.If(known):
        m.d.comb += result.eq(kept)
    with m.Else():
        m.d.comb += result.eq(value)
    m.d.sync += [kept.eq(result), known.eq(1)]
    return result


def past(m: Module, value, name: str) -> Signal:
    """``value`` of the cycle before; 0 in the first cycle and after a reset."""
    value = Value.cast(value)
    register = Signal(value.shape(), name=f"past_{name}")
    m.d.sync += register.eq(value)
    return register


def stays(m: Module, stream, name: str):
    """That what a stream offers stays until it is taken: ``valid``, and the payload with it."""
    valid, payload = Value.cast(stream.valid), Value.cast(stream.payload)
    waiting = past(m, valid & ~Value.cast(stream.ready), f"{name}_waiting")
    return ~waiting | (valid & (payload == past(m, payload, f"{name}_payload")))


def offered(m: Module, stream, name: str) -> None:
    """Assume that the other side of an input stream keeps the rule."""
    m.d.comb += Assume(stays(m, stream, name))


def offers(m: Module, stream, name: str) -> None:
    """Assert that the unit keeps it on an output stream."""
    m.d.comb += Assert(stays(m, stream, name))
