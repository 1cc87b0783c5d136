"""The random campaign: what it draws is legal, what fails is cut down, nothing is lost."""

import dataclasses
import itertools
import json
import os
import random
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from resarray.compiler.functional import ScheduleError
from resarray.sim.run import run_many
from resarray.spec import image
from resarray.spec.errors import ResarrayError
from resarray.spec.isa import LAYOUTS, Engine, Pool
from resarray.spec.presets import preset
from resarray.verification import results
from resarray.verification.fuzz import (
    __main__,
    campaign,
    cases,
    execute,
    files,
    graphs,
    machines,
    memories,
    orders,
    programs,
    shrink,
)
from resarray.verification.fuzz.cases import Case
from resarray.verification.fuzz.execute import EXACT, FAILED, REFUSED, Outcome
from resarray.verification.fuzz.steps import HEADER, Assembler, Step

pytestmark = pytest.mark.verifies("accelerator", "compiler", by="random")

TINY = preset("tiny")
FIRST_SEED = int(os.environ.get("RESARRAY_SEED", "70000"))


# -- what is drawn -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tiny", "random3", "random12", "default,element=mac"])
def test_programs_are_legal_and_go_into_files(name, tmp_path):
    config = machines.machine(name)
    print(f"seeds from {FIRST_SEED} on")
    for seed in range(FIRST_SEED, FIRST_SEED + 4):
        recipe, vain = programs.draw(config, seed)
        program = programs.assemble(config, recipe)  # the models agree, or it raises
        assert vain <= len(recipe.steps) // 4, f"seed {seed}"
        assert orders.ends(program.instructions, config), f"seed {seed}"
        stored = program.expected != np.frombuffer(program.image.payload, np.uint8)
        assert stored.any(), f"seed {seed}"
        image.save(programs.to_file(program.image), tmp_path / "a.rsa")
        assert image.load(tmp_path / "a.rsa", config).manifest == program.image.manifest


def test_programs_do_what_compilers_do_not():
    """Every field and kind of instruction soon comes up."""
    left = {f"{e.name} {f.name}" for e in Engine for f in LAYOUTS[e] if f.name not in HEADER}
    left -= {f"{e} {f.name}" for e in ("WEIGHTS", "RESIDUAL") for f in LAYOUTS[Engine[e]]}
    left |= {"pool 0", "pool 1", "pool 2", "continued", "stored weights", "cut"}
    for seed in range(300):
        for step in programs.draw(TINY, seed)[0].steps:
            fields = step.fields
            left -= {f"{step.engine} {name}" for name, value in fields.items() if value}
            left -= {f"pool {fields['pool']}"} if step.engine == "DRAIN" else set()
            left -= {"continued"} if fields.get("pool_first") == 0 else set()
            left -= {"stored weights"} if step.at is not None else set()
            left -= {"cut"} if step.cuts else set()
        if not left:
            return
    raise AssertionError(left)


def test_memories_pause_no_longer_than_the_watchdog_waits():
    for seed in range(300):
        model = memories.memory(random.Random(seed), TINY)
        assert 1 <= model.latency <= 500 and model.settings(TINY)
        assert model.stalls is not None
        assert max(model.stalls) ** (memories.WATCHDOG_CYCLES >> model.hold) < 1e-9


def test_programs_on_the_rtl():
    """The tiny preset, every word of memory; the campaign runs thousands, on all of them."""
    print(f"seeds from {FIRST_SEED} on")
    made = [cases.job(Case("program", FIRST_SEED + i, "tiny"))[0] for i in range(8)]
    found = run_many(
        [(m.image, m.inputs) for m in made],
        memory=[m.memory for m in made],
        watchdog_cycles=memories.WATCHDOG_CYCLES,
    )
    wrong = [cases.difference(m, result) for m, result in zip(made, found, strict=True)]
    assert wrong == [None] * len(made)
    name, golden = next(iter(made[0].expected.items()))
    made[0].expected[name] = golden ^ 1
    assert "differ" in str(cases.difference(made[0], found[0]))


# -- what is not legal ---------------------------------------------------------------------------

LOAD = Step(
    "LOAD",
    {"n_blocks": 1, "n_runs": 1, "run_len": 16, "rows": 4, "cols": 4, "addr": 1},
)
COMPUTE = Step(
    "COMPUTE",
    {
        **{f"n_{axis}{i}": 1 for axis in "km" for i in range(3)},
        **{"k_tiles": 1, "n_m2": 8, "s_m2": 4, "clear": 1, "params": 1},
    },
)
DRAIN = Step(
    "DRAIN", {"px_count": 8, "n_blocks": 1, "width": 8, "height": 1, "lo": -128, "hi": 127}
)
STORE = Step("STORE", {"n_blocks": 1, "n_runs": 1, "run_len": 8})
MAX = {f"pool_{name}": 1 for name in ("kx", "ky", "sx", "sy", "first")} | {"pool": Pool.MAX}


def changed(step: Step, **fields: int) -> Step:
    return dataclasses.replace(step, fields=step.fields | fields)


def assembled(*steps: Step) -> Assembler:
    """In the target, which the steps count from, and data, likewise."""
    made = Assembler(TINY, 1)
    for step in steps:
        if "addr" in step.fields and step.engine == "LOAD":
            start = made.places.target if step.fields.get("kept") else made.places.data
            step = changed(step, addr=start)
        if step.engine == "STORE":
            step = changed(step, addr=made.places.target)
        made.add(step)
    return made


TILE = (COMPUTE, DRAIN, STORE)
KEPT = (COMPUTE, DRAIN, changed(STORE, kept=1))
READ_KEPT = changed(LOAD, kept=1, run_len=8, rows=2)
ILLEGAL = {
    "holds something else": (LOAD, *KEPT, *TILE, READ_KEPT),
    "holds what nothing kept": (LOAD, *TILE, READ_KEPT),
    "no parameters": (LOAD, changed(COMPUTE, params=0), DRAIN),
    "no table": (LOAD, COMPUTE, changed(DRAIN, table=1)),
    "rows and columns": (LOAD, COMPUTE, changed(DRAIN, width=3, height=2)),
    "padding": (LOAD, COMPUTE, changed(DRAIN, pool_right=1)),
    "clamps": (LOAD, COMPUTE, changed(DRAIN, lo=3, hi=2)),
    "no pixels": (LOAD, COMPUTE, changed(DRAIN, px_count=0, height=0)),
    "no loop": (LOAD, changed(COMPUTE, n_m0=0)),
    "no words": (LOAD, COMPUTE, DRAIN, changed(STORE, n_runs=0)),
    "windows not begun": (
        LOAD,
        COMPUTE,
        changed(DRAIN, **MAX | {"pool_first": 0, "pool_width": 8}),
    ),
    "kernel of 0": (LOAD, COMPUTE, changed(DRAIN, **MAX | {"pool_kx": 0, "pool_width": 8})),
    "average not begun": (LOAD, COMPUTE, changed(DRAIN, pool=Pool.AVERAGE, avg_last=1)),
    "marks too near": (
        LOAD,
        changed(COMPUTE, mark=1),
        changed(COMPUTE, params=0, mark=1),
    ),
    "weights not stored for sure": (
        LOAD,
        *TILE,
        dataclasses.replace(changed(COMPUTE, params=0), at=0),
    ),
}


@pytest.mark.parametrize("case", ILLEGAL)
def test_what_the_model_refuses(case):
    *before, last = ILLEGAL[case]
    made = assembled(*before)
    if last.at is not None:
        made.machine.words[made.places.target :] = 1  # all of them are weights
        last = dataclasses.replace(last, at=made.places.target)
    if last.engine == "LOAD":
        last = changed(last, addr=made.places.target)
    with pytest.raises(AssertionError):
        made.add(last)


def test_what_the_model_lets_pass():
    made = assembled(
        LOAD, *KEPT, *TILE, *KEPT, READ_KEPT, COMPUTE, changed(DRAIN, **MAX | {"pool_width": 8})
    )
    made.flush()
    assert orders.ends(made.instructions, TINY)
    assert not made.try_to_add(changed(DRAIN, table=1))
    with pytest.raises(ScheduleError, match="outside the memory"):
        made.add(changed(LOAD, addr=made.places.end))


# -- the smallest case ---------------------------------------------------------------------------


def test_a_program_is_cut_down_to_what_fails():
    """A drain with a table fails, as it were, and the load that is needed for it stays."""

    def fails(jobs: list[cases.Job]) -> list[bool]:
        return [" table" in files.disassemble(job.image) for job in jobs]

    seed = next(s for s in range(100) if fails([cases.job(Case("program", s, "tiny"))[0]])[0])
    found = shrink.shrink(Case("program", seed, "tiny"), fails, 60)
    assert found is not None and isinstance(found.part, programs.Recipe)
    assert [step.engine for step in found.part.steps][:2] == ["LOAD", "COMPUTE"]
    assert len(found.part.steps) <= 3 and found.part.moves == 0 and found.memory == shrink.PLAIN
    assert fails([found.job()]) == [True]


def test_a_network_is_cut_down_to_the_layer_that_fails():
    seed = next(s for s in range(100) if len(cases.graph(s).graph.ops) >= 4)
    wrong = cases.graph(seed).graph.ops[2].output

    def fails(jobs: list[cases.Job]) -> list[bool]:
        return [wrong in job.expected for job in jobs]

    found = shrink.shrink(Case("network", seed, "tiny"), fails, 60)
    assert (
        found is not None and found.part is not None and not isinstance(found.part, programs.Recipe)
    )
    assert found.part.output == wrong and len(found.part.ops) <= 2


def test_what_does_not_fail_alone_and_when_time_is_up():
    case = Case("program", 3, "tiny")
    assert shrink.shrink(case, lambda jobs: [False] * len(jobs), 60) is None
    found = shrink.shrink(case, lambda jobs: [True] * len(jobs), 0)
    assert found is not None and found.part == dataclasses.replace(cases.recipe(case)[0], moves=0)


def test_a_case_that_failed_can_be_run_again(tmp_path):
    for case in (Case("program", 5, "tiny"), Case("network", 5, "tiny,element=mac")):
        smallest = shrink.shrink(case, lambda jobs: [True] * len(jobs), 0 if case.seed else 1)
        assert smallest is not None
        path, command = files.save(smallest, "wrong", tmp_path)
        again = files.load(path)
        assert str(path) in command
        made, same = smallest.job(), again.job()
        assert again.memory == smallest.memory and made.image == same.image
        np.testing.assert_array_equal(made.inputs, same.inputs)
    path.write_text('{"kind": "program"}')
    with pytest.raises(ResarrayError, match="is no case that a failure wrote"):
        files.load(path)


# -- the campaign --------------------------------------------------------------------------------

SOME = campaign.plan(("program", "network"), ("tiny", "random1"), 0, 60)


def exact(chunk: list[Case]) -> list[Outcome]:
    return [Outcome(case, EXACT, cycles=7, counted={"steps": 2}) for case in chunk]


def killed_once(chunk: list[Case]) -> list[Outcome]:
    """The process that comes to seed 21 first is killed."""
    mark = Path(os.environ["FUZZ_TEST_MARK"])
    if any(case.seed == 21 for case in chunk):
        try:
            mark.touch(exist_ok=False)
            mark.write_text(str(os.getpid()))
            time.sleep(60)
        except FileExistsError:
            pass
    return exact(chunk)


def kill_when_told(mark: Path) -> None:
    deadline = time.monotonic() + 30
    while not (mark.exists() and mark.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(int(mark.read_text()), signal.SIGKILL)


def whole(path: Path) -> None:
    rows = files.read(path)
    assert rows.keys() == set(SOME) and len(path.read_bytes().splitlines()) == len(SOME)


def test_plan_and_chunks():
    chunks = campaign.chunks(SOME)
    assert sorted(map(str, itertools.chain(*chunks))) == sorted(map(str, SOME))
    assert all(len({case.machine for case in chunk}) == 1 for chunk in chunks)
    assert [chunk[0].machine for chunk in chunks[:2]] == ["tiny", "random1"]
    assert len(set(machines.MACHINES)) == 28


def test_a_second_call_goes_on(tmp_path):
    path = tmp_path / "results.jsonl"
    ran: list[Case] = []

    def stops(chunk):
        if len(ran) >= 40:
            raise KeyboardInterrupt
        ran.extend(chunk)
        return exact(chunk)

    with pytest.raises(KeyboardInterrupt):
        campaign.campaign(SOME, path, compute=stops)
    assert len(files.read(path)) == 40
    with path.open("ab") as file:
        file.write(b'{"kind": "program", "se')  # the machine went off
    ran.clear()

    def fails(chunk):
        ran.extend(chunk)
        return [Outcome(case, FAILED if case.seed == 59 else EXACT, "so") for case in chunk]

    tally = campaign.campaign(SOME, path, compute=fails)
    assert len(ran) == len(SOME) - 40 and len(tally.failures) == 2
    tally = campaign.campaign(SOME, path, compute=exact)  # only what failed
    assert sum(tally.counts.values()) == 2
    assert {row["result"] for row in files.read(path).values()} == {EXACT}


def test_other_sources_have_other_outcomes(tmp_path, monkeypatch):
    """What was exact before something was broken says nothing of it."""
    path = tmp_path / "results.jsonl"
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    few = SOME[:6]
    campaign.campaign(few, path, compute=exact)
    now = results.sources(campaign.SOURCES)
    (tmp_path / "hw").mkdir()
    (tmp_path / "hw" / "store.py").write_text("broken")
    monkeypatch.setattr(results, "ROOT", tmp_path)
    assert results.sources(["hw"]) != now
    campaign.summarise(path, "make fuzz")
    assert results.read("fuzz")[1][0].value == 0
    tally = campaign.campaign(few, path, compute=exact)
    assert sum(tally.counts.values()) == 6

    def edits(chunk):
        (tmp_path / "hw" / "store.py").write_text("edited meanwhile")
        return exact(chunk)

    with pytest.raises(ResarrayError, match="the sources have changed while"):
        campaign.campaign(SOME[6:], path, compute=edits)


def test_damaged_lines_do_not_count(tmp_path):
    path = tmp_path / "results.jsonl"
    campaign.campaign(SOME[:1], path, compute=exact)
    good = json.loads(path.read_text())
    others: list[object] = [{key: v for key, v in good.items() if key != name} for name in good]
    others += [good | {"seed": 7, name: 1.5} for name in good if name != "seed"]
    others += [good | {"seed": 7, "machine": "nonsense"}, good | {"seed": -1}, [1], "x", None]
    others += [good | {"seed": 7, "result": "well"}, good | {"seed": 7, "counted": {"steps": "2"}}]
    with path.open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in others)
        file.write("\x00\x7f\n")
    assert files.read(path) == {SOME[0]: good}


@pytest.mark.parametrize(
    ("kind", "error", "result"),
    [
        ("program", ScheduleError("no"), REFUSED),
        ("program", AssertionError("no"), FAILED),
        ("program", RuntimeError("no"), FAILED),
        ("network", ScheduleError("no"), FAILED),
        ("network", IndexError("no"), FAILED),
        ("network", ResarrayError("8 words in the input buffer"), REFUSED),
        ("network", ResarrayError("no"), FAILED),
    ],
)
def test_what_is_refused_and_what_has_failed(kind, error, result, monkeypatch):
    """A network that the compiler or a model cannot take is a failure, not a refusal."""

    def raises(case):
        raise error

    monkeypatch.setattr(execute, "job", raises)
    (outcome,) = execute.run([Case(kind, 1, "tiny")], design="none")
    assert outcome.result == result and str(error) in outcome.what


def test_a_killed_process_loses_nothing(tmp_path, monkeypatch):
    path, mark = tmp_path / "results.jsonl", tmp_path / "mark"
    monkeypatch.setenv("FUZZ_TEST_MARK", str(mark))
    killer = threading.Thread(target=kill_when_told, args=(mark,))
    killer.start()
    told: list[str] = []
    campaign.campaign(SOME, path, jobs=2, tell=told.append, compute=killed_once)
    killer.join()
    whole(path)
    assert any("was killed" in text for text in told)


@pytest.mark.filterwarnings("ignore")  # Dask's own
def test_a_cluster(tmp_path):
    from distributed import LocalCluster

    path = tmp_path / "results.jsonl"
    options = {"processes": False, "protocol": "tcp", "dashboard_address": None}
    with LocalCluster(n_workers=1, **options) as cluster:
        campaign.campaign(SOME, path, scheduler=cluster.scheduler_address, compute=exact)
    whole(path)


@pytest.mark.skipif("RESARRAY_KILL_WORKERS" not in os.environ, reason="takes a minute or two")
@pytest.mark.filterwarnings("ignore")
def test_a_killed_worker_of_a_cluster_loses_nothing(tmp_path, monkeypatch):
    from distributed import LocalCluster

    path, mark = tmp_path / "results.jsonl", tmp_path / "mark"
    monkeypatch.setenv("FUZZ_TEST_MARK", str(mark))
    options = {"processes": True, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(n_workers=2, **options) as cluster:
        killer = threading.Thread(target=kill_when_told, args=(mark,))
        killer.start()
        campaign.campaign(SOME, path, scheduler=cluster.scheduler_address, compute=killed_once)
        killer.join()
    whole(path)


def test_the_result_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    path = tmp_path / "results.jsonl"
    campaign.campaign(SOME, path, compute=exact)
    campaign.summarise(path, "make fuzz SEEDS=60")
    command, figures, details = results.read("fuzz")
    assert command == "make fuzz SEEDS=60" and not figures[0].reached
    by_name = {figure.what: figure.value for figure in figures}
    assert by_name["random programs, bit-exact"] == by_name["random networks, bit-exact"] == 60
    assert by_name["programs that failed"] == 0 and by_name["configurations"] == 2
    assert isinstance(details, dict) and details["program"]["seeds"] == [0, 59]
    assert details["program"]["counted"] == {"steps": 120, "cycles": 420}


def test_a_run_that_stops_is_halved(monkeypatch):
    """The one that hangs is found; what hangs only behind others names them."""
    jobs = [cases.job(Case("program", seed, "tiny"))[0] for seed in range(5)]

    def hangs(programs, **options):
        if any(image is jobs[3].image for image, _ in programs):
            raise ResarrayError("it hangs")
        return [None] * len(programs)

    class Result:
        cycles = 9

    monkeypatch.setattr(execute, "difference", lambda made, result: None)
    monkeypatch.setattr(execute, "run_many", lambda p, **o: [Result() for _ in hangs(p)])
    found = execute.simulate(jobs)
    assert [what for what, _ in found] == [None, None, None, "it hangs", None]

    def hangs_together(programs, **options):
        if len(programs) > 2:
            raise ResarrayError("it hangs")
        return [Result() for _ in programs]

    monkeypatch.setattr(execute, "run_many", hangs_together)
    some = [Case("program", seed, "tiny") for seed in range(3)]
    *before, last = execute.run(some, design="module")
    assert [outcome.result for outcome in before] == [EXACT, EXACT]
    assert last.result == FAILED and last.what.endswith(" ".join(map(str, some)))


# -- the command ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--replay", "foo"], "'foo' is no case: give KIND:SEED:MACHINE"),
        (["--replay", "program:1:bar"], "unknown preset 'bar'"),
        (["--replay", "program:1:tiny program:1:small"], "is of several machines"),
        (["--preset", "bar"], "random0 to random19"),
        (["--kind", "both"], "--kind 'both' is none"),
        (["--seeds", "0"], "greater than or equal to 1"),
        (["--case", "nowhere.json"], "cannot read 'nowhere.json'"),
        (["--scheduler", "foo"], "'foo' is no address"),
    ],
)
def test_bad_options(options, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["fuzz", *options])
    assert __main__.run() == 2
    captured = capsys.readouterr()
    assert sentence in captured.err and captured.err.count("\n") == 1 and captured.out == ""


def test_a_failure_is_reported_with_its_replay(tmp_path, monkeypatch, capsys):
    def wrong(chunk):
        return [Outcome(case, FAILED if case.seed == 4 else EXACT, "so") for case in chunk]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(campaign, "_each", lambda compute, left, *rest: map(wrong, left))
    options = ["--seeds", "6", "--preset", "tiny", "--kind", "program", "--shrink-seconds", "0"]
    monkeypatch.setattr("sys.argv", ["fuzz", *options, "--no-record"])
    assert __main__.run() == 1
    out = capsys.readouterr().out
    assert "--replay 'program:4:tiny'" in out and "5 programs exact, 1 programs failed" in out


def test_parts_of_a_network():
    for seed in range(30):
        graph = cases.graph(seed).graph
        found = graphs.parts(graph)
        assert [len(g.ops) for g in found] == sorted(len(g.ops) for g in found)
        for part in found:
            made = {part.input}
            for op in part.ops:
                assert made.issuperset(op.inputs), f"seed {seed}"
                made.add(op.output)
            assert part.output in made and part.tensors.keys() == made
