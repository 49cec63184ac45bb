"""The emulator as a process of its own, for suites that need a real provider on a real socket.

with running_emulator(read_percent=100) as emulator:
    …base_url = emulator.ourvoice…
    assert emulator.summary()["repeated"] == []
"""

from __future__ import annotations

import http.client
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Any

from tests.support.forks import Fork, run_main

ROOT = Path(__file__).parents[2]
START_DEADLINE = 20.0
STOP_DEADLINE = 5.0


@dataclass(frozen=True)
class Emulator:
    """A running emulator. `ourvoice` is the base URL to give to an adapter."""

    port: int
    process: Fork
    api_key: str = "test-key"
    session_id: str = "a3f1b2c4-1234-4abc-9def-000011112222"

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ourvoice(self) -> str:
        return f"{self.base_url}/ourvoice"

    @property
    def bird(self) -> str:
        return f"{self.base_url}/bird"

    @property
    def messaging_api(self) -> str:
        return f"{self.base_url}/messaging_api"

    @property
    def meta(self) -> str:
        return f"{self.base_url}/meta/v24.0"

    @property
    def voicebip(self) -> str:
        return f"{self.base_url}/voicebip"

    def ledger(self, to: str | None = None) -> list[dict[str, Any]]:
        """Every accepted message (`emulators.ledger.Entry`), or those of one recipient (digits only)."""
        return self.control("GET", "/_ledger" + (f"?to={to}" if to else ""))["messages"]

    def summary(self) -> dict[str, Any]:
        """total, calls, requests, recipients, messages_per_recipient, outcomes, repeated."""
        return self.control("GET", "/_ledger/summary")

    def fault(self, kind: str, **options: Any) -> None:
        """Put one fault in force: `fault("reset_after", probability=0.05, method="POST")`."""
        self.control("POST", "/_faults", {"kind": kind, **options})

    def faults(self) -> list[dict[str, Any]]:
        """The faults in force, with their `hits`."""
        return self.control("GET", "/_faults")["faults"]

    def clear_faults(self) -> None:
        self.control("DELETE", "/_faults")

    def reset(self) -> None:
        """Everything as it was at the start."""
        self.control("POST", "/_reset")

    def scan(self, session_id: str, phone_number: str = "22997000001") -> None:
        """Scan an Our Voice session's QR code: it becomes connected."""
        self.control("POST", f"/ourvoice/_control/sessions/{session_id}/scan", {"phone_number": phone_number})

    def put_session(self, status: str, reason: str | None = None, session_id: str | None = None) -> None:
        """Put an Our Voice session, by default the ready one, into a status: banned, disconnected, …"""
        path = f"/ourvoice/_control/sessions/{session_id or self.session_id}/status"
        self.control("POST", path, {"status": status, "reason": reason})

    def put_balance(self, balance: int) -> None:
        self.control("POST", "/ourvoice/_control/balance", {"balance": balance})

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the control plane; anything but 200 fails the test."""
        status, answer = self.call(method, path, body)
        assert status == 200, f"{method} {path}: {status} {answer}"
        return answer

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One HTTP call with the account's key; the status and the JSON answer."""
        headers = {"Authorization": f"Bearer {self.api_key}", "Content-Type": "application/json"}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())


@contextmanager
def running_emulator(*, ahead: float = 0, **options: Any) -> Iterator[Emulator]:
    """An emulator of its own on a free port; `options` are those of `emulators.settings.Settings`. `ahead`: by how many
    seconds its clock is."""
    with tempfile.TemporaryDirectory() as folder:
        port_file, log = Path(folder, "port"), Path(folder, "log")
        process = _start(options, port_file, log, ahead)
        try:
            port = _wait_for_port(process, port_file, log)
            yield Emulator(port, process, options.get("api_key", "test-key"))
        finally:
            _stop(process)


def _start(options: Mapping[str, Any], port_file: Path, log: Path, ahead: float) -> Fork:
    arguments = [
        "--port",
        "0",
        "--with-parent",
        "--port-file",
        str(port_file),
        "--settings",
        json.dumps(options),
    ]
    program = ["tests.support.dated", str(ahead), "emulators"] if ahead else ["emulators.__main__"]
    return Fork(run_main, *program, *arguments, folder=ROOT, environment=os.environ, log=log)


def _wait_for_port(process: Fork, port_file: Path, log: Path) -> int:
    deadline = time.monotonic() + START_DEADLINE
    while not port_file.exists():
        if process.poll() is not None:
            raise RuntimeError(f"the emulator ended with {process.returncode}:\n{log.read_text()}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"the emulator was not ready within {START_DEADLINE} s:\n{log.read_text()}")
        time.sleep(0.005)
    return int(port_file.read_text())


def _stop(process: Fork) -> None:
    process.terminate()
    try:
        process.wait(STOP_DEADLINE)
    except TimeoutExpired:
        process.kill()
        process.wait()
