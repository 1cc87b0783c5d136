"""``import resarray`` is quick, and brings nothing large."""

import json
import subprocess
import sys

import pytest

import resarray

pytestmark = pytest.mark.verifies("command", by="text")

MEASURE = """
import json, sys, time
start = time.perf_counter()
import resarray
seconds = time.perf_counter() - start
large = [name for name in ("torch", "amaranth", "cocotb", "numpy", "rich") if name in sys.modules]
resarray.open, resarray.ResarrayError
print(json.dumps([seconds, large, "torch" in sys.modules]))
"""
MOST_SECONDS = 0.3


def test_the_import_is_quick_and_a_board_needs_no_pytorch():
    ran = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    seconds, large, torch = json.loads(ran.stdout)
    assert large == []
    assert seconds < MOST_SECONDS
    assert not torch


def test_every_name_is_there_and_documented():
    for name in resarray.__all__:
        assert getattr(resarray, name).__doc__, name
        assert name in dir(resarray)
        for member, value in vars(getattr(resarray, name)).items():
            if not member.startswith("_") and (callable(value) or isinstance(value, property)):
                assert value.__doc__, f"{name}.{member}"


def test_an_unknown_name_is_an_attribute_error():
    assert getattr(resarray, "nothing", None) is None
