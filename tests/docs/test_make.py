"""What the Makefile hands on, by what it would run."""

import os
import shlex
import shutil
import subprocess

import pytest

from .extract import ROOT

MAKE = shutil.which("make")
pytestmark = [
    pytest.mark.verifies("documentation", by="text"),
    pytest.mark.skipif(MAKE is None, reason="no make on PATH: apt install make"),
]


def would_run(*arguments: str, **environment: str) -> list[list[str]]:
    """Commands of ``make arguments`` as words, without those that are whole scripts."""
    result = subprocess.run(
        [MAKE, "-n", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},  # without what an outer make hands on
        capture_output=True,
        text=True,
        check=True,
    )
    printed = result.stdout.replace("\\\n", "").splitlines()  # commands of several lines too
    lines = [line for line in printed if line.startswith((".venv", "none/bin"))]
    return [shlex.split(line) for line in lines if "||" not in line]


def test_options_of_sim():
    *_, command = would_run(
        "sim", "MEAN=0.5,0.5,0.5", "STD=0.2", "CLASSES=a,b", "CALIBRATION=my pictures/", "NAME=net"
    )
    assert command[1:] == [
        "sim",
        "--mean",
        "0.5,0.5,0.5",
        "--std",
        "0.2",
        "--classes",
        "a,b",
        "--calibration",
        "my pictures/",
        "--name",
        "net",
    ]


def test_options_of_zoo():
    *_, command = would_run("zoo", "MODEL=lenet5 resnet8", "INPUT_SIZE=28", "JOBS=2")
    models = ["--model", "lenet5", "--model", "resnet8"]
    assert command[1:] == ["zoo", *models, "--input-size", "28", "--jobs", "2"]


def test_a_name_in_the_environment_names_no_network():
    *_, command = would_run("sim", NAME="laptop")
    assert command[1:] == ["sim"]


def test_a_name_that_is_none_is_refused():
    result = subprocess.run(
        [MAKE, "-n", "sim", "MODLE=resnet8"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2 and "nothing here is called MODLE: choose from" in result.stderr


@pytest.mark.parametrize(
    "target, extras",
    [
        ("sim", ""),
        ("lint", "[dev,fpga,docs,cluster,formal,onnx,pt2e,tflite]"),
        ("bitstream", "[fpga]"),
        ("docs", "[docs]"),
        ("test", "[dev,fpga,docs,cluster,formal,onnx,pt2e,tflite]"),
    ],
)
def test_packages_are_installed_as_locked_with_the_options_for_pip(target, extras):
    installs = [
        command
        for command in would_run(target, "VENV=none", "PIP_OPTIONS=--extra-index-url ADDRESS")
        if command[:2] == ["none/bin/pip", "install"]
    ]
    assert installs == [
        [
            "none/bin/pip",
            "install",
            "-qq",
            "--no-compile",
            "--disable-pip-version-check",
            "--extra-index-url",
            "ADDRESS",
            "-c",
            "requirements.lock",
            "-e",
            f".{extras}",
        ]
    ]
