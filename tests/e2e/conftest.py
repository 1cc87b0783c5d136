"""Fixtures of the end-to-end tests."""

import shutil

import pytest


@pytest.fixture
def icarus() -> str:
    """Name of the simulator; skips where Icarus Verilog is not installed."""
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog is not installed: apt-get install iverilog")
    return "icarus"
