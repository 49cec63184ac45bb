"""The life of an Our Voice session, from its QR code to its deletion."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from PIL import Image

from tests.emulators.conftest import SESSION, SESSIONS, OurVoiceClient

CONTROL = "/ourvoice/_control/sessions"
UNKNOWN = "7f9e1234-abcd-4ef0-8765-aabbccddeeff"


async def created(ourvoice: OurVoiceClient) -> dict[str, Any]:
    answer = await ourvoice.http.post(SESSIONS)
    assert answer.status_code == 201
    return answer.json()


async def test_a_new_session_has_the_documented_shape(ourvoice: OurVoiceClient) -> None:
    body = await created(ourvoice)
    session = body["session"]
    assert list(body) == ["success", "session", "qr_code"]
    assert list(session) == [
        *("id", "account_id", "session_id", "phone_number", "display_name", "status"),
        *("last_seen_at", "created_at", "updated_at"),
    ]
    assert session["session_id"] == session["display_name"] == f"session_{session['id']}"
    assert (session["phone_number"], session["status"]) == (None, "pending")
    assert session["created_at"] == "2027-01-15T08:00:00.000000Z"


async def test_the_qr_code_is_a_picture_of_a_qr_code(ourvoice: OurVoiceClient) -> None:
    body = await created(ourvoice)
    head, _, data = body["qr_code"].partition(",")
    png = base64.b64decode(data, validate=True)
    assert head == "data:image/png;base64"
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert finder_patterns(png) >= 3  # the data may happen to hold one more
    again = await ourvoice.http.get(f"{SESSIONS}/{body['session']['id']}/qr-code")
    assert again.json() == {"success": True, "qr_code": body["qr_code"]}


async def test_from_pending_to_deleted(ourvoice: OurVoiceClient) -> None:
    path = f"{SESSIONS}/{(await created(ourvoice))['session']['id']}"
    scan = path.replace(SESSIONS, CONTROL) + "/scan"
    steps = [
        ("PATCH", f"{path}/disconnect", 422, "pending"),
        ("PATCH", f"{path}/reconnect", 422, "pending"),
        ("POST", scan, 200, "connected"),
        ("POST", scan, 422, "connected"),
        ("GET", f"{path}/qr-code", 422, "connected"),
        ("PATCH", f"{path}/reconnect", 422, "connected"),
        ("PATCH", f"{path}/disconnect", 200, "disconnected"),
        ("PATCH", f"{path}/disconnect", 422, "disconnected"),
        ("GET", f"{path}/qr-code", 422, "disconnected"),
        ("PATCH", f"{path}/reconnect", 200, "connected"),
    ]
    for method, step, status, then in steps:
        answer = await ourvoice.http.request(method, step)
        assert answer.status_code == status, f"{method} {step}: {answer.text}"
        assert (await ourvoice.http.get(path)).json()["data"]["status"] == then
    assert (await ourvoice.http.delete(path)).status_code == 200
    assert (await ourvoice.http.get(path)).status_code == 404


async def test_scanning_brings_the_phone_number(ourvoice: OurVoiceClient) -> None:
    session = (await created(ourvoice))["session"]
    await ourvoice.http.post(f"{CONTROL}/{session['id']}/scan", json={"phone_number": "22997000042"})
    (message,) = await ourvoice.sent("447700900123", whatsapp_session_id=session["id"])
    assert message["from_number"] == "22997000042"


async def test_sessions_are_listed_newest_first(ourvoice: OurVoiceClient) -> None:
    session = (await created(ourvoice))["session"]
    listed = (await ourvoice.http.get(SESSIONS)).json()
    assert [each["id"] for each in listed["data"]] == [session["id"], SESSION]
    assert listed["data"][0] == session


@pytest.mark.parametrize("status", ["pending", "disconnected", "banned", "failed"])
async def test_only_a_connected_session_sends(ourvoice: OurVoiceClient, status: str) -> None:
    change = {"status": status, "reason": "Reported by users"}
    await ourvoice.http.post(f"{CONTROL}/{SESSION}/status", json=change)
    answer = await ourvoice.send("447700900123")
    assert answer.status_code == 422
    assert answer.json() == {
        "success": False,
        "message": f"The WhatsApp session is not connected: it is {status} (Reported by users).",
    }
    shown = (await ourvoice.http.get(f"{SESSIONS}/{SESSION}")).json()["data"]
    assert (shown["status"], shown["reason"]) == (status, "Reported by users")


async def test_the_reason_goes_when_the_session_is_well_again(ourvoice: OurVoiceClient) -> None:
    await ourvoice.http.post(
        f"{CONTROL}/{SESSION}/status", json={"status": "disconnected", "reason": "Phone off"}
    )
    ourvoice.clock.move(5)
    await ourvoice.http.patch(f"{SESSIONS}/{SESSION}/reconnect")
    shown = (await ourvoice.http.get(f"{SESSIONS}/{SESSION}")).json()["data"]
    assert "reason" not in shown
    assert shown["updated_at"] == "2027-01-15T08:00:05.000000Z"


@pytest.mark.parametrize(
    ("method", "step"),
    [("GET", ""), ("DELETE", ""), ("GET", "/qr-code"), ("PATCH", "/disconnect"), ("PATCH", "/reconnect")],
)
async def test_unknown_sessions(ourvoice: OurVoiceClient, method: str, step: str) -> None:
    answer = await ourvoice.http.request(method, f"{SESSIONS}/{UNKNOWN}{step}")
    assert (answer.status_code, answer.json()["message"]) == (404, "WhatsApp session not found.")


async def test_a_deleted_session_keeps_its_messages(ourvoice: OurVoiceClient) -> None:
    (message,) = await ourvoice.sent("447700900123")
    await ourvoice.http.delete(f"{SESSIONS}/{SESSION}")
    assert (await ourvoice.send("447700900123")).status_code == 404
    assert (await ourvoice.show(message["id"]))["to_number"] == "447700900123"


async def test_no_unknown_status_can_be_set(ourvoice: OurVoiceClient) -> None:
    answer = await ourvoice.http.post(f"{CONTROL}/{SESSION}/status", json={"status": "asleep"})
    assert answer.status_code == 422


def finder_patterns(png: bytes) -> int:
    """How many corners of the picture hold a QR finder: rings of 7, 5 and 3 modules in a quiet zone."""
    picture = Image.open(io.BytesIO(png)).convert("L")
    quiet, module = 16, 4
    near, far = quiet + 3 * module + module // 2, picture.width - quiet - 3 * module - module // 2 - 1
    corners = [(near, near), (far, near), (near, far), (far, far)]
    return sum(rings(picture, x, y, module) == "10101" for x, y in corners)


def rings(picture: Image.Image, x: int, y: int, module: int) -> str:
    """Dark (1) or light (0) at the left ring, the gap, the core, the gap and the right ring of a finder."""
    across = [picture.getpixel((x + step * module, y)) for step in (-3, -2, 0, 2, 3)]
    return "".join("1" if shade == 0 else "0" for shade in across)
