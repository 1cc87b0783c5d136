"""The ``resarray`` command: reads options, calls the other packages, prints.

Exit status 0: done (for ``sim``: bit-exact); 1: the RTL differs from the golden model; 2: bad input
or a missing tool, one line on standard error; 3: a bug in resarray, with its traceback; 129, 130,
143: ended by SIGHUP, SIGINT (Ctrl-C), SIGTERM.
"""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from resarray import __version__
from resarray.golden.networks.names import NAMES
from resarray.spec.config import PRESETS

from . import complete, streams
from .output import HTML, IMAGE, JSON, Command, written, written_folder
from .status import status_of

HELP = """Residual networks on FPGAs, bit for bit.

A trained ResNet becomes int8 integers, is compiled to instructions, and runs on the RTL of a
systolic array; every layer is compared with the integer golden model. The commands are listed in
the order in which one uses them: first a look at the tools, then 'sim' and its 'report', then one's
own weights, the compiler by itself, measurements, and a board.

A network is --model with --weights, on --images; the accelerator is a --preset, from 'tiny' (quick
to simulate) to 'default' (256 MACs a cycle). Without options: ResNet-18, trained on the spot on the
handwritten digits that come along.

No command writes over what it reads, or over a file of another kind; folders for what it writes
must be there, but for those in build/.
"""
EXAMPLES = """\b
Examples:
  resarray sim --model resnet8 --preset small --json out.json
      a small network on the RTL; then: resarray report out.json
  resarray compile --model resnet18 --preset default -o net.rsa
      an image file; then: resarray disasm net.rsa

'resarray COMMAND --help' shows a command's options. Status: 0 done, 1 the RTL differs from the
golden model (or a bar of 'bench' is missed, or a network of
'zoo' refused), 2 bad input or a missing tool, 3 a bug in resarray,
129, 130, 143 ended by SIGHUP, Ctrl-C, SIGTERM.

\b
Environment:
  RESARRAY_CACHE      folder of trained weights and builds; default: ~/.cache/resarray
  RESARRAY_BUILD      folder of builds; default: build in RESARRAY_CACHE
  RESARRAY_BUILD_GIB  what they may take; default: 2
'resarray doctor' shows where builds are and what they take, with --clear-cache it removes them.
"""


class App(typer.Typer):
    """Every command looks after its outputs, see `Command`."""

    def command(self, name: str | None = None, **options):
        return super().command(name, cls=Command, **options)


app = App(
    help=HELP,
    epilog=EXAMPLES,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _waves_files(path: Path) -> list[Path]:
    """What ``--waves`` writes."""
    from resarray.sim.waves import NAMES, Waves

    if not path.name:
        return [path]
    waves = Waves(path)
    return [path, waves.save_file, *map(waves.names_file, NAMES)]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"resarray {__version__}")
        raise typer.Exit


def _examples(*examples: str) -> str:
    """The end of a command's help."""
    return "\b\nExamples:\n" + "\n".join(f"  {example}" for example in examples)


Model = Annotated[
    str,
    typer.Option(
        help="a file (.onnx, .tflite, .pt2), file.py:function, package.module:function of an "
        f"installed package, or of the zoo: {', '.join(NAMES)}",
        autocompletion=complete.models,
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        help=".pth, .pt, .th, .ckpt, .bin or .safetensors; default: those in a file.py's network; "
        "of the zoo: trained on the digits and cached"
    ),
]
Images = Annotated[
    str | None,
    typer.Option(
        help="folder of pictures, in one sub-folder per class or alone, a picture, .npz, .npy or "
        "'digits'; default: the digits"
    ),
]
InputSize = Annotated[
    str | None,
    typer.Option(
        help="pixels, as 48 or 48x80 (height x width); default: the model's, or the images'"
    ),
]
Calibration = Annotated[
    str | None,
    typer.Option(help="images that the ranges are measured on; default: of --images"),
]
Mean = Annotated[
    str | None,
    typer.Option(help="of pixels scaled to 0..1: one number or one per channel, as 0.4,0.5,0.6"),
]
Std = Annotated[str | None, typer.Option(help="their standard deviation, likewise")]
Classes = Annotated[
    str | None,
    typer.Option(
        help="class names in the order of the logits: a file with one a line, or separated by "
        "commas; class folders are matched by name"
    ),
]
Name = Annotated[str | None, typer.Option(help="of the network; default: its class")]
Count = Annotated[int, typer.Option(min=1, help="images")]
Preset = Annotated[
    str,
    typer.Option(
        help=f"configuration of the accelerator: {', '.join(PRESETS)}, FILE.toml, or "
        "changes, as default,columns=16 (see 'presets')",
        autocompletion=complete.presets,
    ),
]
FusePool = Annotated[bool, typer.Option(help="pool while draining, where it fits")]
Winograd = Annotated[
    bool, typer.Option(help="kernels three wide by Winograd's tiles, where that is faster")
]
Latency = Annotated[int, typer.Option(help="memory latency in cycles")]
BytesPerCycle = Annotated[
    float | None,
    typer.Option(
        help="memory bandwidth, reads and writes together; default: one word each per cycle"
    ),
]
MemoryBytes = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="bytes of memory that program, weights and feature maps must fit; default: as many as "
        "addresses reach",
    ),
]
Board = Annotated[
    str,
    typer.Option(help="ulx3s-85f, ulx3s-25f or ecpix5-85f", autocompletion=complete.boards),
]
Json = Annotated[
    Path | None,
    typer.Option(help="write the result here, over an older one", callback=written(JSON)),
]
Output = Annotated[
    Path,
    typer.Option("-o", "--output", help="image file, over an older one", callback=written(IMAGE)),
]


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", help="show it and exit", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command(epilog=_examples("resarray doctor --json tools.json", "resarray doctor --clear-cache"))
def doctor(
    json: Json = None,
    clear_cache: Annotated[
        bool, typer.Option("--clear-cache", help="remove what was built and is not in use")
    ] = False,
) -> None:
    """Show which tools are there, what is missing and how to get it."""
    from rich.console import Console

    from . import doctor as doctor_command
    from .progress import reporter

    with reporter() as progress:
        progress.note("looking for tools")
        ready = doctor_command.doctor(json, Console(emoji=False), clear_cache)
    if not ready:
        raise typer.Exit(2)


@app.command(
    epilog=_examples("resarray presets", "resarray sim --model resnet8 --preset small,columns=8")
)
def presets(
    json: Json = None,
) -> None:
    """List the accelerator's configurations and their fields."""
    from . import presets as presets_command
    from .output import wide_console

    presets_command.presets(json, wide_console())


@app.command(
    "inspect",
    epilog=_examples(
        "resarray inspect resnet18 --preset default --html net.html",
        "resarray inspect my_model.py:build --input-size 48x80 --json net.json",
    ),
)
def inspect_(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            help="the network, as --model of 'sim'; its weights are not needed",
            autocompletion=complete.models,
        ),
    ],
    input_size: InputSize = None,
    name: Name = None,
    preset: Annotated[
        list[str] | None,
        typer.Option(
            help="predict cycles for this configuration; may be repeated; default: all presets",
            autocompletion=complete.presets,
        ),
    ] = None,
    latency: Latency = 32,
    bytes_per_cycle: BytesPerCycle = None,
    html: Annotated[
        Path | None,
        typer.Option(help="write a page of it here, over an older one", callback=written(HTML)),
    ] = None,
    json: Json = None,
) -> None:
    """Show a network's operators, whether they can run, and cycles."""
    from . import inspect as inspect_command
    from .output import wide_console
    from .progress import reporter

    with reporter() as progress:
        runs = inspect_command.inspect(
            model,
            input_size,
            name,
            preset,
            latency,
            bytes_per_cycle,
            html,
            json,
            context.obj,
            progress,
            wide_console(),
        )
    if not runs:
        raise typer.Exit(2)


@app.command(
    epilog=_examples(
        "resarray sim --json out.json",
        "resarray sim --model resnet20 --preset small --count 4 --batch",
        "resarray sim --model net.py:build --weights net.pth --images pictures/",
        "resarray sim --waves a.fst --layer layer1.0.conv1",
    )
)
def sim(
    context: typer.Context,
    model: Model = "resnet18",
    weights: Weights = None,
    images: Images = None,
    input_size: InputSize = None,
    calibration: Calibration = None,
    mean: Mean = None,
    std: Std = None,
    classes: Classes = None,
    name: Name = None,
    count: Count = 1,
    sim: Annotated[
        str, typer.Option(help="verilator or icarus", autocompletion=complete.simulators)
    ] = "verilator",
    preset: Preset = "default",
    latency: Latency = 32,
    bytes_per_cycle: BytesPerCycle = None,
    memory_bytes: MemoryBytes = None,
    stalls: Annotated[float, typer.Option(help="probability of a pause on each channel")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="seed of the stalls")] = 0,
    image: Annotated[Path | None, typer.Option(help="run this compiled image")] = None,
    json: Json = None,
    fuse_pool: FusePool = True,
    winograd: Winograd = True,
    batch: Annotated[
        bool, typer.Option("--batch", help="all images in one program, sharing the weights")
    ] = False,
    waves: Annotated[
        Path | None,
        typer.Option(
            help="write waveforms (.fst) of --layer or --cycles here",
            callback=written(files=_waves_files),
        ),
    ] = None,
    layer: Annotated[str | None, typer.Option(help="with --waves: this layer")] = None,
    cycles: Annotated[
        str | None, typer.Option(help="with --waves: this window of the run, FROM:TO")
    ] = None,
) -> None:
    """Run a network on the RTL, compare it with the golden model."""
    from . import simulate
    from .options import NetworkOptions
    from .progress import reporter

    request = simulate.Request(
        options=NetworkOptions(
            model, weights, images, input_size, count, calibration, mean, std, classes, name
        ),
        simulator=sim,
        preset=preset,
        latency=latency,
        bytes_per_cycle=bytes_per_cycle,
        memory_bytes=memory_bytes,
        stall_probability=stalls,
        seed=seed,
        image=image,
        json=json,
        fuse_pool=fuse_pool,
        winograd=winograd,
        batch=batch,
        waves=waves,
        layer=layer,
        cycles=cycles,
        command=context.obj,
    )
    with reporter() as progress:
        exact = simulate.simulate(request, progress)
    if not exact:
        raise typer.Exit(1)


@app.command(
    epilog=_examples(
        "resarray report out.json",
        "resarray report new.json old.json --synth synth.json --out build/report",
    )
)
def report(
    results: Annotated[
        list[Path], typer.Argument(help="what 'resarray sim --json' wrote; more are compared")
    ],
    synth: Annotated[
        Path | None, typer.Option(help="what 'resarray synth --json' or 'bitstream' wrote")
    ] = None,
    inspection: Annotated[
        Path | None, typer.Option(help="what 'resarray inspect --json' wrote of the same network")
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            help="folder for report.html and report.md",
            callback=written_folder("report.html", "report.md"),
        ),
    ] = Path("build/report"),
    json: Json = None,
) -> None:
    """Make a page of a result: cycles, roofline, activity, numbers."""
    from . import report as report_command

    typer.echo(report_command.report(results, synth, inspection, out, json))


@app.command(
    epilog=_examples(
        "resarray train resnet20 -o resnet20.pth",
        "resarray train --model net.py:build --images pictures/ --epochs 20 -o net.safetensors",
        "resarray train --model net.py:build --images pictures/ --weights net.pth --qat -o q.pth",
    )
)
def train(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]",
            help="as --model; default: resnet18",
            autocompletion=complete.models,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="name from the zoo, file.py:function or package.module:function",
            autocompletion=complete.models,
        ),
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="to start from; default: new ones")] = None,
    images: Annotated[
        str | None,
        typer.Option(help="with labels, as of 'sim', or a torch Dataset; default: the digits"),
    ] = None,
    validation: Annotated[
        str | None,
        typer.Option(
            help="fraction that is held out, or images; default: 0.1, or the digits' test split"
        ),
    ] = None,
    input_size: InputSize = None,
    mean: Mean = None,
    std: Std = None,
    epochs: Annotated[int | None, typer.Option(help="default: 10")] = None,
    batch: Annotated[int | None, typer.Option(help="images per step; default: 64")] = None,
    rate: Annotated[
        float | None,
        typer.Option(help="highest learning rate; default: 0.05, with --qat 0.001"),
    ] = None,
    warmup: Annotated[
        float | None,
        typer.Option(help="epochs until it is reached, then a cosine; default: 0.5"),
    ] = None,
    momentum: Annotated[float | None, typer.Option(help="default: 0.9")] = None,
    decay: Annotated[float | None, typer.Option(help="weight decay; default: 0.0005")] = None,
    smoothing: Annotated[float | None, typer.Option(help="of labels; default: 0")] = None,
    crop: Annotated[
        int | None, typer.Option(min=0, help="random crops, padded by so many pixels")
    ] = None,
    flip: Annotated[bool, typer.Option("--flip", help="mirror half of the images")] = False,
    colour: Annotated[
        float | None,
        typer.Option(help="random brightness, contrast and saturation, by such a fraction"),
    ] = None,
    qat: Annotated[
        bool, typer.Option("--qat", help="quantisation-aware: through the integer network")
    ] = False,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, or auto: a GPU where there is one; default: auto")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=(1 << 63) - 1, help="default: 0")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help=".pth or .safetensors; without other options, default: the cache that sim reads",
            callback=written(),
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="written after each epoch", callback=written())
    ] = None,
    resume: Annotated[Path | None, typer.Option(help="go on from a --checkpoint")] = None,
    json: Json = None,
    curves: Annotated[
        Path | None,
        typer.Option(help="page of loss and accuracy by epoch (.html)", callback=written(HTML)),
    ] = None,
) -> None:
    """Train a model, by default on the digits."""
    from . import train as train_command
    from .progress import reporter

    request = train_command.Request(
        model=train_command.only_one(name, model),
        weights=weights,
        images=images,
        validation=validation,
        input_size=input_size,
        mean=mean,
        std=std,
        epochs=epochs,
        batch=batch,
        rate=rate,
        warmup=warmup,
        momentum=momentum,
        decay=decay,
        smoothing=smoothing,
        crop=crop,
        flip=flip or None,
        colour=colour,
        qat=qat or None,
        device=device,
        seed=seed,
        output=output,
        checkpoint=checkpoint,
        resume=resume,
        json=json,
        curves=curves,
    )
    with reporter() as progress:
        message = train_command.train(request, progress)
    typer.echo(message)


@app.command(
    epilog=_examples(
        "resarray accuracy --model resnet20 --weights net.th --images cifar.npz",
        "resarray accuracy --model net.py:build --images data.py:test --crops 10 --json a.json",
    )
)
def accuracy(
    model: Model = "resnet18",
    weights: Weights = None,
    images: Images = None,
    input_size: InputSize = None,
    calibration: Calibration = None,
    mean: Mean = None,
    std: Std = None,
    classes: Classes = None,
    name: Name = None,
    count: Annotated[int | None, typer.Option(min=1, help="images; default: all")] = None,
    crops: Annotated[
        int, typer.Option(help="of each image: 1 the centre, 5 the corners too, 10 mirrored too")
    ] = 1,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="processes; default: one for each core")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Dask cluster that does the work instead, as tcp://host:8786"),
    ] = None,
    json: Json = None,
) -> None:
    """Top-1 and top-5 of the float and the integer model."""
    from .options import NetworkOptions
    from .progress import reporter

    options = NetworkOptions(
        model, weights, images, input_size, count, calibration, mean, std, classes, name
    )
    options.arguments()  # what is wrong with them is said before PyTorch is imported
    from . import accuracy as accuracy_command

    with reporter() as progress:
        message = accuracy_command.accuracy(options, crops, jobs, scheduler, json, progress)
    typer.echo(message)


@app.command(
    "compile",
    epilog=_examples(
        "resarray compile --model resnet8 --preset 25f -o net.rsa",
        "resarray compile --model net.py:build --calibration pictures/ -o net.rsa",
    ),
)
def compile_(
    output: Output,
    model: Model = "resnet18",
    weights: Weights = None,
    images: Images = None,
    input_size: InputSize = None,
    calibration: Calibration = None,
    mean: Mean = None,
    std: Std = None,
    classes: Classes = None,
    name: Name = None,
    preset: Preset = "default",
    latency: Latency = 32,
    bytes_per_cycle: BytesPerCycle = None,
    memory_bytes: MemoryBytes = None,
    fuse_pool: FusePool = True,
    winograd: Winograd = True,
    batch: Annotated[int, typer.Option(min=1, help="images per run, sharing the weights")] = 1,
    json: Json = None,
) -> None:
    """Quantise and compile a network to an image file."""
    from resarray.api.program import describe
    from resarray.compiler.timing import MemoryTiming
    from resarray.spec.files import write_together
    from resarray.spec.image import encode
    from resarray.spec.presets import preset as find_preset

    from . import simulate
    from .options import NetworkOptions
    from .output import json_file
    from .progress import reporter

    config = find_preset(preset)
    timing = MemoryTiming(latency, bytes_per_cycle)
    options = NetworkOptions(
        model, weights, images, input_size, 1, calibration, mean, std, classes, name
    )
    options.require_calibration()
    options.arguments()  # what is wrong with them is said before PyTorch is imported
    from . import network

    with reporter() as progress:
        prepared = network.prepare(options, progress)
        program = simulate.compile_network(
            prepared,
            config,
            progress,
            fuse_pool=fuse_pool,
            winograd=winograd,
            batch=batch,
            timing=timing,
            memory_bytes=memory_bytes,
        )
    facts = describe(program)
    write_together({output: encode(program)} | json_file(json, {"image": str(output)} | facts))
    typer.echo(
        f"{output}: {facts['model']} for preset '{config.name}', {facts['instructions']:,} "
        f"instructions, {facts['bytes']:,} bytes, {facts['memory_bytes']:,} bytes of memory, "
        f"{facts['predicted_cycles']:,} cycles predicted"
    )


@app.command(epilog=_examples("resarray disasm net.rsa | less"))
def disasm(
    image: Annotated[Path, typer.Argument(help="image file")],
    json: Json = None,
) -> None:
    """Print a compiled program as text."""
    from resarray.compiler.disasm import disassemble, instructions
    from resarray.spec.image import load

    from .output import write_json

    program = load(image)
    found = [vars(i) | {"engine": i.engine.name} for i in instructions(program)]
    write_json(json, {"model": program.manifest["model"], "instructions": found})
    typer.echo(disassemble(program), nl=False)


@app.command(epilog=_examples("resarray bench --only ResNet-18 --only scaling"))
def bench(
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="folder for bench.json and bench.md",
            callback=written_folder("bench.json", "bench.md"),
        ),
    ] = Path("build/bench"),
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="a case by name, 'layers' or 'scaling'; may be repeated; default: all",
            autocompletion=complete.cases,
        ),
    ] = None,
    json: Json = None,
) -> None:
    """Measure whole networks on the RTL against the project's bars."""
    from . import bench as bench_command
    from .progress import reporter

    with reporter() as progress:
        failed = bench_command.bench(output, only, json, progress)
    for sentence in failed:
        typer.echo(f"missed: {sentence}")
    if failed:
        raise typer.Exit(1)


@app.command(
    epilog=_examples(
        "resarray zoo --jobs 2", "resarray zoo --model lenet5 --model resnet8 --preset tiny"
    )
)
def zoo(
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="folder for zoo.json and zoo.md",
            callback=written_folder("zoo.json", "zoo.md"),
        ),
    ] = Path("build/zoo"),
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="name from the zoo; may be repeated; default: all", autocompletion=complete.models
        ),
    ] = None,
    input_size: Annotated[
        str | None,
        typer.Option(help="pixels, as 48 or 48x80 (height x width); default: of the digits"),
    ] = None,
    preset: Preset = "default",
    jobs: Annotated[int, typer.Option(min=1, help="networks at a time")] = 1,
    json: Json = None,
) -> None:
    """Run every network of the zoo on the RTL, at a small input."""
    from . import zoo as zoo_command
    from .progress import reporter

    with reporter() as progress:
        failed = zoo_command.zoo(output, model, input_size, preset, jobs, json, progress)
    for sentence in failed:
        typer.echo(f"failed: {sentence}")
    if failed:
        raise typer.Exit(1)


@app.command(epilog=_examples("resarray synth --preset 25f --device 25f --json synth.json"))
def synth(
    preset: Preset = "default",
    device: Annotated[
        str, typer.Option(help="LFE5U: 25f, 45f or 85f", autocompletion=complete.devices)
    ] = "85f",
    seeds: Annotated[int, typer.Option(min=1, help="place and route so often")] = 3,
    json: Json = None,
) -> None:
    """Synthesise the accelerator alone: resources, frequency."""
    from . import synth as synth_command
    from .progress import reporter

    with reporter() as progress:
        synth_command.synth(preset, device, seeds, json, progress)


@app.command(
    epilog=_examples("resarray bitstream --board ulx3s-25f", "resarray bitstream --core-mhz 80")
)
def bitstream(
    board: Board = "ulx3s-85f",
    preset: Annotated[
        str | None,
        typer.Option(
            help="configuration of the accelerator, as of 'sim'; default: the board's",
            autocompletion=complete.presets,
        ),
    ] = None,
    core_mhz: Annotated[float | None, typer.Option(help="clock of the accelerator")] = None,
    sys_mhz: Annotated[float | None, typer.Option(help="clock of memory and bus")] = None,
    json: Json = None,
) -> None:
    """Make a bitstream, with its figures, in build/<board>."""
    from . import fpga
    from .progress import reporter

    with reporter() as progress:
        message = fpga.bitstream(board, preset, core_mhz, sys_mhz, json, progress)
    typer.echo(message)


@app.command(epilog=_examples("resarray program --board ulx3s-25f"))
def program(board: Board = "ulx3s-85f", json: Json = None) -> None:
    """Load a board's bitstream with openFPGALoader."""
    from . import fpga
    from .progress import reporter

    with reporter() as progress:
        fpga.program(board, json, progress)


@app.command("run", epilog=_examples("resarray run --port /dev/ttyUSB0 net.rsa cat.png dog.png"))
def run_(
    program: Annotated[Path, typer.Argument(help="image file that 'resarray compile' wrote")],
    pictures: Annotated[list[Path], typer.Argument(help="picture files")],
    port: Annotated[str, typer.Option(help="serial port of the board, or 'sim'")] = "/dev/ttyUSB0",
    board: Board = "ulx3s-85f",
    description: Annotated[
        Path | None, typer.Option(help="soc.json; default: the one beside the board's bitstream")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="seconds that a run may take")] = 60.0,
    json: Json = None,
) -> None:
    """Classify pictures on a board."""
    from . import fpga
    from .progress import reporter

    with reporter() as progress:
        lines = fpga.classify(program, pictures, port, board, description, timeout, json, progress)
    for line in lines:
        typer.echo(line)


def run(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit status, as of `status_of`."""
    if arguments is None:
        streams.prepare()
    given = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["resarray", *given])
    return status_of(
        lambda: app(given or ["--help"], standalone_mode=False, prog_name="resarray", obj=command)
    )
