"""The message step: each type of each provider by the form, as the same campaign file written by hand; nothing that a
file holds is lost; and no text becomes anything but text."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.actions.drafts.drafts import create_draft, open_draft, save_text
from app.actions.provider_checks import check_provider
from app.wiring.rights import Role
from app.wiring.settings import Settings
from campaigns.message.content import MessageType
from campaigns.message.provider_templates import ButtonPart, HeaderPart, ProviderTemplate, TemplateParts
from campaigns.spec.campaign_spec import load_spec
from campaigns.time.clock import utc_now
from emulators.app import create_app
from providers.registry import ADAPTERS, adapter_class
from scheduler.sending import lanes
from storage.audience.templates import store_templates
from storage.database.engine import writing
from tests.support.accounts import KEYS, account_at
from tests.support.forms import fields_of
from tests.support.pages import Browser, log_in_as
from web.pages.message.form import SHOWN

PAGE = "/campaigns/drafts/spring/message"
PICTURE = "https://files.example/{{ code }}.png"
FORMS: dict[MessageType, tuple[dict[str, str], str]] = {
    MessageType.TEXT: (
        {"content.text": "Hi {{ first_name }}\r\n*you*"},
        'text = "Hi {{ first_name }}\\n*you*"',
    ),
    MessageType.IMAGE: (
        {"content.images[0].url": PICTURE, "content.text": "Look"},
        f'text = "Look"\nimages = [{{ url = "{PICTURE}" }}]',
    ),
    MessageType.VIDEO: ({"content.video.url": PICTURE}, f'video = {{ url = "{PICTURE}" }}'),
    MessageType.DOCUMENT: (
        {"content.document.url": PICTURE, "content.document.filename": "{{ code }}.pdf"},
        f'document = {{ url = "{PICTURE}", filename = "{{{{ code }}}}.pdf" }}',
    ),
    MessageType.AUDIO: ({"content.audio.url": PICTURE}, f'audio = {{ url = "{PICTURE}" }}'),
    MessageType.STICKER: ({"content.sticker.url": PICTURE}, f'sticker = {{ url = "{PICTURE}" }}'),
    MessageType.FILES: (
        {"content.files[0].url": PICTURE, "content.files[0].content_type": "image/png",
         "content.files[1].url": "https://files.example/a.pdf", "content.files[1].content_type": "application/pdf",
         "content.text": "Two"},
        f'text = "Two"\nfiles = [{{ url = "{PICTURE}", content_type = "image/png" }}, '
        '{ url = "https://files.example/a.pdf", content_type = "application/pdf" }]',
    ),
    MessageType.LOCATION: (
        {"content.location.latitude": "6.3703", "content.location.longitude": "{{ code }}",
         "content.location.name": "Shop"},
        'location = { latitude = 6.3703, longitude = "{{ code }}", name = "Shop" }',
    ),
    MessageType.CONTACTS: (
        {"content.contacts[0].formatted_name": "Ana Silva", "content.contacts[0].first_name": "Ana",
         "content.contacts[0].phone": "+22997000000", "content.contacts[0].phone_type": "WORK",
         "content.contacts[0].email": "ana@example.com"},
        'contacts = [{ formatted_name = "Ana Silva", first_name = "Ana", '
        'phones = [{ phone = "+22997000000", type = "WORK" }], emails = [{ email = "ana@example.com" }] }]',
    ),
    MessageType.REACTION: (
        {"content.reaction.message_id": "{{ code }}", "content.reaction.emoji": "👍"},
        'reaction = { message_id = "{{ code }}", emoji = "👍" }',
    ),
    MessageType.LIST: (
        {"content.text": "When?", "content.list.button": "Times",
         "content.list.row[0].section": "Today", "content.list.row[0].title": "Noon", "content.list.row[0].id": "a",
         "content.list.row[1].section": "Today", "content.list.row[1].title": "Night",
         "content.list.row[1].description": "after 8",
         "content.list.row[2].section": "Then", "content.list.row[2].title": "Never"},
        'text = "When?"\n[content.list]\nbutton = "Times"\nsections = [\n'
        '{ title = "Today", rows = [{ id = "a", title = "Noon" }, '
        '{ id = "Night", title = "Night", description = "after 8" }] },\n'
        '{ title = "Then", rows = [{ id = "Never", title = "Never" }] }]',
    ),
    MessageType.LOCATION_REQUEST: ({"content.text": "Where?"}, 'text = "Where?"\nlocation_request = true'),
    MessageType.FLOW: (
        {"content.text": "Book", "content.header": "Top", "content.footer": "Bottom", "content.flow.button": "Go",
         "content.flow.id": "12", "content.flow.screen": "START", "content.flow.token": "{{ code }}",
         "content.flow.data[0].name": "who", "content.flow.data[0].text": "{{ first_name }}",
         "content.flow.draft": "on"},
        'text = "Book"\nheader = "Top"\nfooter = "Bottom"\nflow = { button = "Go", id = "12", screen = "START", '
        'token = "{{ code }}", data = { who = "{{ first_name }}" }, draft = true }',
    ),
    MessageType.PRODUCT: (
        {"content.text": "Look", "content.product.catalog_id": "7", "content.product.id": "{{ code }}"},
        'text = "Look"\nproduct = { catalog_id = "7", id = "{{ code }}" }',
    ),
    MessageType.PRODUCTS: (
        {"content.text": "Look", "content.products.catalog_id": "7", "content.products.title": "New",
         "content.products.section[0].title": "A", "content.products.section[0].products": "a1, {{ code }}",
         "content.products.section[1].title": "B", "content.products.section[1].products": "b1"},
        'text = "Look"\n[content.products]\ncatalog_id = "7"\ntitle = "New"\nsections = ['
        '{ title = "A", products = ["a1", "{{ code }}"] }, { title = "B", products = ["b1"] }]',
    ),
    MessageType.CATALOG: (
        {"content.text": "All", "content.catalog.thumbnail": ""}, 'text = "All"\ncatalog = {}'
    ),
    MessageType.TEMPLATE: (
        {"content.template.name": "spring_sale", "content.template.language": "en",
         "parameter[0].text": "{{ first_name }}"},
        '[content.template]\nname = "spring_sale"\nparameters = ["{{ first_name }}"]',
    ),
}  # fmt: skip
OTHERWISE: dict[str, dict[MessageType, tuple[dict[str, str], str]]] = {
    "bird": {MessageType.TEMPLATE: (
        {"parameter[0].name": "who", "content.template.project_id": "p1", "content.template.version": "v1"},
        '[content.template]\nname = "spring_sale"\nparameters = { who = "{{ first_name }}" }\n'
        'project_id = "p1"\nversion = "v1"',
    )},
    "messaging_api": {MessageType.TEMPLATE: (
        {"parameter[0].name": "who", "content.template.customer_name": "{{ first_name }}"},
        '[content.template]\nname = "spring_sale"\nparameters = { who = "{{ first_name }}" }\n'
        'customer_name = "{{ first_name }}"',
    )},
    "voicebip": {MessageType.DOCUMENT: (
        {"content.document.filename": ""}, f'document = {{ url = "{PICTURE}" }}'
    )},
}  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path, sqlite_url: str) -> Settings:
    accounts = {name: account_at(name, tmp_path / f"{name}.key") for name in KEYS}
    return Settings(sqlite_url, accounts, path=tmp_path / "drumbeat.toml")


@pytest.fixture
async def editor(sqlite_engine: AsyncEngine, settings: Settings) -> AsyncIterator[Browser]:
    async with Browser(sqlite_engine, settings) as browser:
        await log_in_as(browser, sqlite_engine, Role.EDITOR)
        yield browser


async def form_with(browser: Browser, changes: dict[str, str], page: str = PAGE) -> dict[str, str]:
    """The page's form, filled in; every field that is filled in is one of the page's."""
    shown = await browser.get(page)
    assert shown.status_code == 200, shown.text
    fields = fields_of(shown.text)
    for name in changes:
        assert name in fields or f'name="{html.escape(name)}"' in shown.text, f"{name} is not on the page"
    return {**fields, **changes}


@pytest.mark.parametrize("provider", ADAPTERS)
async def test_each_type_by_the_form_is_the_file_written_by_hand(
    editor: Browser, settings: Settings, tmp_path: Path, provider: str
) -> None:
    empty = f'# mine\nname = "spring"\nprovider = "{provider}"\n'
    draft = await create_draft(settings, "spring", empty)
    head = f'name = "spring"\nprovider = "{provider}"\nsenders = ["one"]\ncategory = "utility"\n'
    by_hand = tmp_path / "hand.toml"
    types = adapter_class(provider).capabilities.types
    for kind in (each for each in MessageType if each in SHOWN & types):
        fields, content = FORMS[kind]
        more, content = OTHERWISE.get(provider, {}).get(kind, ({}, content))
        by_hand.write_text(f"{head}[content]\n{content}\n")
        draft.path.write_text(empty)
        filled = {f"sender:{provider}/one": "on", "category": "utility", "kind": kind.value, **fields, **more}
        answer = await editor.post(PAGE, await form_with(editor, filled))
        assert answer.status_code == 303, (kind, re.findall(r'class="problem"[^>]*>([^<]+)', answer.text))
        saved = load_spec(draft.path)
        assert saved == load_spec(by_hand), kind
        assert draft.path.read_text().startswith("# mine\n")
        check_provider(settings, saved)  # what a load by the command line asks of a provider


KEPT = {
    "everything": """\
name = "spring"
provider = "meta"
senders = ["one", "two"]  # both
[content]
text = '''Hi {{ first_name | upper }}
{% if code %}code {{ code }}{% endif %}  '''
reply_to = "{{ wamid }}"
preview_url = false
prefer = "cheapest"
header = "Top"
footer = "Bottom"
buttons = [
  { type = "reply", text = "Yes", id = "yes" },  # the first
  { type = "postback", text = "More", payload = "more" },
]
[content.defaults]
first_name = "you"
code = ""
[content.template]
name = "spring_sale"
language = "pt_BR"
parameters = { first = "{{ first_name }}", second = "x" }
header = { document = { url = "https://x.example/a.pdf", filename = "a.pdf", content_type = "application/pdf" } }
buttons = [{ index = 1, type = "quick_reply", parameter = "yes" }]
""",
    "a key in place of a name": 'name = "spring"\nprovider = "messaging_api"\nsenders = ["one"]\n'
    '[content.template]\nkey = "sale"\nparameters = ["{{ a }}", "", "{{ b }}"]\ncustomer_name = "x"\n',
    "media with captions": 'name = "spring"\nprovider = "bird"\nsenders = ["one"]\n'
    '[content]\nfiles = [{ url = "https://x.example/a", caption = "c" }, { url = "https://x.example/b" }]\n',
    "a voice message": 'name = "spring"\nprovider = "meta"\nsenders = ["one"]\n'
    '[content]\naudio = { id = "77", voice = true }\n',
    "a caption of its own": 'name = "spring"\nprovider = "meta"\nsenders = ["one"]\n'
    '[content]\ndocument = { url = "https://x.example/a", caption = "c", filename = "a" }\n',
    "cards": 'name = "spring"\nprovider = "meta"\nsenders = ["one"]\n[content]\ncontacts = [{ formatted_name = "A",'
    ' phones = [{ phone = "+1" }, { phone = "+2", type = "HOME" }],'
    ' emails = [{ email = "a@b" }, { email = "c@d" }] }]\n',
    "a list": 'name = "spring"\nprovider = "meta"\nsenders = ["one"]\n[content]\ntext = "t"\n'
    '[content.list]\ntitle = "T"\n'
    'button = "B"\nalt = "for devices without lists"\nsections = [\n{ rows = [{ id = "1", title = "a" }] },\n]\n',
    "a place": 'name = "spring"\nprovider = "meta"\nsenders = ["one"]\n'
    '[content]\nlocation = { latitude = 6, longitude = 2.50, address = "Rue 1" }\n',
    "variants": 'name = "spring"\nprovider = "meta"\nsenders = ["one"]\n[content]\ntext = "base"\n[[variants]]\n'
    'name = "a"\nshare = 50\n[variants.content]\ntext = "A"\n[[variants]]\nname = "b"\nshare = 50.0\n'
    "[variants.content]\n"
    'images = [{ url = "https://x.example/a" }]\n[winner]\nby = "read"\nafter = "4h"\ntest_percent = 30\n',
    "template buttons": 'name = "spring"\nprovider = "meta"\nsenders = ["one"]\n[content.template]\nname = "t"\n'
    'buttons = [{ index = 0, type = "catalog" }, { index = 1, type = "copy_code", parameter = "X" }]\n',
    "a type without fields": 'name = "spring"\nprovider = "meta"\nsenders = ["one"]\n'
    '[content]\ntext = "Where?"\nlocation_request = true\n',
    "an unfinished one": 'name = "spring"\n# nothing yet\n',
    "a wrong one": 'name = "spring"\nprovider = "nobody"\nsenders = []\n'
    '[content]\ntext = "x"\nimages = [{ url = "y" }]\n',
}


async def test_opening_and_saving_changes_nothing(editor: Browser, settings: Settings) -> None:
    draft = await create_draft(settings, "spring")
    for name, text in KEPT.items():
        draft.path.write_text(text)
        answer = await editor.post(PAGE, await form_with(editor, {}))
        assert answer.status_code == 303, (name, re.findall(r'class="problem"[^>]*>([^<]+)', answer.text))
        assert draft.path.read_text() == text, name


WRONG_SHAPES = (
        "content = 5", 'content = "x"', "variants = 5", 'variants = ["a"]', "senders = 5", "provider = 5",
        'provider = "meta"\nsenders = 5',
        "schedule = 5", "hours = []", 'caps = "x"', "budget = true", "tags = 5", "audience = 5", "winner = []",
        *(f"[content]\n{line}" for line in (
            "text = 5", 'buttons = "x"', "buttons = [1]", "images = 5", "list = 5", "list = { sections = 5 }",
            "list = { sections = [1, { rows = 5 }, { rows = [1] }] }", 'template = "x"', "defaults = 5",
            'template = { name = 5, parameters = 5, header = "x", buttons = 5 }', "contacts = [5]", "location = 5",
            "contacts = [{ phones = 5, emails = [1] }]", "files = [[1]]", "video = []", "reaction = 5",
        )),
        '[[variants]]\nname = 5\ncontent = 5', "[schedule]\nat = 5\ncron = 5", "[pace]\nramp = 5",
        "[hours]\ndays = 5\nallow = 5", "[[caps]]\nmax = []",
)  # fmt: skip


async def test_a_file_of_the_wrong_shape_is_shown(editor: Browser, settings: Settings) -> None:
    draft = await create_draft(settings, "spring")
    for wrong in WRONG_SHAPES:
        for step in ("message", "rules", "review"):
            draft.path.write_text(f'name = "spring"\n{wrong}\n')
            address = f"/campaigns/drafts/spring/{step}"
            page = await editor.get(address)
            assert page.status_code == 200, (wrong, page.text)
            if step != "review":
                answer = await editor.post(address, fields_of(page.text))
                assert answer.status_code in (303, 422), (wrong, answer.text)


async def test_another_type_takes_the_place_of_the_one_before(editor: Browser, settings: Settings) -> None:
    text = 'name = "spring"\nprovider = "meta"\nsenders = ["one"]\n[content]\ntext = "Hi"\nheader = "H"\n'
    await create_draft(settings, "spring", text + 'buttons = [{ type = "reply", text = "Yes" }]\n')
    place = {"content.location.latitude": "1", "content.location.longitude": "2"}
    await editor.post(PAGE, await form_with(editor, {"kind": "location", **place}))
    spec = load_spec((await open_draft(settings, "spring")).path)
    assert spec.content.free_form is MessageType.LOCATION


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"kind": "image", "content.images[0].url": "nowhere"}, "content.images[0].url"),
        ({"kind": "image"}, "content.images[0].url"),
        ({"content.buttons[1].type": "link", "content.buttons[1].text": "Shop"}, "content.buttons[0]"),
        ({"variants[0].name": "a b", "variants[0].share": "x", "variants[0].text": "t"}, "variants[0].name"),
        ({"winner.by": "read", "variants[0].name": "a", "variants[0].share": "100"}, "variants"),
        ({"sender:ourvoice/one": "on"}, "senders"),
    ],
)
async def test_what_is_wrong_is_told_at_its_field_and_nothing_is_saved(
    editor: Browser, settings: Settings, changes: dict[str, str], key: str
) -> None:
    text = 'name = "spring"\nprovider = "meta"\nsenders = ["one"]\n[content]\ntext = "Hi"\n'
    await create_draft(settings, "spring", text)
    answer = await editor.post(PAGE, await form_with(editor, changes))
    assert answer.status_code == 422
    assert f'href="#f-{key}"' in answer.text
    assert f'id="f-{key}"' in answer.text
    assert (await open_draft(settings, "spring")).text == text
    entered = fields_of(answer.text)
    kept = {
        name: value for name, value in changes.items() if not name.startswith(("content.buttons", "sender"))
    }
    assert {name: entered.get(name, "") for name in kept} == kept


async def test_a_form_that_another_browser_overtook_saves_nothing(
    editor: Browser, settings: Settings
) -> None:
    draft = await create_draft(settings, "spring", KEPT["everything"])
    fields = await form_with(editor, {"content.text": "mine"})
    await save_text(settings, "spring", draft.text + "# theirs\n", draft.digest)
    answer = await editor.post(PAGE, fields)
    assert answer.status_code == 422
    assert "changed meanwhile" in answer.text
    assert fields_of(answer.text)["content.text"] == "mine", "what was typed is kept"
    assert "theirs" in (await open_draft(settings, "spring")).text


SALE = ProviderTemplate(
    "sale", "pt_BR", "PAUSED", "marketing",
    TemplateParts(
        HeaderPart("image"), "Hi {{first}}, *{{percent}}* off", "Bye", (ButtonPart("url", "Shop", "https://s.example/{{1}}"),)
    ),
)  # fmt: skip


async def test_a_template_of_the_account_asks_for_its_own_parts(
    editor: Browser, sqlite_engine: AsyncEngine, settings: Settings
) -> None:
    async with writing(sqlite_engine) as connection:
        await store_templates(connection, "meta", [SALE], utc_now())
    await create_draft(settings, "spring", 'name = "spring"\nprovider = "meta"\nsenders = ["one"]\n')
    chosen = await form_with(editor, {"kind": "template", "template": "sale pt_BR", "stay": "1"})
    assert (await editor.post(PAGE, chosen)).headers["location"] == PAGE
    page = await editor.get(PAGE)
    assert "Hi {{first}}, *{{percent}}* off" in page.text
    assert "PAUSED" in page.text
    filled = {
        "parameter[0].text": "{{ first_name }}",
        "parameter[1].text": "20 %",
        "content.template.header.image.url": PICTURE,
        "template-button[0].parameter": "{{ code }}",
    }
    answer = await editor.post(PAGE, await form_with(editor, filled))
    assert answer.status_code == 303, answer.text
    template = load_spec((await open_draft(settings, "spring")).path).content.template
    assert template is not None
    assert template.language == "pt_BR"
    assert template.parameters == {"first": "{{ first_name }}", "percent": "20 %"}
    assert template.header is not None
    assert template.header.image is not None
    assert [(each.index, each.type, each.parameter) for each in template.buttons] == [
        (0, "url", "{{ code }}")
    ]


async def with_people(settings: Settings, text: str, rows: str) -> None:
    draft = await create_draft(settings, "spring", text)
    (draft.folder / "people.csv").write_text(rows)


MESSAGE = (
    'name = "spring"\nprovider = "meta"\nsenders = ["one"]\n[audience]\ncsv = "people.csv"\n[content]\n'
    'text = "Hi {{ first_name }}, {{ code }}"\n'
)
ROWS = "phone,First Name,code\n+447700900010,Ada,\nx,Bad,1\n+447700900011,Maximilian Friedrich,x2\n+447700900012,,\n"


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        ({"row": "first"}, "<mark>Ada</mark>"),
        ({"row": "line", "row-number": "4"}, "<mark>x2</mark>"),
        ({"row": "longest"}, "<mark>Maximilian Friedrich</mark>"),
        ({"row": "missing"}, '<mark class="blank" title="This is blank for this person">first_name</mark>'),
        ({"row": "random"}, "Hi "),
        ({"row": "line", "row-number": "3"}, "No accepted row is on line 3."),
        ({"row": "line", "row-number": "x"}, "No accepted row is on line 0."),
    ],
)
async def test_the_preview_shows_any_row(
    editor: Browser, settings: Settings, row: dict[str, str], shown: str
) -> None:
    await with_people(settings, MESSAGE, ROWS)
    fields = await form_with(editor, row)
    fragment = await editor.post(f"{PAGE}/preview", fields)
    assert shown in fragment.text
    assert "<html" not in fragment.text
    without_script = await editor.post(PAGE, {**fields, "show": "1"})
    assert shown in without_script.text
    assert (await open_draft(settings, "spring")).text == MESSAGE


async def test_the_preview_counts_against_the_limits_of_the_provider(
    editor: Browser, settings: Settings
) -> None:
    await with_people(settings, MESSAGE, ROWS)
    fields = await form_with(editor, {"content.text": "x" * 4097})
    shown = (await editor.post(f"{PAGE}/preview", fields)).text
    assert "4,097 of 4,096 characters, too long" in shown
    assert "the limit is 4,096" in shown
    fields["content.buttons[0].text"] = "a text of twenty-one."
    shown = (await editor.post(f"{PAGE}/preview", fields)).text
    assert "21 of 20 characters" in shown
    fields = await form_with(editor, {"content.text": "Hi"})
    assert (
        "only people who wrote within the last 24 hours"
        in (await editor.post(f"{PAGE}/preview", fields)).text
    )


ATTACKS = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>')


@pytest.mark.parametrize("attack", ATTACKS)
async def test_no_text_of_a_file_or_a_list_becomes_html(
    editor: Browser, settings: Settings, attack: str
) -> None:
    quoted = attack.replace('"', '\\"')
    content = f'text = "{quoted} {{{{ first_name }}}}"\nbuttons = [{{ type = "reply", text = "{quoted}" }}]\n'
    text = MESSAGE[: MESSAGE.index("text =")] + content + f'[content.defaults]\nfirst_name = "{quoted}"\n'
    cell = attack.replace('"', '""')
    await with_people(settings, text, f'phone,First Name,"{cell}"\n+447700900010,"{cell}",x\n')
    for page in (
        await editor.get(PAGE),
        await editor.post(PAGE, {**await form_with(editor, {}), "show": "1"}),
    ):
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "<img" not in page.text
        assert html.escape(attack) in page.text.replace("&#34;", "&quot;")


async def test_a_viewer_sees_the_step_and_cannot_save(sqlite_engine: AsyncEngine, settings: Settings) -> None:
    await create_draft(settings, "spring", KEPT["everything"])
    async with Browser(sqlite_engine, settings) as browser:
        await log_in_as(browser, sqlite_engine, Role.VIEWER)
        page = await browser.get(PAGE)
        assert "Save and go on" not in page.text
        answer = await browser.post(PAGE, {**fields_of(page.text), "content.text": "mine"})
        assert answer.status_code == 403
    assert (await open_draft(settings, "spring")).text == KEPT["everything"]


async def test_there_is_no_step_of_a_draft_that_is_not_there(editor: Browser) -> None:
    for step in ("message", "rules", "review"):
        assert (await editor.get(f"/campaigns/drafts/none/{step}")).status_code == 404


PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
FILES = "/campaigns/drafts/spring/media/"


async def uploaded(editor: Browser, place: str, name: str, content: bytes) -> httpx.Response:
    address = f"{PAGE}/media?for={place}"
    assert (await editor.get(address)).status_code == 200
    return await editor.client.post(
        address, files={"file": (name, content)}, headers={"sec-fetch-site": "same-origin"}
    )


async def test_a_picture_is_uploaded_for_the_message_and_served_as_nothing_else(
    editor: Browser, settings: Settings
) -> None:
    await with_people(settings, MESSAGE, ROWS)
    answer = await editor.post(
        PAGE,
        await form_with(editor, {"kind": "image", "attach": "content.images[0]"}),
    )
    assert answer.headers["location"] == f"{PAGE}/media?for=content.images%5B0%5D"
    assert (await uploaded(editor, "content.images[0]", "<img src=x>.html", PNG)).status_code == 303
    draft = await open_draft(settings, "spring")
    assert draft.data["content"]["images"] == [{"file": "img-src-x.png"}]
    served = await editor.get(f"{FILES}img-src-x.png")
    assert (served.status_code, served.content) == (200, PNG)
    assert served.headers["content-type"] == "image/png"
    assert served.headers["content-disposition"].startswith("attachment")
    assert served.headers["x-content-type-options"] == "nosniff"
    assert 'src="/campaigns/drafts/spring/media/img-src-x.png"' in (await editor.get(PAGE)).text
    for other in ("campaign.toml", "people.csv", "..%2Fcampaign.toml", "none.png"):
        assert (await editor.get(f"{FILES}{other}")).status_code == 404

    assert (await uploaded(editor, "content.images[0]", "new.png", PNG + b"x")).status_code == 303
    assert not (draft.folder / "img-src-x.png").exists()
    for name, content in (
        ("a.png", b"<html><script>alert(1)</script>"),
        ("b.png", b"%PDF-1.7"),
        ("c.png", b""),
    ):
        answer = await uploaded(editor, "content.images[0]", name, content)
        assert answer.status_code == 422
        assert (await open_draft(settings, "spring")).data["content"]["images"] == [{"file": "new.png"}]
    assert (await editor.get(f"{PAGE}/media?for=content.text")).status_code == 404

    form = await form_with(editor, {"content.text": "Look"})
    assert (await editor.post(PAGE, form)).status_code == 303  # saving the form keeps the file
    content = (await open_draft(settings, "spring")).data["content"]
    assert (content["text"], content["images"]) == ("Look", [{"file": "new.png"}])
    form = await form_with(editor, {"content.images[0].url": "https://files.example/a.png"})
    assert (await editor.post(PAGE, form)).status_code == 303
    images = (await open_draft(settings, "spring")).data["content"]["images"]
    assert images == [{"url": "https://files.example/a.png"}]


async def test_a_header_of_a_template_and_another_kind_take_files_too(
    editor: Browser, settings: Settings
) -> None:
    text = (
        MESSAGE
        + '[content.template]\nname = "spring_sale"\nheader = { document = { url = "https://a.example/a.pdf" } }\n'
    )
    await with_people(settings, text, ROWS)
    place = "content.template.header.document"
    assert (await uploaded(editor, place, "Price list.pdf", b"%PDF-1.7 x")).status_code == 303
    assert (
        await uploaded(editor, "content.video", "film", b"\0\0\0\x18ftypmp42" + bytes(9))
    ).status_code == 303
    content = (await open_draft(settings, "spring")).data["content"]
    assert content["template"]["header"] == {"document": {"file": "Price-list.pdf"}}
    assert content["video"] == {"file": "film.mp4"}
    page = (await editor.get(PAGE)).text
    assert "Price-list.pdf" in page
    assert (await editor.post(PAGE, fields_of(page))).status_code == 303
    assert (await open_draft(settings, "spring")).data["content"] == content


async def test_a_test_goes_from_the_page_with_the_row_that_it_shows(
    sqlite_engine: AsyncEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator, opened = httpx.ASGITransport(create_app()), lanes.open_account
    monkeypatch.setattr(lanes, "open_account", lambda *given, **_: opened(*given, transport=emulator))
    text = MESSAGE.replace('"meta"', '"ourvoice"').replace(", {{ code }}", "")
    await with_people(settings, text, ROWS)
    async with Browser(sqlite_engine, settings) as browser:
        await log_in_as(browser, sqlite_engine, Role.SENDER)
        changes = {"row": "line", "row-number": "4", "show": "1"}
        fields = fields_of((await browser.post(PAGE, await form_with(browser, changes))).text)
        assert fields["test-line"] == "4"
        form = {**fields, "content.text": "Hello {{ first_name }}", "test": "1"}
        assert (await browser.post(PAGE, {**form, "test-to": "<script>alert(1)"})).status_code == 422
        form = {**fields_of((await browser.get(PAGE)).text), "test-line": "4", "test": "1"}
        for _ in range(2):
            answer = await browser.post(PAGE, {**form, "test-to": "+447700900500"})
            assert answer.status_code == 303
        assert "Sent to +447700900500, filled from line 4." in (await browser.get(PAGE)).text
        async with httpx.AsyncClient(transport=emulator, base_url="http://emulator") as client:
            sent = (await client.get("/_ledger")).json()["messages"]
        assert [each["content"] for each in sent] == ["Hello Maximilian Friedrich"]


CAROUSEL = """\
[content.template]
name = "cards"
parameters = ["{{ first_name }}"]
offer_ends = "2026-12-24T18:00+01:00"
[[content.template.buttons]]
index = 0
type = "copy_code"
parameter = "{{ code }}"
[[content.template.buttons]]
index = 1
type = "flow"
data = { who = "{{ first_name }}" }
[[content.template.cards]]
header = { image = { url = "https://a.example/{{ code }}.png" } }
parameters = ["One", "{{ code }}"]
buttons = [{ index = 0, type = "url", parameter = "a" }, { index = 1, type = "quick_reply", parameter = "b" }]
[[content.template.cards]]
header = { video = { id = "77" } }
"""


async def test_a_carousel_an_offer_and_every_button_by_the_form_are_the_file_written_by_hand(
    editor: Browser, settings: Settings, tmp_path: Path
) -> None:
    head = 'name = "spring"\nprovider = "meta"\nsenders = ["one"]\n'
    by_hand = tmp_path / "hand.toml"
    by_hand.write_text(head + CAROUSEL)
    await create_draft(settings, "spring", head)
    card = "content.template.cards"
    steps = [
        {"kind": "template", "content.template.name": "cards", "parameter[0].text": "{{ first_name }}",
         "content.template.offer_ends": "2026-12-24T18:00+01:00",
         "template-button[0].index": "0", "template-button[0].type": "copy_code",
         "template-button[0].parameter": "{{ code }}",
         f"{card}[0].url": "https://a.example/{{ code }}.png", f"{card}[0].parameters": "One\r\n{{ code }}\r\n",
         f"{card}[0].button[0].index": "0", f"{card}[0].button[0].type": "url", f"{card}[0].button[0].parameter": "a",
         f"{card}[1].kind": "video", f"{card}[1].id": "77"},
        {"template-button[1].index": "1", "template-button[1].type": "flow",
         f"{card}[0].button[1].index": "1", f"{card}[0].button[1].type": "quick_reply",
         f"{card}[0].button[1].parameter": "b"},
        {"template-button[1].data[0].name": "who", "template-button[1].data[0].text": "{{ first_name }}"},
        {},
    ]  # fmt: skip
    for changes in steps:
        answer = await editor.post(PAGE, await form_with(editor, {"stay": "1", **changes}))
        assert answer.status_code == 303, re.findall(r'class="problem"[^>]*>([^<]+)', answer.text)
    assert load_spec((await open_draft(settings, "spring")).path) == load_spec(by_hand)
    (await open_draft(settings, "spring")).path.write_text(head + CAROUSEL)
    for _ in range(2):
        assert (await editor.post(PAGE, await form_with(editor, {"stay": "1"}))).status_code == 303
    assert (await open_draft(settings, "spring")).text == head + CAROUSEL  # untouched, it is saved as it was
