"""The bits of instructions: a layout of its own for each version."""

import hashlib

import pytest

from resarray.spec import isa, registers

pytestmark = pytest.mark.verifies("compiler", by="unit")

# Programs are kept in image files, which name the version: a layout that has changed needs the next
# version, and its digest here.
LAYOUTS = {4: "bdbb2247696ff6df"}


def test_a_version_is_one_layout():
    fields = [
        f"{engine.name}.{field.name}: {field.width} {field.signed}"
        for engine, layout in isa.LAYOUTS.items()
        for field in layout
    ]
    fields += [f"PARAMS.{field.name}: {field.width} {field.signed}" for field in isa.PARAMS]
    digest = hashlib.sha256("\n".join(fields).encode()).hexdigest()
    assert digest[:16] == LAYOUTS[registers.VERSION]


def test_all_of_an_instruction_is_there():
    """What is encoded is decoded, each field at both ends of its range."""
    for engine, layout in isa.LAYOUTS.items():
        waits = dict(zip(("wait_a", "wait_b"), isa.WAITS[engine], strict=True))
        none = {name: 0 for name, awaited in waits.items() if awaited is None}
        assert sum(field.width for field in layout) <= 8 * isa.INSTRUCTION_BYTES
        for end in (0, 1):
            values = {f.name: f.range[end] for f in layout if f.name != "opcode"} | none
            decoded = isa.decode(isa.encode(engine, **values))
            assert decoded == (engine, values | {"opcode": engine.opcode})
