"""Settings check: what a start refuses."""

import pytest

from resarray.hw.common import signals
from resarray.hw.settings import SettingsCheck
from resarray.spec.presets import preset

from .bench import simulate

pytestmark = pytest.mark.verifies("start", by="unit")

GOOD = {
    "mem_base": 0x1000,
    "mem_size": (1 << 32) - 0x1000,
    "prog_addr": 64,
    "write_base": 128,
    "prog_count": (1 << 20) - 1,
}


@pytest.mark.parametrize(
    "setting, value",
    [
        ("mem_base", 0x1800),
        ("mem_base", 0x2000),
        ("prog_addr", 66),
        ("write_base", 129),
        ("prog_count", 1 << 20),
    ],
)
def test_settings_that_are_refused(setting, value):
    dut = SettingsCheck(preset("tiny"))

    async def testbench(ctx):
        settings = signals(dut.settings)
        for changes, bad in (({}, 0), ({setting: value}, 1)):
            for name, given in (GOOD | changes).items():
                ctx.set(settings[name], given)
            await ctx.tick().repeat(2)
            assert ctx.get(dut.bad) == bad

    simulate(dut, testbench)
