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

An induction often needs more than the property: what else is always true inside of the unit. Such
lemmas are assertions too, so they are proven with it (`contracts`; ``self.inner`` of a harness has
the unit's variables). Property directed reachability finds them by itself, where little arithmetic
is in the way. Units are proven at `units.SMALL` sizes: pointers and counters wrap sooner there, so
what goes wrong at a large size goes wrong at a small one; what widths matter to (addresses,
strides, counts of instructions) has the real ones.

What a property takes for granted of a unit's neighbours is a property of theirs: the splitter's
bursts (`splitter-words-2`, -4), which readers and scratchpad hand on as they are (`reader-done`,
`scratchpad-order`), of the arbiter's requests; the arbiter's words (`arbiter-order`) of the
reader's data; and AXI4 of the memory. No address outside the windows reaches the bus, whatever the
program and with all settings that a start accepts and that stay until its end (`registers-kept`):
that is `arbiter-bus`, `store-bus` and `settings-possible` together, since the port has no other
masters.

``python -m resarray.verification.formal --help`` has the options, ``NAME`` proves one property.
"""
