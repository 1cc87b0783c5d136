"""Stand-ins for Yosys, nextpnr, ecppack and openFPGALoader that answer at once."""

import json
import os
import sys
from pathlib import Path

CELLS = {"LUT4": 9000, "CCU2C": 2000, "MULT18X18D": 20, "DP16KD": 17, "TRELLIS_FF": 11000}
REPORT = {
    "fmax": {"sys": {"achieved": 61.5, "constraint": 60.0}},
    "utilization": {
        name: {"used": used, "available": 24288}
        for name, used in (
            ("TRELLIS_COMB", 15000),
            ("TRELLIS_FF", 11000),
            ("MULT18X18D", 20),
            ("DP16KD", 17),
        )
    },
}
SCRIPT = """#!{python}
import json, sys
from pathlib import Path
name, cells, report, fails = {name!r}, {cells!r}, {report!r}, {fails!r}
if sys.argv[1] in ("-V", "--version"):
    print("Yosys 0.70" if name == "yosys" else "nextpnr-0.11")
elif name == fails:
    print("Info: working")
    print("ERROR: something is wrong")
    sys.exit(1)
elif name == "yosys":
    assert Path("soc.v").exists() and Path("resarray.v").exists()
    print("1.2. Executing SYNTH pass.")
    Path("stat.json").write_text(json.dumps({{"design": {{"num_cells_by_type": cells}}}}))
    Path("design.json").write_text(json.dumps({{"modules": {{"soc": {{"cells": {{}}}}}}}}))
elif name == "nextpnr-ecp5":
    print("Info: overlap: COMB=50.0%, FF=60.0%")
    Path("report.json").write_text(json.dumps(report))
    Path("soc.config").write_text("")
elif name == "openFPGALoader":
    assert sys.argv[1:3] == ["--board", "ulx3s"] and Path(sys.argv[3]).read_bytes() == b"bits"
    print("Loading: [=====     ] 50.00%\\rLoading: [==========] 100.00%\\nDone")
else:
    Path("soc.bit").write_bytes(b"bits")
"""


def install(folder: Path, monkeypatch, *, cells=CELLS, report=REPORT, fails: str = "") -> None:
    """Put them first on PATH."""
    bin_folder = folder / "bin"
    bin_folder.mkdir(exist_ok=True)
    for name in ("yosys", "nextpnr-ecp5", "ecppack", "openFPGALoader"):
        path = bin_folder / name
        path.write_text(
            SCRIPT.format(python=sys.executable, name=name, cells=cells, report=report, fails=fails)
        )
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.environ['PATH']}")


def slower(mhz: float) -> dict:
    """A report whose clock reaches ``mhz``."""
    report = json.loads(json.dumps(REPORT))
    report["fmax"]["sys"]["achieved"] = mhz
    return report
