"""Templates from the emulator's list to the commands: fetched, shown, and compared with a campaign before it is loaded,
approved or started; without a list everything goes on."""

from __future__ import annotations

import asyncio
import csv
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulators.app import create_app
from emulators.settings import Settings
from scheduler.sending import lanes
from tests.support.cases import each_once
from tests.support.project import Done, invoke

ACCOUNTS = {
    "meta": 'base_url = "http://emulator/meta/v24.0"\nbusiness_account_id = "102290129340398"\n'
    '[[providers.shop.senders]]\nname = "one"\nphone_number_id = "106540352242922"\n',
    "kapso": 'base_url = "http://emulator/kapso/meta/whatsapp/v24.0"\nbusiness_account_id = "215589313241560"\n'
    '[[providers.shop.senders]]\nname = "one"\nphone_number_id = "123456789012345"\n',
}
HEAD = 'name = "spring"\nprovider = "shop"\nsenders = ["one"]\n'
LIST = '[audience]\ncsv = "people.csv"\nmax_reject_percent = 100\n'
SALE = '[content.template]\nname = "spring_sale"\nlanguage = "en"\nparameters = ["{{ first_name }}"]\n'
FITS = HEAD + LIST + SALE


class Desk:
    """A project whose account is at an emulator in this process."""

    def __init__(self, folder: Path, provider: str) -> None:
        self.folder, self.provider = folder, provider
        self.app: httpx.AsyncBaseTransport = httpx.ASGITransport(create_app(Settings()))
        self.asked = 0
        self.online = True
        settings = f'[database]\nurl = "sqlite:///drumbeat.db"\n[providers.shop]\nadapter = "{provider}"\n'
        (folder / "drumbeat.toml").write_text(f'{settings}api_key = "env:KEY"\n{ACCOUNTS[provider]}')
        (folder / "people.csv").write_text("phone,first_name\n+447700900010,Ada\n+447700900011,Bo\n")

    async def handle(self, request: httpx.Request) -> httpx.Response:
        if not self.online:
            raise httpx.ConnectError("no network")
        self.asked += request.url.path.endswith("/message_templates")
        return await self.app.handle_async_request(request)

    def __call__(self, *arguments: str, campaign: str = FITS) -> Done:
        (self.folder / "spring.toml").write_text(campaign)
        return invoke(self.folder, *arguments, KEY="test-key")

    def check(self, campaign: str = FITS) -> Done:
        return self("campaign", "check", "spring.toml", "--json", campaign=campaign)

    def put(self, **values: Any) -> None:
        self.control("templates", values)

    def control(self, name: str, body: Any) -> None:
        async def post() -> httpx.Response:
            async with httpx.AsyncClient(transport=self.app, base_url="http://emulator") as client:
                return await client.post(f"/{self.provider}/_control/{name}", json=body)

        answer = asyncio.run(post())
        assert answer.status_code == 200, answer.text


PROVIDERS = ("meta", "kapso")


@pytest.fixture(params=["meta", pytest.param("kapso", marks=pytest.mark.large)])
def desk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = Desk(tmp_path, request.param)
    transport = httpx.MockTransport(made.handle)
    monkeypatch.setattr(lanes, "open_account", partial(lanes.open_account, transport=transport))
    return made


@pytest.fixture
def meta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = Desk(tmp_path, "meta")
    transport = httpx.MockTransport(made.handle)
    monkeypatch.setattr(lanes, "open_account", partial(lanes.open_account, transport=transport))
    return made


@pytest.mark.parametrize("desk", PROVIDERS, indirect=True)
def test_a_campaign_that_fits_shows_the_real_text(desk: Desk) -> None:
    done = desk.check()
    assert done.code == 0, done
    assert done.json["templates"]["checked"] is True
    wanted = "Hello Ada, the spring sale is on: 20% off everything."
    assert done.json["preview"][0]["template_text"] == wanted
    shown = desk("campaign", "check", "spring.toml")
    assert f"  template spring_sale (en)\n    {wanted}\n" in shown.out
    assert "templates      fit the account's list of " in shown.out
    assert not (desk.folder / "drumbeat.db").exists()
    assert desk("campaign", "load", "spring.toml").code == 0
    assert wanted in desk("campaign", "preview", "spring").out


@pytest.mark.parametrize(
    ("campaign", "line", "key", "text"),
    [
        (
            HEAD + LIST + SALE.replace('["{{ first_name }}"]', "[]"),
            10,
            "content.template.parameters",
            "needs 1 value",
        ),
        (FITS.replace("spring_sale", "spring_sole"), 8, "content.template.name", "Did you mean spring_sale?"),
        (FITS.replace('"en"', '"fr"'), 9, "content.template.language", "only in en"),
        (HEAD + 'category = "utility"\n' + LIST + SALE, 4, "category", "spring_sale (en) is marketing"),
        (FITS + 'header = { text = "a" }\n', 11, "content.template.header", "takes nothing"),
        (
            FITS + '[[content.template.buttons]]\nindex = 0\ntype = "url"\nparameter = "a"\n',
            12,
            "content.template.buttons[0].index",
            "has 0 buttons",
        ),
    ],
)
def test_a_campaign_that_does_not_fit_is_stopped_at_its_key(
    desk: Desk, campaign: str, line: int, key: str, text: str
) -> None:
    for command in ("check", "load"):
        done = desk("campaign", command, "spring.toml", campaign=campaign)
        assert done.code == 5, done
        assert f"spring.toml, line {line}: {key}: " in done.err
        assert text in done.err
    assert desk("campaign", "list", "--json").json in ([], {"campaigns": []})


def test_a_test_message_of_a_template_that_does_not_fit_is_not_sent(desk: Desk) -> None:
    assert desk("campaign", "load", "spring.toml").code == 0
    desk.put(name="spring_sale", language="en", parameters=2, text="Hello {{1}} of {{2}}")
    assert desk("template", "sync", "shop").code == 0
    done = desk("campaign", "test", "spring", "--to", "+447700900500")
    assert (done.code, "content.template.parameters: there are 1" in done.err) == (5, True), done


def test_a_preview_without_the_list_says_so(desk: Desk) -> None:
    desk.online = False
    assert desk("campaign", "load", "spring.toml").code == 0
    shown = desk("campaign", "preview", "spring")
    assert "The text of spring_sale is not known: the account's templates have not been read." in shown.out
    assert "The provider cannot be reached" in shown.out
    assert "1: Ada" in shown.out
    told = desk("campaign", "preview", "spring", "--json").json["templates_not_shown"]
    assert told.startswith("The text of spring_sale is not known")
    desk.online = True
    assert desk("template", "sync", "shop").code == 0
    done = desk("campaign", "preview", "spring", "--json").json
    assert done["templates_not_shown"] is None
    assert done["messages"][0]["template_text"].startswith("Hello Ada, the spring sale is on")


def test_every_mismatch_is_named_at_once(desk: Desk) -> None:
    done = desk.check(
        HEAD + 'category = "utility"\n' + LIST + SALE.replace('["{{ first_name }}"]', "{ a = 'b' }")
    )
    assert (done.code, done.err.count("spring.toml, line ")) == (5, 2), done
    assert "drumbeat template list shop" in done.err


@pytest.mark.parametrize(
    ("desk", "status"),
    each_once(PROVIDERS, ["PAUSED", "REJECTED", "DISABLED", "PENDING"]),
    indirect=["desk"],
)
def test_a_template_that_is_not_approved_stops_check_load_approve_and_start(desk: Desk, status: str) -> None:
    assert desk("campaign", "load", "spring.toml").code == 0
    desk.put(name="spring_sale", language="en", status=status)
    assert desk("template", "sync", "shop").code == 0
    for arguments in (
        ("check", "spring.toml"),
        ("load", "spring.toml"),
        ("approve", "spring", "--by", "ada"),
        ("start", "spring"),
    ):
        done = desk("campaign", *arguments)
        assert (done.code, f"its status is {status}" in done.err) == (5, True), done
    assert desk("campaign", "show", "spring", "--json").json["state"] == "draft"
    desk.put(name="spring_sale", language="en", status="APPROVED")
    assert desk("template", "sync", "shop").code == 0
    assert desk("campaign", "approve", "spring", "--by", "ada").code == 0
    assert desk("campaign", "start", "spring").code == 0


def test_a_category_that_the_provider_changed_stops_the_campaign(desk: Desk) -> None:
    desk.put(name="spring_sale", language="en", category="UTILITY")
    done = desk.check()
    assert (done.code, 'Write category = "utility"' in done.err) == (5, True), done
    assert desk("template", "sync", "shop").code == 0
    shown = desk("template", "show", "shop", "spring_sale", "en", "--json").json
    assert (shown["category"], shown["previous_category"]) == ("utility", "marketing")


AUTO = FITS.replace("[audience]", 'category = "auto"\n[audience]')


def test_a_campaign_may_take_its_category_from_the_template(desk: Desk) -> None:
    for category in ("MARKETING", "UTILITY"):
        desk.put(name="spring_sale", language="en", category=category)
        assert desk("template", "sync", "shop").code == 0
        done = desk.check(AUTO)
        assert (done.code, done.json["categories"]) == (0, [category.lower()]), done
        shown = desk("campaign", "check", "spring.toml", campaign=AUTO)
        assert f"category       {category.lower()}, as the template now has" in shown.out
    assert desk("campaign", "load", "spring.toml", campaign=AUTO).code == 0
    [listed] = desk("campaign", "list", "--json").json
    assert listed["category"] == "auto"
    assert desk("campaign", "start", "spring").code == 0


def test_a_category_that_cannot_be_taken_from_the_template_is_marketing_or_an_error(desk: Desk) -> None:
    desk.online = False
    done = desk.check(AUTO)
    assert (done.code, done.json["categories"]) == (0, ["marketing"]), done
    file = desk.folder / "drumbeat.toml"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(line for line in lines if "business_account_id" not in line) + "\n")
    done = desk.check(AUTO)
    assert (done.code, 'spring.toml, line 4: category: category = "auto" needs the account' in done.err) == (
        5,
        True,
    ), done


def test_rows_that_the_template_has_no_room_for_are_rejected_by_the_parameters_name(desk: Desk) -> None:
    desk.put(name="named", language="en", parameters=["who"], header="TEXT")
    names = [
        ("phone", "first_name", "town"),
        ("+447700900010", "Ada", "x" * 61),
        ("+447700900011", "Bo", "Ghent"),
    ]
    with (desk.folder / "people.csv").open("w", newline="") as file:
        csv.writer(file).writerows(names)
    template = (
        '[content.template]\nname = "named"\nlanguage = "en"\nparameters = { who = "{{ first_name }}" }\n'
    )
    done = desk.check(f'{HEAD}{LIST}{template}header = {{ name = "title", text = "{{{{ town }}}}" }}\n')
    assert (done.code, done.json["reasons"]) == (3, {"not_sendable": 1}), done
    with (desk.folder / "spring.people.rejects.csv").open(encoding="utf-8-sig", newline="") as file:
        [row] = csv.DictReader(file)
    assert row["drumbeat_reason"].startswith(
        "content.template.header.text has 61 characters; the limit of named"
    )


def test_the_other_spelling_of_a_language_is_the_same_and_is_sent_as_the_provider_writes_it(
    desk: Desk,
) -> None:
    desk.put(name="spring_sale", language="en_US", parameters=1)
    assert desk.check(FITS.replace('"en"', '"en-US"')).code == 0


def test_a_list_that_was_read_minutes_ago_is_not_asked_for_again(desk: Desk) -> None:
    assert desk("template", "sync", "shop").code == 0
    before = desk.asked
    assert desk.check().code == 0
    assert desk("campaign", "load", "spring.toml").code == 0
    assert desk.asked == before


@pytest.mark.parametrize("desk", PROVIDERS, indirect=True)
def test_without_network_it_is_as_before_and_says_so(desk: Desk) -> None:
    desk.online = False
    wrong = FITS.replace("spring_sale", "spring_sole")
    done = desk.check(wrong)
    assert (done.code, done.json["templates"]["checked"]) == (0, False), done
    assert "cannot be reached" in done.json["templates"]["problem"]
    loaded = desk("campaign", "load", "spring.toml", campaign=wrong)
    assert (loaded.code, "not checked: The provider cannot be reached" in loaded.out) == (
        0,
        True,
    ), loaded
    listed = desk("template", "list", "shop")
    assert "The provider cannot be reached" in listed.out
    failed = desk("template", "sync", "shop")
    assert failed.code == 1


def test_without_permission_it_is_as_before_and_says_so(meta: Desk) -> None:
    meta.control("permission", {"templates": False})
    done = meta.check(FITS.replace("spring_sale", "spring_sole"))
    assert (done.code, "whatsapp_business_management" in done.json["templates"]["problem"]) == (0, True), done
    assert meta("template", "sync", "shop").code == 4


def test_an_account_without_the_key_says_so(meta: Desk) -> None:
    file = meta.folder / "drumbeat.toml"
    file.write_text(file.read_text().replace('business_account_id = "102290129340398"\n', ""))
    done = meta("campaign", "check", "spring.toml")
    assert (done.code, "not checked: business_account_id" in done.out, meta.asked) == (0, True, 0), done
    assert meta("template", "sync", "shop").code == 2


def test_the_commands_fit_a_terminal_of_80_columns(desk: Desk) -> None:
    desk.put(
        name="order_update_of_some_length",
        language="pt_BR",
        category="UTILITY",
        parameters=3,
        status="PAUSED",
    )
    done = desk("template", "sync", "shop")
    assert done.out == "shop has 7 templates; 6 of them approved.\n"
    listed = desk("template", "list")
    assert max(map(len, listed.out.splitlines())) <= 80, listed.out
    assert "spring_photo" in listed.out
    [account] = desk("template", "list", "shop", "--json").json
    assert account["templates"][0]["name"] == "hello_world"
    shown = desk("template", "show", "shop", "spring_photo")
    assert "parameters  header.image, parameters[0], parameters[1], buttons index 0" in shown.out, shown.out
    assert "[ Visit the shop ]  https://shop.example/{{1}}" in shown.out
    for arguments in (("show", "shop", "gone"), ("show", "shop", "spring_sale", "fr"), ("sync", "x")):
        assert desk("template", *arguments).code == 7, arguments


def test_a_variant_is_named_and_its_own_line(desk: Desk) -> None:
    template = '[variants.content.template]\nname = "{}"\nlanguage = "en"\nparameters = ["a"]\n'
    variants = "".join(
        f'[[variants]]\nname = "{name}"\nshare = 50\n{template.format(used)}'
        for name, used in (("a", "spring_sale"), ("b", "spring_sole"))
    )
    done = desk.check(f"{HEAD}{LIST}[content]\npreview_url = false\n{variants}")
    assert done.code == 5, done
    assert "spring.toml, line 20: variant b, content.template.name: the account has no template" in done.err


def test_a_missing_key_of_the_account_is_no_reason_to_stop(desk: Desk) -> None:
    (desk.folder / "spring.toml").write_text(FITS)
    done = invoke(desk.folder, "campaign", "check", "spring.toml", "--json", KEY="")
    assert (done.code, "env:KEY" in done.json["templates"]["problem"]) == (0, True), done
