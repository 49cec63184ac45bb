"""Injected faults, seen from a raw socket: what really arrives, and what was really accepted."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulators.faults import KINDS, Fault, FaultBoard
from emulators.wire import GARBAGE
from tests.emulators.conftest import MESSAGES, OurVoiceClient
from tests.support.cases import each
from tests.support.emulator import ROOT, Emulator, running_emulator

NUMBER = "447700900123"


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    with running_emulator() as emulator:
        yield emulator


@pytest.fixture
def emulator(running: Emulator) -> Emulator:
    running.reset()
    return running


def send_request(emulator: Emulator, connection: socket.socket) -> None:
    body = json.dumps(
        {
            "whatsapp_session_id": emulator.session_id,
            "to_number": [NUMBER],
            "type": "text",
            "content": "Hello",
        }
    ).encode()
    head = (
        f"POST {MESSAGES} HTTP/1.1\r\nHost: emulator\r\nAuthorization: Bearer test-key\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)


def exchange(emulator: Emulator) -> tuple[bytes, str]:
    """Send one message; what came back, and how it ended: `answered`, `closed` or `reset`."""
    with socket.create_connection(("127.0.0.1", emulator.port), timeout=10) as connection:
        send_request(emulator, connection)
        received = b""
        while not is_whole(received):
            try:
                data = connection.recv(65536)
            except ConnectionResetError:
                return received, "reset"
            if not data:
                return received, "closed"
            received += data
        return received, "answered"


def is_whole(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(end and lengths) and len(body) >= int(lengths[0].partition(b":")[2])


@pytest.mark.parametrize(
    ("kind", "ending", "accepted"),
    [
        ("reset_before", "reset", 0),
        ("reset_after", "reset", 1),
        ("close_before", "closed", 0),
        ("close_after", "closed", 1),
    ],
)
def test_a_connection_that_breaks_without_an_answer(
    emulator: Emulator, kind: str, ending: str, accepted: int
) -> None:
    emulator.fault(kind, times=1)
    assert exchange(emulator) == (b"", ending)
    assert len(emulator.ledger(NUMBER)) == accepted
    assert exchange(emulator)[1] == "answered"
    assert len(emulator.ledger(NUMBER)) == accepted + 1


def test_half_an_answer(emulator: Emulator) -> None:
    emulator.fault("half_answer")
    received, ending = exchange(emulator)
    head, _, body = received.partition(b"\r\n\r\n")
    assert ending == "closed"
    assert head.startswith(b"HTTP/1.1 201 ")
    assert body.startswith(b'{"success":true,')
    assert not is_whole(received)
    assert len(emulator.ledger(NUMBER)) == 1


def test_a_garbage_answer(emulator: Emulator) -> None:
    emulator.fault("garbage")
    assert exchange(emulator) == (GARBAGE, "closed")
    assert len(emulator.ledger(NUMBER)) == 1


@pytest.mark.parametrize(
    ("kind", "status", "accepted"), [("429", 429, 0), ("500", 500, 0), ("503", 503, 0), ("500_after", 500, 1)]
)
def test_error_statuses(emulator: Emulator, kind: str, status: int, accepted: int) -> None:
    emulator.fault(kind, retry_after=7)
    received, ending = exchange(emulator)
    assert ending == "answered"
    assert received.startswith(f"HTTP/1.1 {status} ".encode())
    assert (b"retry-after: 7\r\n" in received.lower()) == (status == 429)
    assert json.loads(received.partition(b"\r\n\r\n")[2])["success"] is False
    assert len(emulator.ledger(NUMBER)) == accepted


@pytest.mark.parametrize("kind", ["latency", "hang_before", "hang_after"])
def test_a_late_answer_still_comes(emulator: Emulator, kind: str) -> None:
    emulator.fault(kind, seconds=0.3)
    begin = time.monotonic()
    received, _ = exchange(emulator)
    assert time.monotonic() - begin >= 0.3
    assert received.startswith(b"HTTP/1.1 201 ")


@pytest.mark.parametrize(("kind", "at_once"), [("hang_before", 0), ("hang_after", 1)])
def test_a_hang_accepts_even_when_the_client_has_gone(emulator: Emulator, kind: str, at_once: int) -> None:
    emulator.fault(kind, seconds=1)
    with socket.create_connection(("127.0.0.1", emulator.port), timeout=0.2) as connection:
        send_request(emulator, connection)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    assert len(emulator.ledger(NUMBER)) == at_once
    wait_for(lambda: len(emulator.ledger(NUMBER)) == 1)


def test_faults_keep_to_their_path_and_method(emulator: Emulator) -> None:
    emulator.fault("503", path="/messages", method="POST")
    assert b" 503 " in exchange(emulator)[0]
    assert emulator.call("GET", MESSAGES)[0] == 200
    assert emulator.call("POST", "/ourvoice/v1/whatsapp/sessions")[0] == 201
    emulator.clear_faults()
    assert b" 201 " in exchange(emulator)[0]
    emulator.fault("503", path="/ourvoice/*")
    assert emulator.call("GET", MESSAGES)[0] == 503
    emulator.put_balance(1)
    assert emulator.ledger() != []


def test_faults_from_the_start_come_back_with_a_reset() -> None:
    with running_emulator(faults=[{"kind": "reset_after", "times": 1}]) as emulator:
        assert exchange(emulator) == (b"", "reset")
        assert [fault["hits"] for fault in emulator.faults()] == [1]
        assert exchange(emulator)[1] == "answered"
        emulator.reset()
        assert (exchange(emulator), len(emulator.ledger())) == ((b"", "reset"), 1)


async def test_the_connection_survives_an_error_status(ourvoice: OurVoiceClient) -> None:
    await ourvoice.http.post("/_faults", json=[{"kind": "500", "times": 1}, {"kind": "429", "times": 1}])
    answers = [(await ourvoice.send(NUMBER)).status_code for _ in range(3)]
    assert answers == [500, 429, 201]


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ({"kind": "earthquake"}, "unknown fault 'earthquake'"),
        ({}, "unknown fault 'None'"),
        ({"kind": "500", "chance": 1}, "unknown key 'chance'"),
        ({"kind": "500", "probability": 0}, "probability"),
        ({"kind": "500", "probability": "high"}, "wrong type"),
        ({"kind": "500", "times": 0}, "times"),
        ({"kind": "latency", "seconds": [1]}, "seconds"),
        ({"kind": "500", "hits": 1}, "unknown key 'hits'"),
        (7, "JSON object"),
    ],
)
async def test_a_wrong_fault_is_refused(http: httpx.AsyncClient, fault: Any, complaint: str) -> None:
    answer = await http.post("/_faults", json=[{"kind": "503"}, fault])
    assert answer.status_code == 422
    assert complaint in answer.json()["error"]
    assert (await http.get("/_faults")).json() == {"faults": []}


def test_a_probability_is_kept_and_repeatable() -> None:
    runs = []
    for _ in range(2):
        board = FaultBoard([{"kind": "reset_after", "probability": 0.05, "seed": 3}])
        runs.append([board.strike("POST", MESSAGES)[1] is not None for _ in range(2000)])
    assert runs[0] == runs[1]
    assert 70 < sum(runs[0]) < 130


def test_latencies_add_up_and_the_first_other_fault_wins() -> None:
    board = FaultBoard(
        [
            {"kind": "latency", "seconds": 1},
            {"kind": "latency", "seconds": [2, 3]},
            {"kind": "500"},
            {"kind": "503"},
        ]
    )
    delay, fault = board.strike("POST", MESSAGES)
    assert 3 <= delay <= 4
    assert fault is not None
    assert fault.kind == "500"
    assert [each.hits for each in board.faults] == [1, 1, 1, 0]


@each("kind", KINDS)
def test_every_kind_is_documented(kind: str) -> None:
    assert kind in (sys.modules[Fault.__module__].__doc__ or "")


def test_it_is_quick_to_start_and_ends_on_sigterm() -> None:
    begin = time.monotonic()
    with running_emulator() as emulator:
        assert emulator.control("GET", "/_health")["status"] == "ok"
        started = time.monotonic() - begin
        emulator.fault("hang_after", seconds=60)
        with socket.create_connection(("127.0.0.1", emulator.port)) as connection:
            send_request(emulator, connection)
            wait_for(lambda: emulator.summary()["total"] == 1)
            emulator.process.send_signal(signal.SIGTERM)
            emulator.process.wait(5)
    assert started < 5


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    command = [
        sys.executable,
        "-m",
        "emulators",
        "--port",
        "0",
        "--with-parent",
        "--port-file",
        str(port_file),
    ]
    parent = f"import subprocess, time; print(subprocess.Popen({command!r}).pid, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", parent], cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        wait_for(port_file.exists)
        process.kill()
    try:
        wait_for(lambda: not answers(int(port_file.read_text())))
    except AssertionError:
        os.kill(child, signal.SIGKILL)
        raise


def test_a_taken_port_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-m", "emulators", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=20, check=False)
    assert done.returncode != 0
    assert b"Address already in use" in done.stderr


def test_settings_reach_the_subprocess() -> None:
    with running_emulator(api_key="other-key", balance=10, price=5) as emulator:
        assert exchange(emulator)[0].startswith(b"HTTP/1.1 401 ")
        body = {
            "whatsapp_session_id": emulator.session_id,
            "to_number": [NUMBER],
            "type": "text",
            "content": "Hi",
        }
        status, answer = emulator.call("POST", MESSAGES, body)
        assert (status, answer["data"]["new_balance"], answer["data"]["remaining_messages"]) == (201, 5, 1)


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def wait_for(condition: Any) -> None:
    """Until it holds; ten seconds at most."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.01)
