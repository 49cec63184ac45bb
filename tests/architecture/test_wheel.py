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
RUN = "import sys; sys.path.insert(0, sys.argv.pop(1)); from drumbeat import main; main()"
HOSTILE = "raise SystemExit('This is another library.')\n"


@pytest.fixture(scope="module", params=["standard", "editable"])
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


def python(code: str, site: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-c", code, str(site), *arguments],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_another_library_of_the_same_names_takes_nothing_over(site: Path, tmp_path: Path) -> None:
    write_project(tmp_path)
    loaded = python(RUN, site, tmp_path, "campaign", "load", "spring.toml", "--json")
    assert (loaded.returncode, '"accepted": 3' in loaded.stdout) == (3, True), loaded.stderr


INSIDE = """\
import sys; sys.path.insert(0, sys.argv[1])
from pathlib import Path
import drumbeat
sys.path.insert(0, str(drumbeat._home(Path(drumbeat.__file__).parent)))
from app.wiring.emulation import emulator_running
from app.demo.samples import sample
with emulator_running() as address:
    print(address, sample("spring_sale.csv"))
"""


def test_its_samples_and_its_emulator_are_its_own(site: Path, tmp_path: Path) -> None:
    (tmp_path / "emulators.py").write_text(HOSTILE)
    done = python(INSIDE, site, tmp_path)
    assert done.stdout.startswith("http://127.0.0.1:"), done.stderr
