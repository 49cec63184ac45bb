"""The emulated Cloud API is strict on what Meta documents, and says what Meta says."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.emulators.conftest import FakeClock
from tests.support.cases import each

NUMBER, SECOND, WABA = "106540352242922", "106540352242923", "102290129340398"
MESSAGES = f"/meta/v24.0/{NUMBER}/messages"
ADA = "+447700900123"
HELLO = {"type": "text", "text": {"body": "Hello"}}
SALE = {
    "name": "spring_sale",
    "language": {"code": "en"},
    "components": [{"type": "body", "parameters": [{"type": "text", "text": "Ada"}]}],
}


async def post(http: httpx.AsyncClient, message: dict[str, Any], path: str = MESSAGES, to: str = ADA) -> Any:
    return await http.post(path, json={"messaging_product": "whatsapp", "to": to, **message})


async def send_template(http: httpx.AsyncClient, template: Any = SALE, to: str = ADA) -> Any:
    return await post(http, {"type": "template", "template": template}, to=to)


async def control(http: httpx.AsyncClient, call: str, **body: Any) -> None:
    answer = await http.post(f"/meta/_control/{call}", json=body)
    assert answer.status_code == 200, answer.text


def code(answer: httpx.Response) -> tuple[int, int]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.fixture
async def open_window(http: httpx.AsyncClient) -> None:
    await control(http, "inbound", **{"from": ADA})


async def test_a_message_is_taken(http: httpx.AsyncClient, open_window: None):
    answer = await post(http, HELLO)
    data = answer.json()
    [message] = data.pop("messages")
    assert answer.status_code == 200
    assert data == {"messaging_product": "whatsapp", "contacts": [{"input": ADA, "wa_id": ADA[1:]}]}
    assert set(message) == {"id"}
    [entry] = (await http.get("/_ledger")).json()["messages"]
    assert (entry["id"], entry["to"], entry["type"], entry["content"], entry["session"]) == (
        message["id"],
        ADA[1:],
        "text",
        "Hello",
        NUMBER,
    )


async def test_a_template_answers_with_its_status(http: httpx.AsyncClient):
    assert (await send_template(http)).json()["messages"][0]["message_status"] == "accepted"
    await control(http, "templates", name="spring_sale", language="en", held=True)
    held = await send_template(http)
    assert held.json()["messages"][0]["message_status"] == "held_for_quality_assessment"


@each(
    ("change", "wanted"),
    [
        ({"messaging_product": "sms"}, (400, 100)),
        ({"messaging_product": None}, (400, 100)),
        ({"recipient_type": "group"}, (400, 100)),
        ({"to": 447700900123}, (400, 100)),
        ({"to": "Ada"}, (400, 100)),
        ({"to": "+447700900970"}, (400, 131021)),
        ({"colour": "red"}, (400, 100)),
        ({"type": "fax"}, (400, 100)),
        ({"text": "Hello"}, (400, 100)),
        ({"text": {"body": ""}}, (400, 100)),
        ({"text": {"body": "a" * 4097}}, (400, 131009)),
        ({"text": {"body": "a", "preview_url": "yes"}}, (400, 100)),
        ({"text": {}}, (400, 131008)),
        ({"biz_opaque_callback_data": "a" * 513}, (400, 131009)),
        ({"context": {"id": "wamid.1"}}, (400, 131008)),
    ],
)
async def test_a_wrong_body_is_refused(
    http: httpx.AsyncClient, open_window: None, change: dict[str, Any], wanted: tuple[int, int]
):
    answer = await http.post(MESSAGES, json={"messaging_product": "whatsapp", "to": ADA, **HELLO, **change})
    assert code(answer) == wanted
    error = answer.json()["error"]
    assert error["message"].startswith(f"(#{wanted[1]}) ")
    assert {"type", "code", "fbtrace_id"} <= set(error)
    assert (await http.get("/_ledger")).json()["count"] == 0


@pytest.mark.parametrize(
    ("method", "path", "headers", "wanted"),
    [
        ("POST", MESSAGES, {"Authorization": "Bearer another"}, (401, 190)),
        ("POST", MESSAGES, {"Authorization": "test-key"}, (401, 190)),
        ("POST", "/meta/v24.0/1/messages", {}, (400, 100)),
        ("POST", f"/meta/latest/{NUMBER}/messages", {}, (400, 2500)),
        ("GET", MESSAGES, {}, (405, 100)),
        ("POST", f"/meta/v24.0/{NUMBER}/message", {}, (404, 100)),
        ("POST", MESSAGES, {"Content-Type": "text/plain"}, (415, 100)),
        ("POST", MESSAGES, {}, (400, 100)),
    ],
)
async def test_a_wrong_request_is_refused(
    http: httpx.AsyncClient, method: str, path: str, headers: dict[str, str], wanted: tuple[int, int]
):
    headers = {"Content-Type": "application/json", **headers}
    assert code(await http.request(method, path, content=b"{", headers=headers)) == wanted


@each(
    ("change", "wanted"),
    [
        ({"name": "unheard_of"}, (404, 132001)),
        ({"language": {"code": "fr"}}, (404, 132001)),
        ({"language": "en"}, (400, 100)),
        ({"components": []}, (400, 132000)),
        (
            {"components": [{"type": "body", "parameters": [{"type": "text", "text": "a"}] * 2}]},
            (400, 132000),
        ),
        (
            {
                "components": [
                    {"type": "body", "parameters": [{"type": "text", "text": "a", "parameter_name": "b"}]}
                ]
            },
            (400, 100),
        ),
        (
            {"components": [{"type": "body", "parameters": [{"type": "image", "image": {}}]}]},
            (400, 132012),
        ),
        (
            {
                "components": [
                    *SALE["components"],
                    {"type": "header", "parameters": [{"type": "text", "text": "a"}]},
                ]
            },
            (400, 132000),
        ),
        (
            {
                "components": [
                    *SALE["components"],
                    {"type": "button", "sub_type": "url", "index": "0", "parameters": []},
                ]
            },
            (400, 132000),
        ),
        ({"components": [{"type": "footer"}]}, (400, 100)),
    ],
)
async def test_a_template_must_fit(http: httpx.AsyncClient, change: dict[str, Any], wanted: tuple[int, int]):
    assert code(await send_template(http, {**SALE, **change})) == wanted


async def test_header_named_parameters_and_buttons_are_checked(http: httpx.AsyncClient):
    def photo(header: Any = "image", index: Any = "1", kind: str = "payload") -> dict[str, Any]:
        body = {"type": "body", "parameters": [{"type": "text", "text": "a"}] * 2}
        head = {
            "type": "header",
            "parameters": [{"type": header, header: {"link": "https://example.com/a.png"}}],
        }
        link = {
            "type": "button",
            "sub_type": "url",
            "index": "0",
            "parameters": [{"type": "text", "text": "a"}],
        }
        reply = {"type": "button", "sub_type": "quick_reply", "index": index}
        reply["parameters"] = [{"type": kind, kind: "yes"}]
        return {
            "name": "spring_photo",
            "language": {"code": "en_US"},
            "components": [head, body, link, reply],
        }

    assert (await send_template(http, photo())).status_code == 200
    without_reply, without_link = photo(), photo()
    without_reply["components"].pop(3)
    without_link["components"].pop(2)
    assert (await send_template(http, without_reply)).status_code == 200
    assert code(await send_template(http, without_link)) == (400, 132000)
    for wrong, wanted in (
        (photo(header="video"), (400, 132012)),
        (photo(index=1), (400, 100)),
        (photo(index="2"), (400, 132000)),
        (photo(kind="text"), (400, 132012)),
    ):
        assert code(await send_template(http, wrong)) == wanted
    wrong_id = photo()
    wrong_id["components"][0]["parameters"][0]["image"] = {"id": "a.png"}
    assert code(await send_template(http, wrong_id)) == (400, 100)
    named = {"type": "text", "parameter_name": "order_id", "text": "7"}
    shipped = {"name": "order_shipped", "language": {"code": "en"}}
    good = {**shipped, "components": [{"type": "body", "parameters": [named]}]}
    assert (await send_template(http, good)).status_code == 200


async def test_a_header_s_text_is_named_where_the_template_names(http: httpx.AsyncClient):
    await control(http, "templates", name="hi", language="en", header="TEXT", parameters=[])
    await control(http, "templates", name="hi", language="fr", header="TEXT")

    def said(language: str, **name: str) -> dict[str, Any]:
        parameter = {"type": "text", "text": "Ada", **name}
        components = [{"type": "header", "parameters": [parameter]}]
        return {"name": "hi", "language": {"code": language}, "components": components}

    assert (await send_template(http, said("en", parameter_name="who"))).status_code == 200
    assert (await send_template(http, said("fr"))).status_code == 200
    assert code(await send_template(http, said("en"))) == (400, 100)
    assert code(await send_template(http, said("fr", parameter_name="who"))) == (400, 100)


async def test_an_upload_is_named_by_its_id(http: httpx.AsyncClient, open_window: None):
    def audio(**medium: Any) -> dict[str, Any]:
        return {"messaging_product": "whatsapp", "to": ADA, "type": "audio", "audio": medium}

    good = audio(id="1013859600285441", voice=True)
    unknown = await http.post(MESSAGES, json=good)
    assert code(unknown) == (400, 100)
    assert "media attachment ID" in unknown.json()["error"]["error_data"]["details"]
    await control(http, "media", id="1013859600285441")
    assert (await http.post(MESSAGES, json=good)).status_code == 200
    for wrong, names in (
        (audio(id="1", link="https://example.com/a.ogg"), "needs one of id and link"),
        (audio(id="a.ogg"), "is not a valid whatsapp business account media attachment ID"),
        (audio(id=7), "audio['id']"),
        (audio(id="1", voice="yes"), "audio['voice']"),
        (audio(id="1", caption="x"), "Unexpected key caption"),
    ):
        answer = await http.post(MESSAGES, json=wrong)
        assert code(answer) == (400, 100)
        assert names in answer.json()["error"]["error_data"]["details"]


async def test_a_file_is_uploaded_by_a_form_for_one_number_and_thirty_days(
    http: httpx.AsyncClient, clock: FakeClock, open_window: None
):
    address, png = MESSAGES.replace("/messages", "/media"), ("a.png", b"x", "image/png")
    for form, file in (
        ({}, png),
        ({"messaging_product": "whatsapp", "type": "image/jpeg"}, png),
        ({"messaging_product": "whatsapp", "colour": "red"}, png),
        ({"messaging_product": "whatsapp"}, ("a.html", b"x", "text/html")),
        ({"messaging_product": "whatsapp"}, ("a.png", bytes(5 << 20) + b"x", "image/png")),
        ({"messaging_product": "whatsapp"}, ("a.png", b"", "image/png")),
    ):
        refused = await http.post(address, data=form, files={"file": file})
        assert refused.status_code == 400, (form, refused.text)
    answer = await http.post(address, data={"messaging_product": "whatsapp"}, files={"file": png})
    message = {"messaging_product": "whatsapp", "to": ADA, "type": "image", "image": answer.json()}
    assert (await http.post(MESSAGES, json=message)).status_code == 200
    assert code(await http.post(MESSAGES.replace(NUMBER, SECOND), json=message)) == (400, 100)
    clock.move(30 * 24 * 3600)
    assert code(await http.post(MESSAGES, json=message)) == (400, 100)


async def test_free_form_needs_an_open_window(http: httpx.AsyncClient, clock: FakeClock):
    assert code(await post(http, HELLO)) == (400, 131047)
    await control(http, "inbound", **{"from": ADA})
    assert (await post(http, HELLO)).status_code == 200
    second = MESSAGES.replace(NUMBER, SECOND)
    assert code(await post(http, HELLO, second)) == (400, 131047)
    clock.move(24 * 3600)
    assert code(await post(http, HELLO)) == (400, 131047)
    assert (await send_template(http)).status_code == 200


async def test_who_stopped_marketing_gets_none(http: httpx.AsyncClient):
    await control(http, "preference", **{"from": ADA, "value": "stop"})
    assert code(await send_template(http)) == (400, 131050)
    order = {**SALE, "name": "order_confirmation"}
    assert (await send_template(http, order)).status_code == 200
    await control(http, "preference", **{"from": ADA, "value": "resume"})
    assert (await send_template(http)).status_code == 200


async def test_a_person_is_not_flooded(http: httpx.AsyncClient, clock: FakeClock):
    answers = [await send_template(http) for _ in range(46)]
    assert [answer.status_code for answer in answers] == [200] * 45 + [400]
    assert code(answers[-1]) == (400, 131056)
    assert (await send_template(http, to="+447700900124")).status_code == 200
    clock.move(6)
    assert (await send_template(http)).status_code == 200
    assert code(await send_template(http)) == (400, 131056)


@pytest.mark.parametrize(("status", "wanted"), [("PAUSED", 132015), ("DISABLED", 132016)])
async def test_a_template_is_stopped(http: httpx.AsyncClient, status: str, wanted: int):
    await control(http, "templates", name="spring_sale", language="en", status=status)
    assert code(await send_template(http)) == (400, wanted)
    listed = (await http.get(f"/meta/v24.0/{WABA}/message_templates")).json()["data"]
    assert {each["name"]: each["status"] for each in listed}["spring_sale"] == status
    await control(http, "templates", name="spring_sale", language="en", status="APPROVED")
    assert (await send_template(http)).status_code == 200


@pytest.mark.parametrize("text", ["Ada\nBell", "Ada\tBell", "Ada\rBell", "Ada     Bell"])
async def test_a_parameter_with_a_line_break_or_many_spaces_is_refused(http: httpx.AsyncClient, text: str):
    body = {"type": "body", "parameters": [{"type": "text", "text": text}]}
    assert code(await send_template(http, {**SALE, "components": [body]})) == (400, 132018)
    body["parameters"] = [{"type": "text", "text": "Ada    Bell"}]
    assert (await send_template(http, {**SALE, "components": [body]})).status_code == 200


@pytest.mark.parametrize("status", ["ARCHIVED", "IN_APPEAL", "PENDING_DELETION", "REJECTED"])
async def test_a_template_that_is_not_approved_is_not_there(http: httpx.AsyncClient, status: str):
    await control(http, "templates", name="spring_sale", language="en", status=status)
    assert code(await send_template(http)) == (404, 132001)


async def test_an_announced_category_and_a_flag_change_nothing_yet(http: httpx.AsyncClient):
    await control(http, "templates", name="spring_sale", language="en", correct_category="UTILITY")
    await control(http, "templates", name="spring_sale", language="en", event="FLAGGED")
    listed = (await http.get(f"/meta/v24.0/{WABA}/message_templates", params={"name": "spring_sale"})).json()
    assert [(each["status"], each["category"]) for each in listed["data"]] == [("APPROVED", "MARKETING")]
    assert (await send_template(http)).status_code == 200


@pytest.mark.parametrize(
    ("stop", "back", "wanted"),
    [
        ({"event": "ACCOUNT_OFFBOARDED"}, {"event": "ACCOUNT_RECONNECTED"}, (400, 133010)),
        ({"event": "PARTNER_REMOVED"}, {"event": "PARTNER_ADDED"}, (403, 200)),
        (
            {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}},
            {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}},
            (403, 131031),
        ),
    ],
)
async def test_a_stopped_account_sends_nothing_until_it_is_back(
    http: httpx.AsyncClient, stop: dict[str, Any], back: dict[str, Any], wanted: tuple[int, int]
):
    await control(http, "account", **stop)
    assert code(await send_template(http)) == wanted
    await control(
        http, "account", event="DISABLED_UPDATE", ban_info={"waba_ban_state": "SCHEDULE_FOR_DISABLE"}
    )
    assert code(await send_template(http)) == wanted
    await control(http, "account", **back)
    assert (await send_template(http)).status_code == 200


async def test_a_restriction_refuses_what_it_is_about_until_its_end(
    http: httpx.AsyncClient, clock: FakeClock, open_window: None
):
    def restrict(kind: str) -> dict[str, Any]:
        until = int(clock()) + 60
        return {
            "event": "ACCOUNT_RESTRICTION",
            "restriction_info": [{"restriction_type": kind, "expiration": until}],
        }

    await control(http, "account", **restrict("RESTRICTED_USER_INITIATED_CALLING_CALL_BUTTON_HIDDEN"))
    assert (await send_template(http)).status_code == 200
    await control(http, "account", **restrict("RESTRICTED_BIZ_INITIATED_MESSAGING"))
    assert code(await send_template(http)) == (403, 368)
    assert (await post(http, HELLO)).status_code == 200
    clock.move(60)
    assert (await send_template(http)).status_code == 200


async def test_a_template_is_approved(http: httpx.AsyncClient):
    new = {**SALE, "name": "autumn_sale"}
    assert code(await send_template(http, new)) == (404, 132001)
    await control(http, "templates", name="autumn_sale", language="en", parameters=1, category="UTILITY")
    assert (await send_template(http, new)).status_code == 200


async def test_a_number_shows_its_fields_and_its_limit(http: httpx.AsyncClient):
    path = f"/meta/v24.0/{NUMBER}"
    default = (await http.get(path)).json()
    assert default == {
        "verified_name": "Shop",
        "display_phone_number": "+447700900970",
        "quality_rating": "GREEN",
        "id": NUMBER,
    }
    fields = {"fields": "whatsapp_business_manager_messaging_limit,status"}
    asked = (await http.get(path, params=fields)).json()
    assert asked == {
        "whatsapp_business_manager_messaging_limit": "TIER_UNLIMITED",
        "status": "CONNECTED",
        "id": NUMBER,
    }
    await control(http, "number", status="BANNED", limit="TIER_2K")
    asked = (await http.get(path, params=fields)).json()
    assert (asked["status"], asked["whatsapp_business_manager_messaging_limit"]) == ("BANNED", "TIER_2K")
    assert code(await send_template(http)) == (400, 133010)
    assert code(await http.get(path, params={"fields": "colour"})) == (400, 100)


async def test_any_refusal_can_be_asked_for(http: httpx.AsyncClient):
    await control(http, "refuse", code=130429, times=2)
    assert [(await send_template(http)).status_code for _ in range(3)] == [400, 400, 200]
    await control(http, "refuse", code=131031)
    assert code(await send_template(http)) == (403, 131031)
    await control(http, "refuse", code=None)
    assert (await send_template(http)).status_code == 200


async def test_magic_numbers_and_late_refusals(http: httpx.AsyncClient):
    nobody = "+447700900908"
    assert code(await send_template(http, to=nobody)) == (400, 131026)
    await control(http, "late", late=True)
    assert (await send_template(http, to=nobody)).status_code == 200
    assert (await post(http, HELLO)).status_code == 200
    entries = (await http.get("/_ledger")).json()["messages"]
    assert [entry["outcome"] for entry in entries] == ["failed_131026", "failed_131047"]


@each(
    ("name", "body"),
    [
        ("inbound", {"from": "Ada"}),
        ("inbound", {"from": ADA, "to": "1"}),
        ("preference", {"from": ADA, "value": "maybe"}),
        ("account", {"event": "SOMETHING"}),
        ("account", {"event": "DISABLED_UPDATE"}),
        ("account", {"event": "ACCOUNT_RESTRICTION", "restriction_info": [{"restriction_type": "X"}]}),
        ("templates", {"name": "a", "correct_category": "SERVICE"}),
        ("templates", {"name": "a", "event": "GONE"}),
        ("templates", {"name": "a", "colour": "red"}),
        ("templates", {"name": "a", "status": "GONE"}),
        ("templates", {"name": "a", "buttons": ["fax"]}),
        ("number", {"status": "TIRED"}),
        ("refuse", {"code": 7}),
        ("late", []),
        ("webhook", {"url": "ftp://example.com"}),
    ],
)
async def test_the_control_plane_says_what_it_wants(http: httpx.AsyncClient, name: str, body: Any):
    assert (await http.post(f"/meta/_control/{name}", json=body)).status_code == 422


async def test_a_reset_forgets(http: httpx.AsyncClient, open_window: None):
    assert (await post(http, HELLO)).status_code == 200
    await http.post("/_reset")
    assert code(await post(http, HELLO)) == (400, 131047)


LISTED = f"/meta/v24.0/{WABA}/message_templates"


async def test_the_list_of_templates_is_paged_by_cursor(http: httpx.AsyncClient):
    names, query = [], {"limit": "4", "fields": "name"}
    while True:
        page = (await http.get(LISTED, params=query)).json()
        names += [each["name"] for each in page["data"]]
        assert all(each.keys() == {"name", "id"} for each in page["data"])
        if "next" not in page["paging"]:
            break
        query["after"] = page["paging"]["cursors"]["after"]
    assert names == [
        "hello_world",
        "spring_sale",
        "order_confirmation",
        "order_shipped",
        "spring_photo",
        "store_map",
    ]
    last = (await http.get(LISTED, params={"after": page["paging"]["cursors"]["after"]})).json()
    assert last == {"data": []}


async def test_a_template_is_listed_with_its_components(http: httpx.AsyncClient):
    [photo] = (await http.get(LISTED, params={"name": "spring_photo"})).json()["data"]
    kinds = [each["type"] for each in photo["components"]]
    assert (kinds, photo["components"][0]["format"]) == (["HEADER", "BODY", "BUTTONS"], "IMAGE")
    [named] = (await http.get(LISTED, params={"name": "order_shipped"})).json()["data"]
    assert (named["parameter_format"], named["components"][0]["text"]) == ("NAMED", "Hello {{order_id}}!")
    await control(http, "templates", name="spring_sale", language="en", category="UTILITY")
    [sale] = (await http.get(LISTED, params={"name": "spring_sale"})).json()["data"]
    assert (sale["category"], sale["previous_category"]) == ("UTILITY", "MARKETING")


@pytest.mark.parametrize(
    "query", [{"fields": "name,colour"}, {"limit": "0"}, {"limit": "1001"}, {"after": "x"}, {"page": "2"}]
)
async def test_the_list_of_templates_is_asked_for_strictly(http: httpx.AsyncClient, query: dict[str, str]):
    assert code(await http.get(LISTED, params=query)) == (400, 100)


async def test_the_list_of_templates_needs_a_permission(http: httpx.AsyncClient):
    assert code(await http.get("/meta/v24.0/1/message_templates")) == (400, 100)
    await control(http, "permission", templates=False)
    assert code(await http.get(LISTED)) == (403, 200)
    await control(http, "permission", templates=True)
    assert (await http.get(LISTED)).status_code == 200
