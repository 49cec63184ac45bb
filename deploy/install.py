"""Runs `pip install` for the Makefile: shows how far it is in a line or two, and all of pip's output where it fails."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PACKAGE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*(\[[^]]*\])?==", re.MULTILINE)
FOUND = ("Collecting ", "Processing ", "Requirement already satisfied")
INSTALLS = "Installing collected packages"


def main(arguments: list[str]) -> int:
    total = sum(len(PACKAGE.findall(Path(name).read_text())) for name in arguments if name.endswith(".lock"))
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    seen: list[str] = []
    done = 0
    with subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            seen.append(line)
            done += line.startswith(FOUND)
            if total and line.startswith((*FOUND, INSTALLS)):
                show(f"  {done} of {total} packages", last=line.startswith(INSTALLS))
    if pip.returncode:
        sys.stderr.write("\n" + "".join(seen))
    return pip.returncode


def show(text: str, *, last: bool) -> None:
    """On a terminal over the line before; elsewhere only the last."""
    if sys.stdout.isatty():
        sys.stdout.write(f"\r{text}" + ("; installing them\n" if last else ""))
    elif last:
        sys.stdout.write(f"{text}; installing them\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
