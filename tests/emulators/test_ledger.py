"""The ledger tells what each recipient received, and the control plane starts over."""

from __future__ import annotations

from tests.emulators.conftest import MESSAGES, SESSION, SESSIONS, START, OurVoiceClient


async def test_an_entry_agrees_with_what_was_answered(ourvoice: OurVoiceClient) -> None:
    ourvoice.clock.move(0.25)
    (message,) = await ourvoice.sent("+447700900123", content="Hello Amara")
    body = (await ourvoice.http.get("/_ledger")).json()
    (entry,) = body["messages"]
    assert body["count"] == 1
    assert len(entry.pop("digest")) == 24
    assert len(entry.pop("call")) == 36
    assert len(entry.pop("account")) == 36
    assert entry.pop("outcome") in ("read", "delivered")
    assert entry == {
        "id": message["id"],
        "provider": "ourvoice",
        "session": SESSION,
        "to": "447700900123",
        "type": "text",
        "content": "Hello Amara",
        "media_url": None,
        "accepted_at": START + 0.25,
        "left_at": START + 0.25,
        "request": 1,
    }


async def test_calls_and_requests_are_told_apart(ourvoice: OurVoiceClient) -> None:
    await ourvoice.sent("447700900001", "447700900002")
    await ourvoice.found()
    await ourvoice.sent("447700900001")
    one, two, three = (await ourvoice.http.get("/_ledger")).json()["messages"]
    assert one["call"] == two["call"] != three["call"]
    assert [entry["request"] for entry in (one, two, three)] == [1, 1, 3]


async def test_filters(ourvoice: OurVoiceClient) -> None:
    await ourvoice.sent("447700900001", "447700900002")
    for query, count in [
        ("to=447700900001", 1),
        ("to=447700900003", 0),
        ("provider=ourvoice", 2),
        ("provider=other", 0),
        ("to=447700900001&provider=other", 0),
    ]:
        assert (await ourvoice.http.get(f"/_ledger?{query}")).json()["count"] == count


async def test_summary_finds_who_got_the_same_again(ourvoice: OurVoiceClient) -> None:
    first = await ourvoice.sent("447700900001", "447700900002", content="Sale")
    await ourvoice.sent("447700900002", content="Another thing")
    (again,) = await ourvoice.sent("447700900001", content="Sale")
    summary = (await ourvoice.http.get("/_ledger/summary")).json()
    (repeat,) = summary.pop("repeated")
    assert (repeat["to"], repeat["count"], repeat["ids"]) == (
        "447700900001",
        2,
        [first[0]["id"], again["id"]],
    )
    assert summary.pop("outcomes")
    assert summary == {
        "total": 4,
        "calls": 3,
        "requests": 3,
        "recipients": 2,
        "messages_per_recipient": {"2": 2},
    }


async def test_the_same_text_as_another_type_is_other_content(ourvoice: OurVoiceClient) -> None:
    await ourvoice.sent("447700900001", content="Sale")
    await ourvoice.sent("447700900001", content="Sale", type="image", media_url="https://example.com/a.jpg")
    assert (await ourvoice.http.get("/_ledger/summary")).json()["repeated"] == []


async def test_refused_calls_leave_no_trace(ourvoice: OurVoiceClient) -> None:
    await ourvoice.send("447700900001", "447700900908")
    await ourvoice.send("447700900001", type="fax")
    summary = (await ourvoice.http.get("/_ledger/summary")).json()
    assert (summary["total"], summary["requests"]) == (0, 2)


async def test_outcomes_are_counted(ourvoice: OurVoiceClient) -> None:
    await ourvoice.sent("447700900901", "447700900902", "33639980901")
    outcomes = (await ourvoice.http.get("/_ledger/summary")).json()["outcomes"]
    assert outcomes == {"expired": 1, "not_on_whatsapp": 2}


async def test_reset_starts_over(ourvoice: OurVoiceClient) -> None:
    await ourvoice.sent("447700900123")
    await ourvoice.http.post(SESSIONS)
    await ourvoice.http.delete(f"{SESSIONS}/{SESSION}")
    await ourvoice.http.post("/_faults", json={"kind": "503", "path": MESSAGES})
    assert (await ourvoice.http.post("/_reset")).status_code == 200
    assert (await ourvoice.http.get("/_ledger/summary")).json()["requests"] == 0
    assert (await ourvoice.http.get("/_faults")).json() == {"faults": []}
    assert await ourvoice.found() == []
    assert [each["id"] for each in (await ourvoice.http.get(SESSIONS)).json()["data"]] == [SESSION]
    assert (await ourvoice.send("447700900123")).json()["data"]["new_balance"] == 4990


async def test_health(ourvoice: OurVoiceClient) -> None:
    health = (await ourvoice.http.get("/_health")).json()
    assert (health["status"], health["now"]) == ("ok", START)
    assert {"bird", "ourvoice"} <= set(health["providers"])
