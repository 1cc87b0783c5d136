"""Verilog from the configuration and simulation binaries from the Verilog, both cached.

Everything lies in ``$RESARRAY_BUILD``, else ``build/`` in the current folder, under the hash of
what it was made from, so nothing is made twice and nothing stale is used.
"""

import contextlib
import fcntl
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cocotb_tools.config

import resarray.hw
import resarray.spec
from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError
from resarray.spec.files import write_atomic

from . import simulators
from .simulators import Simulator

HERE = Path(__file__).parent
HW = Path(resarray.hw.__path__[0])
# Simulation models of what a target's Verilog instantiates.
MODELS = {"generic": (), "ecp5": ("ecp5/models.v",)}
TOP = "harness"
HARNESS = ("axi_memory.v", "activity.v", "waves.v", "harness.v")
# Where the design has this inside, the harness records its activity and can write waveforms.
CORE = "module \\resarray.core "
JOBS = 2  # compilers at a time
POLL_SECONDS = 0.5
# Memory that is simulated at least, log2 of words: 64 MiB of 64-bit words costs Verilator nothing,
# Icarus time and memory.
MIN_DEPTH_BITS = {"verilator": 23, "icarus": 16}

VERILATOR_FLAGS = (
    "-O3",
    "--x-assign",
    "fast",
    "--x-initial",
    "fast",
    "--noassert",
    "--no-timing",
    "-Wno-lint",
    "-Wno-style",
    "-Wno-fatal",
    "--output-split",
    "20000",
    "-CFLAGS",
    "-std=c++20",
)
# The same for designs with delays in them.
TIMED_FLAGS = tuple("--timing" if flag == "--no-timing" else flag for flag in VERILATOR_FLAGS)
# What runs once is not worth optimising: of the trace build, -O1 takes ten times as long as -O0.
VERILATOR_MAKE = ("OPT_FAST=-O3", "OPT_SLOW=-O0", "OPT_GLOBAL=-O2")
ICARUS_FLAGS = ("-g2012",)

# compiled(files, of): how far the compilation of a simulation is.
Compiled = Callable[[int, int], None]


@dataclass(frozen=True)
class Build:
    """A simulation that can be run: its simulator and the file to run."""

    simulator: Simulator
    binary: Path
    depth_bits: int


def build_dir() -> Path:
    """Folder of everything cached."""
    return Path(os.environ.get("RESARRAY_BUILD", "build")).absolute()


def digest(*parts: str | bytes) -> str:
    """Name of what is made from ``parts``."""
    hasher = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        hasher.update(len(data).to_bytes(8, "little") + data)
    return hasher.hexdigest()[:20]


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """What fails inside is that ``folder`` cannot be written: `ResarrayError`."""
    try:
        yield
    except OSError as error:
        raise ResarrayError(
            f"cannot write '{folder}': {error.strerror}; set RESARRAY_BUILD to a folder that can "
            "be written"
        ) from error


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Only one process at a time makes ``folder``."""
    with writing(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = open(folder.parent / f".{folder.name}.lock", "w")  # noqa: SIM115
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def verilog(
    config: Config,
    note: Callable[[str], None] = lambda text: None,
    target: str = "generic",
    models: bool = True,
) -> str:
    """The accelerator's Verilog; converted again only when its sources or ``config`` change.

    target: "generic", or "ecp5" with that family's blocks
    models: with the blocks' simulation models; not for synthesis
    """
    sources = [
        path.read_bytes()
        for package in (resarray.hw, resarray.spec)
        for path in sorted(Path(package.__path__[0]).rglob("*"))
        if path.suffix in (".py", ".v")
    ]
    versions = importlib.metadata.version("amaranth")
    fields = asdict(config)
    del fields["name"]
    folder = build_dir() / "rtl" / digest(repr(sorted(fields.items())), target, versions, *sources)
    path = folder / "resarray.v"
    with locked(folder):
        if not path.exists():
            note(f"converting the '{config.name}' accelerator to Verilog")
            from resarray.hw.verilog import generate

            write_atomic(path, generate(config, target).encode())
    names = MODELS[target] if models else ()
    return path.read_text() + "".join((HW / name).read_text() for name in names)


def build(
    simulator: Simulator,
    design: str,
    rows: int,
    words: int,
    note: Callable[[str], None] = lambda text: None,
    waves: bool = False,
    compiled: Compiled = lambda files, of: None,
) -> Build:
    """Compile ``design`` (Verilog text of module ``resarray``) with the harness.

    rows:   bytes per memory word
    words:  memory words needed; the memory has at least as many
    waves:  able to write waveforms, which makes it slower
    compiled: told how far it is, where there are many files
    note:   told what is going on when something has to be built

    `ResarrayError` naming the log when the simulator rejects the design.
    """
    depth_bits = max(MIN_DEPTH_BITS[simulator.name], (words - 1).bit_length())
    harness = [(HERE / name).read_bytes() for name in HARNESS]

    def compile_into(folder: Path) -> None:
        _compile(simulator, design, rows, depth_bits, waves, folder, compiled)

    folder = _cached(
        simulator,
        (design, repr((ICARUS_FLAGS, CORE)), f"{rows} {depth_bits} {waves}", *harness),
        compile_into,
        note,
    )
    binary = folder / (TOP if simulator.name == "verilator" else "sim.vvp")
    return Build(simulator, binary, depth_bits)


def build_timed(
    top: str,
    sources: list[Path],
    note: Callable[[str], None] = lambda text: None,
) -> Build:
    """Compile ``sources``, which may contain delays, with Verilator; ``top``'s ports are public."""
    simulator = simulators.find("verilator")

    def compile_into(folder: Path) -> None:
        _verilate(simulator, {}, [str(path) for path in sources], folder, top, TIMED_FLAGS)

    parts = (top, repr(TIMED_FLAGS), *(path.read_bytes() for path in sources))
    return Build(simulator, _cached(simulator, parts, compile_into, note) / top, 0)


def _cached(
    simulator: Simulator,
    parts: tuple[str | bytes, ...],
    compile_into: Callable[[Path], None],
    note: Callable[[str], None],
) -> Path:
    """The folder that ``compile_into`` fills, made once for each ``parts`` and tool versions."""
    flags = (*VERILATOR_FLAGS, *VERILATOR_MAKE, *simulator.make)
    libraries = importlib.metadata.version("cocotb") + str(cocotb_tools.config.libs_dir)
    tools = (simulator.name, simulator.version, simulator.executable, repr(flags), libraries)
    folder = build_dir() / "sim" / digest(*parts, *tools)
    stamp = folder / "complete"
    with locked(folder):
        if not stamp.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            note(f"building the {simulator.name} simulation")
            compile_into(folder)
            stamp.touch()
    return folder


def _compile(
    simulator: Simulator,
    design: str,
    rows: int,
    depth_bits: int,
    waves: bool,
    folder: Path,
    compiled: Compiled,
) -> None:
    source = folder / "resarray.v"
    source.write_text(design)
    parameters = {"ROWS": rows, "DEPTH_BITS": depth_bits}
    harness = [str(HERE / name) for name in HARNESS]
    inside = ("-DACTIVITY", "-DWAVES") if waves else ("-DACTIVITY",)
    defines = inside if CORE in design else ()
    if simulator.name == "icarus":
        commands = [
            [
                simulator.executable,
                *ICARUS_FLAGS,
                *defines,
                "-o",
                str(folder / "sim.vvp"),
                "-s",
                TOP,
                *(f"-P{TOP}.{name}={value}" for name, value in parameters.items()),
                *harness,
                str(source),
            ]
        ]
        run_commands(commands, simulator, folder)
    else:
        flags = (*VERILATOR_FLAGS, "--trace-fst") if waves else VERILATOR_FLAGS
        sources = [*defines, *harness, str(source)]
        _verilate(simulator, parameters, sources, folder, flags=flags, compiled=compiled)


def _verilate(
    simulator: Simulator,
    parameters: dict[str, int],
    sources: list[str],
    folder: Path,
    top: str = TOP,
    flags: tuple[str, ...] = VERILATOR_FLAGS,
    compiled: Compiled = lambda files, of: None,
) -> None:
    """What cocotb's own runner would do, less ``--public-flat-rw``, which makes every signal of the
    design visible and the simulation 7 to 10 times slower: only the top's ports are public."""
    libraries = cocotb_tools.config.libs_dir
    public = folder / "public.vlt"
    public.write_text(f'`verilator_config\npublic_flat_rw -module "{top}" -port "*"\n')
    verilate = [
        simulator.executable,
        "--cc",
        "--exe",
        "--vpi",
        "--prefix",
        "Vtop",
        "--top-module",
        top,
        "-Mdir",
        str(folder),
        "-o",
        top,
        "-LDFLAGS",
        f"-Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator",
        *flags,
        *(f"-G{name}={value}" for name, value in parameters.items()),
        str(cocotb_tools.config.share_dir / "lib" / "verilator" / "verilator.cpp"),
        str(public),
        *sources,
    ]
    make = [
        "make",
        "-j",
        str(JOBS),
        "-C",
        str(folder),
        "-f",
        "Vtop.mk",
        *VERILATOR_MAKE,
        *simulator.make,
    ]
    # Verilator's own runtime is a third of the work and the same for every design.
    key = digest(simulator.version, simulator.executable, repr((flags, make[6:])))
    runtime = folder.parent / f"runtime-{key}"
    run_commands([verilate], simulator, folder)
    with locked(runtime):
        for path in runtime.glob("*.o"):
            shutil.copyfile(path, folder / path.name)
        written = list(folder.glob("*.cpp"))

        def watch() -> None:
            objects = sum(path.with_suffix(".o").exists() for path in written)
            compiled(objects, len(written))

        run_commands([make], simulator, folder, watch)
        if not runtime.exists():
            fresh = Path(tempfile.mkdtemp(dir=runtime.parent))
            for path in folder.glob("verilated*.o"):
                shutil.copyfile(path, fresh / path.name)
            fresh.rename(runtime)
    for path in folder.glob("*.o"):
        path.unlink()


def run_commands(
    commands: list[list[str]],
    simulator: Simulator,
    folder: Path,
    watch: Callable[[], None] = lambda: None,
) -> None:
    """Run build steps, output to ``folder``/build.log; `ResarrayError` with its first error.

    watch: called now and then meanwhile
    """
    log = folder / "build.log"
    with open(log, "a") as file:
        for command in commands:
            with subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, **simulator.env},
                stdout=file,
                stderr=subprocess.STDOUT,
            ) as process:
                try:
                    while True:
                        with contextlib.suppress(subprocess.TimeoutExpired):
                            process.wait(POLL_SECONDS)
                            break
                        watch()
                except BaseException:
                    process.kill()
                    raise
            if process.returncode:
                file.flush()
                lines = log.read_text(errors="replace").splitlines()
                errors = [line for line in lines if "rror" in line] or lines[-1:] or ["no output"]
                raise ResarrayError(
                    f"building the {simulator.name} simulation failed: {errors[0].strip()}; the "
                    f"whole output is in '{log}'"
                )
