"""The blocks of a page of the documentation, run in order: `drumbeat` in this process, other commands by the shell.

A block of shell below `<!-- not run by the tests: REASON -->` is not run. A block of TOML whose first line is
`# name.toml` is written to that file.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path

from click.testing import CliRunner

from cli import cli

BLOCK = re.compile(
    r"^(?:<!-- not run by the tests: (?P<why>[^\n]+) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
FINE = (0, 3)
"""Done, and done in part: a list with bad rows, a message that failed."""


@dataclass(frozen=True)
class Block:
    """`why`: it is not run."""

    kind: str
    text: str
    why: str | None


def blocks_of(page: Path) -> list[Block]:
    return [
        Block(found["kind"], found["text"], found["why"]) for found in BLOCK.finditer(page.read_text("utf-8"))
    ]


@dataclass
class Reader:
    """Who types what a page says, in a folder of their own; `/tmp` is that folder."""

    root: Path
    environment: dict[str, str]
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder = self.root

    def follow(self, page: Path) -> Iterator[tuple[Block, str]]:
        """Each block that was run, and what it printed."""
        for block in blocks_of(page):
            if block.kind == "sh" and block.why is None:
                yield block, "".join(self.type(line) for line in block.text.splitlines())
            elif block.kind == "toml" and (named := re.match(r"# (\w+\.toml)\n", block.text)):
                (self.folder / named[1]).write_text(block.text, encoding="utf-8")

    def type(self, line: str) -> str:
        """What the line prints."""
        return "".join(
            self._run(part.strip()) for part in line.replace("/tmp/", f"{self.root}/").split(" && ")
        )

    def _run(self, command: str) -> str:
        match shlex.split(command, comments=True):
            case ["cd", place]:
                self.folder /= place
                return ""
            case ["export", *values]:
                self.environment |= dict(value.split("=", 1) for value in values)
                return ""
            case ["drumbeat", *arguments]:
                with chdir(self.folder):
                    done = CliRunner().invoke(cli, arguments, env=self.environment)
                assert done.exit_code in FINE, f"{command}: {done.exit_code}\n{done.output}"
                return done.output
        shell = subprocess.run(["bash", "-c", command], cwd=self.folder, capture_output=True, text=True)
        assert shell.returncode == 0, f"{command}: {shell.stderr}"
        return shell.stdout
