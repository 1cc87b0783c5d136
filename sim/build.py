"""Verilog from the configuration and simulation binaries from the Verilog, both cached.

Each under the hash of what it was made from, see `resarray.sim.cache`.
"""

import contextlib
import importlib.metadata
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cocotb_tools.config

import resarray.hw
import resarray.spec
from resarray.spec.cache import build_folder
from resarray.spec.config import Config
from resarray.spec.errors import ResarrayError

from . import cache, children, convert, simulators
from .cache import digest
from .simulators import Simulator

HERE = Path(__file__).parent
HW = Path(resarray.hw.__path__[0])
# Simulation models of what a target's Verilog instantiates.
MODELS = {"generic": (), "ecp5": ("ecp5/models.v",)}
TOP = "harness"
HARNESS = ("axi_memory.v", "activity.v", "waves.v", "checks.v", "harness.v")
# Where the design has this inside, the harness checks and records what goes on there, and can write
# waveforms.
CORE_HARNESS = ("core_checks.v",)
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
# Counters of branches and toggles in the accelerator alone; vectors of any width.
COVERAGE_FLAGS = ("--coverage-line", "--coverage-toggle", "--coverage-max-width", "65536")
# The same for designs with delays in them.
TIMED_FLAGS = tuple("--timing" if flag == "--no-timing" else flag for flag in VERILATOR_FLAGS)
# What runs once is not worth optimising: of the trace build, -O1 takes ten times as long as -O0.
VERILATOR_MAKE = ("OPT_FAST=-O3", "OPT_SLOW=-O0", "OPT_GLOBAL=-O2")
# For many designs that run for a moment each: built in a sixth of the time, slower to run.
QUICK_MAKE = ("OPT_FAST=-O0", "OPT_SLOW=-O0", "OPT_GLOBAL=-O2")
COVERAGE_MAKE = ("OPT_FAST=-O1", "OPT_SLOW=-O0", "OPT_GLOBAL=-O2")
ICARUS_FLAGS = ("-g2012",)

# compiled(files, of): how far the compilation of a simulation is.
Compiled = Callable[[int, int], None]


@dataclass(frozen=True)
class Build:
    """A simulation that can be run: its simulator and the file to run."""

    simulator: Simulator
    binary: Path
    depth_bits: int


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
    key = digest(repr(sorted(fields.items())), target, versions, *sources)
    path = build_folder() / "rtl" / key / "resarray.v"

    def make(folder: Path) -> None:
        note(f"converting the '{config.name}' accelerator to Verilog")
        path.write_text(convert.convert("resarray.hw.verilog:generate", config, target))

    cache.made(path.parent, [path.name], make, note)
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
    coverage: bool = False,
    quick: bool = False,
    least: int | None = None,
) -> Build:
    """Compile ``design`` (Verilog text of module ``resarray``) with the harness.

    rows:   bytes per memory word
    words:  memory words needed; the memory has at least as many
    waves:  able to write waveforms, which makes it slower
    compiled: told how far it is, where there are many files
    coverage: counts coverage, which makes it slower; with Verilator only
    note:   told what is going on when something has to be built
    quick:  quickly built rather than quick to run
    least:  log2 of the words that the memory has at least; None: the simulator's usual number

    `ResarrayError` naming the log when the simulator rejects the design.
    """
    depth_bits = max(least or MIN_DEPTH_BITS[simulator.name], (words - 1).bit_length())
    harness = [(HERE / name).read_bytes() for name in HARNESS + CORE_HARNESS]

    def compile_into(folder: Path) -> None:
        _compile(simulator, design, rows, depth_bits, waves, folder, compiled, coverage, make)

    make = COVERAGE_MAKE if coverage else QUICK_MAKE if quick else VERILATOR_MAKE
    parts: list[str | bytes] = [design, repr((ICARUS_FLAGS, CORE)), f"{rows} {depth_bits} {waves}"]
    parts += harness
    if coverage:
        parts += [repr(COVERAGE_FLAGS)]
    if make != VERILATOR_MAKE:
        parts += [repr(make)]
    name = TOP if simulator.name == "verilator" else "sim.vvp"
    return Build(simulator, _cached(simulator, parts, name, compile_into, note), depth_bits)


def build_timed(
    top: str,
    sources: list[Path],
    note: Callable[[str], None] = lambda text: None,
    parameters: dict[str, int] | None = None,
) -> Build:
    """Compile ``sources``, which may contain delays, with Verilator; ``top``'s ports are public and
    its parameters ``parameters``."""
    simulator = simulators.find("verilator")

    def compile_into(folder: Path) -> None:
        files = [str(path) for path in sources]
        _verilate(simulator, parameters or {}, files, folder, top, TIMED_FLAGS)

    parts: list[str | bytes] = [top, repr((TIMED_FLAGS, parameters))]
    parts += [path.read_bytes() for path in sources]
    return Build(simulator, _cached(simulator, parts, top, compile_into, note), 0)


def _cached(
    simulator: Simulator,
    parts: Sequence[str | bytes],
    name: str,
    compile_into: Callable[[Path], None],
    note: Callable[[str], None],
) -> Path:
    """The file ``name`` that ``compile_into(folder)`` makes, once for each ``parts`` and tool
    versions."""
    flags = (*VERILATOR_FLAGS, *VERILATOR_MAKE, *simulator.make)
    libraries = importlib.metadata.version("cocotb") + str(cocotb_tools.config.libs_dir)
    tools = (simulator.name, simulator.version, simulator.executable, repr(flags), libraries)

    def make(folder: Path) -> None:
        note(f"building the {simulator.name} simulation")
        compile_into(folder)

    folder = build_folder() / "sim" / digest(*parts, *tools)
    return cache.made(folder, [name], make, note) / name


def _compile(
    simulator: Simulator,
    design: str,
    rows: int,
    depth_bits: int,
    waves: bool,
    folder: Path,
    compiled: Compiled,
    coverage: bool,
    make: tuple[str, ...],
) -> None:
    source = folder / "resarray.v"
    source.write_text(design)
    parameters = {"ROWS": rows, "DEPTH_BITS": depth_bits}
    names = HARNESS + CORE_HARNESS if CORE in design else HARNESS
    harness = [str(HERE / name) for name in names]
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
        if coverage:
            uncounted = folder / "uncounted.vlt"
            lines = (f'coverage_off -file "{name}"\n' for name in harness)
            uncounted.write_text("`verilator_config\n" + "".join(lines))
            sources.insert(0, str(uncounted))
            flags = (*flags, *COVERAGE_FLAGS)
        _verilate(simulator, parameters, sources, folder, TOP, flags, compiled, make)


def _verilate(
    simulator: Simulator,
    parameters: dict[str, int],
    sources: list[str],
    folder: Path,
    top: str = TOP,
    flags: tuple[str, ...] = VERILATOR_FLAGS,
    compiled: Compiled = lambda files, of: None,
    make: tuple[str, ...] = VERILATOR_MAKE,
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
    compile_all = [
        "make",
        "-j",
        str(JOBS),
        "-C",
        str(folder),
        "-f",
        "Vtop.mk",
        *make,
        *simulator.make,
    ]
    # Verilator's own runtime is a third of the work, the same for every design, and not affected by
    # how the design itself is optimised.
    others = [flag for flag in make if not flag.startswith(("OPT_FAST", "OPT_SLOW"))]
    of_runtime = (flags, others, simulator.make)
    key = digest(simulator.version, simulator.executable, repr(of_runtime))
    runtime = folder.parent / f"runtime-{key}"
    run_commands([verilate], simulator, folder)
    with cache.locked(runtime):
        made = cache.intact(runtime)
        for path in runtime.glob("*.o") if made else ():
            shutil.copyfile(path, folder / path.name)
        written = list(folder.glob("*.cpp"))

        def watch() -> None:
            objects = sum(path.with_suffix(".o").exists() for path in written)
            compiled(objects, len(written))

        run_commands([compile_all], simulator, folder, watch)
        if not made:
            cache.remove(runtime)
            runtime.mkdir()
            objects = list(folder.glob("verilated*.o"))
            for path in objects:
                shutil.copyfile(path, runtime / path.name)
            cache.seal(runtime, [path.name for path in objects])
        cache.use(runtime)


def run_commands(
    commands: list[list[str]],
    simulator: Simulator,
    folder: Path,
    watch: Callable[[], None] = lambda: None,
) -> None:
    """Run build steps, output to ``folder``/build.log; `ResarrayError` with its first error, and
    where the log is kept.

    watch: called now and then meanwhile
    """
    log = folder / "build.log"
    with open(log, "a") as file:
        for command in commands:
            with children.start(
                command,
                cwd=folder,
                env={**os.environ, **simulator.env},
                stdout=file,
                stderr=subprocess.STDOUT,
            ) as process:
                while True:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(POLL_SECONDS)
                        break
                    watch()
            if process.returncode:
                file.flush()
                lines = log.read_text(errors="replace").splitlines()
                errors = [line for line in lines if "rror" in line] or lines[-1:] or ["no output"]
                raise ResarrayError(
                    f"building the {simulator.name} simulation failed: {errors[0].strip()}; the "
                    f"whole output is in '{cache.keep_log(log)}'"
                )
