"""A campaign that a program makes: its file, its list, what was rejected; and what was changed meanwhile."""

from __future__ import annotations

import io
import json
import zipfile

import httpx
import pytest
from sqlalchemy import update

from app.actions.api_keys import Scope
from app.actions.repeatable_calls import ABANDONED
from storage.database.engine import writing
from storage.tables.runs import jobs
from tests.web.api.world import ADA, FILE, LIST, World
from web.api import quota
from web.api.operations import REPEAT, XLSX
from web.protocol.uploads import stored_body

TOML = {"content-type": "application/toml"}
CSV = {"content-type": "text/csv"}
ACCEPTED = {
    "*/*": "application/json",
    "text/csv; q=0.5, application/json": "application/json",
    "application/json;q=0.2, TEXT/CSV;q=0.9, image/png": "text/csv",
    "text/csv;q=0, */*": "application/json",
    "text/csv;q=high": "text/csv",
}
"""What a client accepts, and what it gets."""


def kind(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


async def test_file_list_rejects_and_start(world: World) -> None:
    async with world.caller(Scope.SEND) as caller:
        made = await caller.put(
            "/campaigns/newcomer/file", content=FILE.replace("fresh", "newcomer"), headers=TOML
        )
        assert made.json()["done"] == "created"
        assert made.json()["complete"]
        loaded = await caller.put("/campaigns/newcomer/list", content=LIST, headers=CSV)
        found = loaded.json()
        assert (found["rows"], found["accepted"], found["rejected"]) == (3, 2, 1)
        assert (found["state"], found["detected"]["phone_column"]) == ("draft", "phone")
        rejects = await caller.get(found["rejects_file"].removeprefix("/api/v1"))
        assert rejects.headers["content-type"] == "text/csv; charset=utf-8"
        assert "Mallory" in rejects.text
        assert "phone_not_a_number" in rejects.text or "no number" in rejects.text
        again = (await caller.put("/campaigns/newcomer/list", content=LIST, headers=CSV)).json()
        assert (again["already_loaded"], again["rejects_file"]) == (True, found["rejects_file"])
        corrected = rejects.text.replace("nobody", "+447700900012")
        third = (await caller.put("/campaigns/newcomer/list", content=corrected, headers=CSV)).json()
        assert (third["accepted"], third["rejected"]) == (1, 0)
        preview = (await caller.get("/campaigns/newcomer/preview", params={"line": 2})).json()
        assert [each["text"] for each in preview["messages"]] == ["Hi Ada"]
        assert (await caller.get("/campaigns/newcomer")).json()["rows"] == 3
        assert (await caller.post("/campaigns/newcomer/start", json={"now": True})).json()[
            "done"
        ] == "started"
        late = await caller.put("/campaigns/newcomer/list", content=LIST, headers=CSV)
        assert (late.json()["already_loaded"], late.json()["state"]) == (True, "scheduled")


async def test_a_list_that_cannot_be_loaded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world.caller(Scope.SEND) as caller:
        bad = "phone,first_name\nx,a\ny,b\n+447700900010,c\n"
        answer = await caller.put("/campaigns/fresh/list", content=bad, headers=CSV)
        assert kind(answer) == (422, "too-many-rejects")
        report = answer.json()["report"]
        assert (report["rows"], report["rejected"]) == (3, 2)
        assert "x" in (await caller.get(report["rejects_file"].removeprefix("/api/v1"))).text
        answer = await caller.put("/campaigns/fresh/list", content='phone\n"+44', headers=CSV)
        assert kind(answer) == (422, "list")
        assert answer.json()["errors"][0]["code"]
        assert kind(await caller.put("/campaigns/nothing/list", content=LIST, headers=CSV)) == (
            404,
            "not-found",
        )
        odd = await caller.put("/campaigns/fresh/list", content=LIST, headers={"content-type": "image/png"})
        assert kind(odd) == (415, "media-type")
        assert kind(await caller.get("/campaigns/fresh/rejects/..%2Fcampaign.toml")) == (404, "not-found")
        monkeypatch.setattr(
            "web.api.calls.stored_body", lambda request, _most, ending: stored_body(request, 10, ending)
        )
        assert kind(await caller.put("/campaigns/fresh/list", content=LIST, headers=CSV)) == (
            413,
            "too-large",
        )


async def test_a_campaign_file_is_kept_and_says_what_is_wrong(world: World) -> None:
    async with world.caller(Scope.MANAGE) as caller:
        first = await caller.get("/campaigns/fresh/file")
        tag = first.headers["etag"]
        assert first.headers["content-type"].startswith("application/toml")
        seen = await caller.get("/campaigns/fresh/file", headers={"if-none-match": tag})
        assert (seen.status_code, seen.content) == (304, b"")
        wrong = first.text.replace('text = "Hi {{ first_name }}"', "text = 5")
        stored = await caller.put("/campaigns/fresh/file", content=wrong, headers={**TOML, "if-match": tag})
        assert stored.status_code == 200, stored.text
        assert not stored.json()["complete"]
        assert stored.json()["problem"]["errors"][0]["pointer"] == "/content/text"
        stale = await caller.put("/campaigns/fresh/file", content=FILE, headers={**TOML, "if-match": tag})
        assert kind(stale) == (412, "changed")
        assert kind(await caller.put("/campaigns/fresh/file", content="x = [", headers=TOML)) == (
            422,
            "campaign-file",
        )
        assert kind(await caller.put("/campaigns/fresh/file", content=b"\xff", headers=TOML)) == (
            422,
            "campaign-file",
        )
        assert (await caller.delete("/campaigns/fresh/file")).json()["done"] == "deleted"
        assert kind(await caller.get("/campaigns/fresh/file")) == (404, "not-found")


async def test_a_file_that_may_only_be_created_replaces_none(world: World) -> None:
    only_new = {**TOML, "if-none-match": "*"}
    async with world.caller(Scope.MANAGE) as caller:
        before = await caller.get("/campaigns/fresh/file")
        refused = await caller.put("/campaigns/fresh/file", content=FILE + "tags = []\n", headers=only_new)
        assert kind(refused) == (400, "if-match")
        assert (await caller.get("/campaigns/fresh/file")).text == before.text


async def test_the_rejected_rows_of_an_import_have_an_address(world: World) -> None:
    rows = "phone,evidence\n+447700900020,a call\n0197000000,=1+1\n"
    async with world.caller(Scope.MANAGE) as caller:
        found = (await caller.post("/contacts/import", content=rows, headers=CSV)).json()
        assert (found["opted_out"], found["rejected"]) == (1, 1)
        assert found["first_rejects"][0]["line"] == 3
        address = found["rejects_file"].removeprefix("/api/v1")
        rejects = await caller.get(address)
        assert rejects.headers["content-type"] == "text/csv; charset=utf-8"
        assert rejects.headers["content-disposition"].startswith("attachment")
        assert "0197000000" in rejects.text
        assert '"\'=1+1"' in rejects.text, "nothing that a spreadsheet calculates"
        good = (await caller.post("/contacts/import", content="phone\n+447700900021\n", headers=CSV)).json()
        assert good["rejects_file"] is None
        for other in ("0" * 32, "..", "x", "%00"):
            assert kind(await caller.get(f"/contacts/import/rejects/{other}.csv")) == (404, "not-found")
        empty = await caller.post("/contacts/import", content="phone\n", headers=CSV)
        assert kind(empty) == (422, "list")
    async with world.caller(Scope.READ) as caller:
        assert kind(await caller.get(address)) == (403, "scope")
    left = [path.name for path in (world.settings.path.parent / "drafts").glob(".in-*")]  # type: ignore[union-attr]
    assert len(left) == 1, "what failed and what had no rejects leaves nothing"


@pytest.mark.parametrize("slash", ["/", "%2F"])
async def test_a_person_is_addressed_by_a_user_id_too(world: World, slash: str) -> None:
    name = "user:meta/US.13491208655302741918"
    address = f"/contacts/{name.replace('/', slash)}"
    async with world.caller(Scope.ADMIN) as caller:
        out = await caller.post(f"{address}/optout", json={"evidence": "a call"})
        assert (out.status_code, out.json()["phone"]) == (200, name)
        assert (await caller.get(address)).json()["phone"] == name
        assert (await caller.get(f"{address}/export")).json()["opt_outs"]
        story = await caller.get(f"/campaigns/running/people/{name.replace('/', slash)}")
        assert kind(story) == (404, "not-found")
        assert name in story.json()["detail"]
        assert (await caller.post(f"{address}/erase", json={})).status_code == 200
        assert kind(await caller.get(f"/contacts/{ADA}/nothing")) == (422, "invalid")


async def test_a_campaign_that_was_changed_is_not_steered(world: World) -> None:
    async with world.caller(Scope.SEND) as caller:
        tag = (await caller.get("/campaigns/scheduled")).headers["etag"]
        paused = await caller.post("/campaigns/scheduled/pause", headers={"if-match": tag})
        assert paused.status_code == 200
        keyed = {"if-match": tag, REPEAT: "resume"}
        assert kind(await caller.post("/campaigns/scheduled/resume", headers=keyed)) == (412, "changed")
        keyed["if-match"] = (await caller.get("/campaigns/scheduled")).headers["etag"]
        assert (await caller.post("/campaigns/scheduled/resume", headers=keyed)).status_code == 200
        same = await caller.post("/campaigns/scheduled/resume", headers=keyed)
        assert same.status_code == 200, "the stored answer, although the ETag is an old one now"


async def test_what_only_counts_is_no_change(world: World) -> None:
    async with world.caller(Scope.SEND) as caller:
        before = await caller.get("/campaigns/running")
        async with writing(world.engine) as connection:
            await connection.execute(update(jobs).where(jobs.c.id == 15).values(state="delivered"))
        after = await caller.get("/campaigns/running", headers={"if-none-match": before.headers["etag"]})
        assert after.status_code == 200
        headers = {"if-match": before.headers["etag"]}
        assert (await caller.post("/campaigns/running/pause", headers=headers)).status_code == 200


async def test_pages_go_on_where_the_last_ended(world: World) -> None:
    async with world.caller(Scope.MANAGE) as caller:
        for number in range(5):
            await caller.post(f"/contacts/+44770090005{number}/optout", json={"evidence": "a call"})
        for address, key, params in (
            ("/campaigns", "campaigns", {}),
            ("/contacts", "opted_out", {"scope": "marketing"}),
            ("/campaigns/running/people", "people", {"state": "pending"}),
        ):
            whole = (await caller.get(address, params=params)).json()
            found, place, cursor = [], {}, "before" if key == "campaigns" else "after"
            while True:
                page = (await caller.get(address, params={**params, "limit": 2, **place})).json()
                found += page[key]
                if page["next"] is None:
                    break
                place = {cursor: page["next"]}
            assert found == whole[key]
            assert len(found) >= 5
        failed = (await caller.get("/campaigns/running/people", params={"state": "failed"})).json()["people"]
        assert [(each["code"], each["state"]) for each in failed] == [("131000", "failed")]


async def test_a_report_in_each_form(world: World) -> None:
    async with world.caller(Scope.MANAGE) as caller:
        for report in ("summary", "delivery", "cost", "failures", "funnel", "recipients"):
            await assert_every_form(caller, report)


async def assert_every_form(caller: httpx.AsyncClient, report: str) -> None:
    address = f"/campaigns/running/reports/{report}"
    as_json = await caller.get(address)
    assert as_json.headers["content-type"].startswith("application/json")
    assert json.loads(as_json.text)
    as_csv = await caller.get(address, headers={"accept": "text/csv"})
    assert as_csv.headers["content-type"] == "text/csv; charset=utf-8"
    assert as_csv.text.startswith('"')
    for wanted, media in ACCEPTED.items():
        answer = await caller.get(address, headers={"accept": wanted})
        assert answer.headers["content-type"].partition(";")[0] == media, wanted
    book = await caller.get(address, params={"format": "xlsx"})
    assert book.headers["content-type"] == XLSX
    assert zipfile.ZipFile(io.BytesIO(book.content)).testzip() is None
    assert f"running-{report}.xlsx" in book.headers["content-disposition"]
    if report != "recipients":
        page = await caller.get(address, params={"format": "html", "timezone": "Europe/Paris"})
        assert page.text.startswith("<!doctype html>") or "<html" in page.text
    ranged = await caller.get(address, params={"since": "2026-11-29", "until": "2026-11-30"})
    assert ranged.status_code == 200
    assert kind(await caller.get(address, params={"since": "2026-11-30", "until": "2026-11-29"})) == (
        422,
        "usage",
    )


async def test_who_was_not_reached_can_be_loaded_again(world: World) -> None:
    async with world.caller(Scope.MANAGE) as caller:
        address = "/campaigns/running/reports/recipients"
        people = (await caller.get(address, params={"not_reached": "true"})).json()
        assert [each["state"] for each in people] == ["failed"]
        as_csv = (await caller.get(address, params={"not_reached": "true", "format": "csv"})).text
        assert as_csv.splitlines()[1].startswith('"+447700900002"')


async def test_who_may_have_no_list_of_people_gets_a_summary_without_them(world: World) -> None:
    """In no form; one person at a time may be looked at."""
    address, number = "/campaigns/running/reports/summary", "+447700900002"
    async with world.caller(Scope.READ) as caller, world.caller(Scope.MANAGE) as other:
        assert (await other.get(address)).json()["not_reached"]["people"][0]["phone"] == number
        found = (await caller.get(address)).json()
        assert found["not_reached"] == {"listed": 0, "people": [], "withheld": True}
        for form in ("csv", "html"):
            file = {"format": form}
            assert (
                number
                not in (await caller.get(address, params=file)).text.partition("Who was not reached")[2]
            )
        page = (await caller.get(address, params={"format": "html"})).text
        assert "The list is left out" in page
        assert number in (await other.get(address, params={"format": "html"})).text
        assert (await caller.get(f"/campaigns/running/people/{number}")).status_code == 200


async def test_a_key_has_so_many_calls_in_a_minute(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "CALLS", 3)
    async with world.caller(Scope.READ) as caller, world.caller(Scope.READ) as other:
        left = [(await caller.get("/rates")).headers["ratelimit-remaining"] for _ in range(3)]
        assert left == ["2", "1", "0"]
        refused = await caller.get("/rates")
        assert kind(refused) == (429, "too-many")
        assert (refused.headers["retry-after"], refused.headers["ratelimit-remaining"]) == ("60", "0")
        assert (await other.get("/rates")).status_code == 200
        world.clock.time += ABANDONED
        assert (await caller.get("/rates")).status_code == 200


async def test_a_message_of_a_cancelled_run_that_is_pending_still_has_its_story(world: World) -> None:
    async with world.caller(Scope.SEND) as caller:
        await caller.post("/campaigns/running/cancel")
        await caller.post("/campaigns/running/resolve", json={"action": "resend"})
        story = await caller.get("/campaigns/running/people/+447700900001")
        assert (story.status_code, story.json()["state"]) == (200, "pending"), story.text
