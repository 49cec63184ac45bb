"""What is installed: our files in one package of their own, whatever other libraries bring under the same names."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from tests.support.paths import ROOT
from tests.support.project import environment, write_project

NAMES = (
    "app", "web", "campaigns", "storage", "emulators", "migrations", "providers", "scheduler", "terminal",
)  # fmt: skip
RUN = """\
import sys; sys.path.insert(0, sys.argv.pop(1))
from drumbeat import main
try:
    main()
except SystemExit as ended:
    code = ended.code
from app.wiring.emulation import emulator_running
from app.demo.samples import sample
with emulator_running() as address:
    print(address, sample("spring_sale.csv"))
sys.exit(code)
"""
"""A command, and afterwards the emulator and the samples."""
HOSTILE = "raise SystemExit('This is another library.')\n"


@pytest.fixture(scope="module", params=["standard", pytest.param("editable", marks=pytest.mark.large)])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed libraries: ours, and before it on the path others that have its names."""
    folder = tmp_path_factory.mktemp(request.param)
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=[request.param])
    place = folder / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
        archive.extractall(place)
    assert {top for top in tops if not top.endswith(".dist-info")} <= {"drumbeat", "_drumbeat.pth"}
    for name in NAMES:
        (place / name).mkdir()
        (place / name / "__init__.py").write_text(HOSTILE)
    (place / "cli.py").write_text(HOSTILE)
    return place


def test_another_library_of_the_same_names_takes_nothing_over(site: Path, tmp_path: Path) -> None:
    write_project(tmp_path)
    (tmp_path / "emulators.py").write_text(HOSTILE)
    done = subprocess.run(
        [sys.executable, "-I", "-c", RUN, str(site), "campaign", "load", "spring.toml", "--json"],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, '"accepted": 3' in done.stdout) == (3, True), done.stderr
    assert done.stdout.splitlines()[-1].startswith("http://127.0.0.1:"), done.stderr
