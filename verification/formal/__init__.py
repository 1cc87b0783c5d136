"""Proofs about the hardware, ``make formal``: properties of units for all inputs and for all time.

To add a property, write into a module of ``specs/``, found by itself, a `properties.Property` in
its list ``PROPERTIES``: a name, what it says, a function that makes a `harness.Harness` around the
unit (its ``specify`` says with `amaranth.hdl.Assume` what the unit's contract lets it expect, and
with `Assert` what must hold), a method, and broken twins for which it must fail::

    class Adds(Harness):
        def specify(self, m, platform):
            m.d.comb += Assert(self.unit.total == past(m, self.unit.a + self.unit.b, "sum"))

    PROPERTIES = [
        Property(
            name="adder-adds",
            unit="adder.Adder",
            says="The total is the sum, a cycle later.",
            build=lambda: Adds(Adder(8)),
            method=Induction(2),  # or Reachable(), PDR; or Bounded(20, "why that is enough")
            twins=(Edit("it subtracts", "hw.adder", "self.a + self.b", "self.a - self.b"),),
        )
    ]

All inputs are free in every cycle, and so is the reset: what holds, holds after a reset at any
time, with whatever is then left in registers that have none. Monitors are in the same domain and
are reset with the unit. A unit's own `check`s (`resarray.hw.checks`) are part of every proof. An
`Assume` that cannot be met would prove anything: that the twins fail is the evidence that it can.

``python -m resarray.verification.formal --help`` has the options, ``NAME`` proves one property.
"""
