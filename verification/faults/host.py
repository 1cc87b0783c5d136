"""The host side: damaged files and replies end in a sentence, or change nothing."""

import contextlib
import random
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import resarray
from resarray.compiler.disasm import disassemble
from resarray.fpga.host.link import Link
from resarray.golden.weights import load_weights, to_safetensors
from resarray.report.read import read_result
from resarray.spec import image as image_file
from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError
from resarray.spec.memory import memory_contents, settings_of

from .campaign import Tally
from .damage import damage
from .fake_board import FakeBoard
from .program import Block, Program

SECONDS = 10  # that one reading may take
REFUSED, SAME, OTHER = "refused in a sentence", "read as without damage", "read as something else"


@dataclass(frozen=True)
class Kind:
    """Files of one kind: how they are called, what a whole one holds, how it is read.

    read: from a path; same: whether two readings agree
    """

    name: str
    suffix: str
    data: bytes
    read: Callable[[Path], Any]
    same: Callable[[Any, Any], bool] = lambda a, b: a == b


class Hang(BaseException):
    """It took longer than `SECONDS`."""


@contextlib.contextmanager
def in_time() -> Iterator[None]:
    """`Hang` where the block does not end; only in the main thread."""

    def end(number: int, frame: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def damage_files(kind: Kind, count: int, seed: int) -> Tally:
    """Read ``count`` damaged copies of a file."""
    rng, tally = random.Random(seed), Tally()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x{kind.suffix}"
        path.write_bytes(kind.data)
        whole = kind.read(path)
        for number in range(count):
            changed, what = damage(kind.data, rng)
            path.write_bytes(changed)
            tally.timings += 1
            try:
                with in_time():
                    found = kind.read(path)
            except ResarrayError:
                tally.ends[REFUSED] += 1
                continue
            except Hang:
                tally.problems.append(f"{kind.name}, seed {seed}, {number}: hang ({what})")
                continue
            except Exception as error:
                why = f"{type(error).__name__}: {error}"
                tally.problems.append(f"{kind.name}, seed {seed}, {number}: {why} ({what})")
                continue
            end = SAME if kind.same(found, whole) else OTHER
            tally.ends[end] += 1
            if end == OTHER:
                tally.problems.append(f"{kind.name}, seed {seed}, {number}: {OTHER} ({what})")
    return tally


def _use_image(path: Path) -> tuple:
    """What reaches the accelerator of an image that was read."""
    image = image_file.load(path)
    disassemble(image)
    first = image.manifest["inputs"][0]["layout"]
    shape = [first[side] for side in ("channels", "height", "width")]
    contents = memory_contents(image, np.zeros((image.manifest["batch"], *shape), np.int8))
    return image, contents.tobytes(), settings_of(image, 0)


def _load_weights(path: Path) -> dict[str, torch.Tensor]:
    """The network's weights from a file, in memory of their own."""
    load_weights(model := Block(), path)
    return {name: value.clone() for name, value in model.state_dict().items()}


def _same_weights(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def images(program: Program) -> Kind:
    """The image file of a program."""
    return Kind("image", ".rsa", image_file.encode(program.image), _use_image)


def weights(suffix: str) -> Kind:
    """Weights as PyTorch writes them (.pth), or .safetensors as 'resarray train' does."""
    state = Block().state_dict()
    if suffix == ".safetensors":
        data = to_safetensors(state)
    else:
        with tempfile.TemporaryDirectory() as folder:
            torch.save(state, path := Path(folder) / "x.pth")
            data = path.read_bytes()
    return Kind(f"weights, {suffix}", suffix, data, _load_weights, _same_weights)


def results(config: Config) -> Kind:
    """A result of a simulated network."""
    torch.manual_seed(0)
    example = torch.rand(2, 3, 4, 4)
    network = resarray.load(Block().eval(), example=example, mean=0.5, std=0.25)
    found = network.quantise(example).compile(config).simulate(example[:1], record=True)
    with tempfile.TemporaryDirectory() as folder:
        found.save(path := Path(folder) / "x.json")
        data = path.read_bytes()
    return Kind("result", ".json", data, read_result)


def replies(count: int, seed: int) -> Tally:
    """Accesses of a board's memory while the line is bad, in both directions."""
    rng, tally = random.Random(seed), Tally()
    for number in range(count):
        board = FakeBoard({at: at for at in range(0, 512, 4)})
        before = dict(board.words)
        link = Link(board, "port", baud=1e9, timeout=0.002, gap=0)
        told: list[str] = []

        def fault(data: bytes, told: list[str] = told) -> bytes:
            changed, what = damage(data, rng)
            told.append(what)
            return changed

        for side in rng.choice(
            [("to_host",), ("to_host",), ("to_board",), ("to_host", "to_board")]
        ):
            setattr(board, side, [fault] * rng.randint(1, 3))
        size = 4 * rng.randint(1, 64)
        data, address = rng.randbytes(size), 4 * rng.randrange(0, 32)
        writes = rng.random() < 0.5
        problem = ""
        tally.timings += 1
        try:
            with in_time():
                if writes:
                    link.write(address, data)
                found = link.read(address, size)
            expected = (
                data
                if writes
                else b"".join(at.to_bytes(4, "little") for at in range(address, address + size, 4))
            )
            tally.ends[SAME if found == expected else OTHER] += 1
            if found != expected:
                problem = OTHER
        except ResarrayError:
            tally.ends[REFUSED] += 1
        except Hang:
            problem = "hang"
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        asked = range(address, address + size, 4) if writes else ()
        wanted = dict(zip(asked, (data[i : i + 4] for i in range(0, size, 4)), strict=False))
        for at, value in board.words.items():
            if value != before.get(at) and value.to_bytes(4, "little") != wanted.get(at):
                problem = f"a word that nobody asked for was written at {at:#x}"
        if problem:
            tally.problems.append(f"reply, seed {seed}, {number}: {problem} ({'; '.join(told)})")
    return tally


def run(program: Program, count: int, seed: int, note: Callable[[str], None]) -> dict[str, Tally]:
    """``count`` pieces of damage or more, by what was damaged."""
    kinds = [
        images(program),
        weights(".pth"),
        weights(".safetensors"),
        results(program.image.config),
    ]
    shares = {"image": 3}
    total = sum(shares.get(kind.name, 1) for kind in kinds) + 3
    tallies = {}
    for kind in kinds:
        note(f"damaged files: {kind.name}")
        of_kind = -(-count * shares.get(kind.name, 1) // total)
        tallies[kind.name] = damage_files(kind, of_kind, seed)
    note("damaged replies")
    tallies["reply of a board"] = replies(-(-count * 3 // total), seed)
    return tallies
