"""An emulator of the providers in a process of its own, for as long as a block of code runs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from campaigns.errors import Unavailable

_HOME: Final = str(Path(__file__).resolve().parents[2])
"""The folder of our `emulators`, not of another library with that name."""
PATIENCE: Final = 30.0
"""Seconds to wait for it to start: a busy machine imports slowly."""


@contextmanager
def emulator_running(*options: str) -> Iterator[str]:
    """Its base address, such as http://127.0.0.1:40123. It ends with the block, and with this process."""
    with tempfile.TemporaryDirectory(prefix="drumbeat-") as folder:
        port_file = Path(folder) / "port"
        arguments = ("--port", "0", "--port-file", str(port_file), "--with-parent", *options)
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-m", "emulators", *arguments],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([_HOME, *filter(None, [os.environ.get("PYTHONPATH")])]),
            },
            start_new_session=True,
        )
        try:
            yield f"http://127.0.0.1:{_wait_for_port(process, port_file)}"
        finally:
            process.terminate()
            process.wait()


def _wait_for_port(process: subprocess.Popen[bytes], port_file: Path) -> int:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if port_file.is_file():
            return int(port_file.read_text())
        time.sleep(0.02)
    raise Unavailable("The emulator did not start.", hint="drumbeat emulator shows why.")
