"""A template parameter that Meta refuses (132018) is found at check, in a row or in the campaign file."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from app.actions.loading import Flags, check_campaign
from app.wiring.settings import Settings, load_settings
from campaigns.errors import SpecError
from campaigns.message.content import (
    Content,
    MessageType,
    Parameter,
    Template,
    TemplateButton,
    TemplateHeader,
)
from providers.kapso.legacy import LegacyApi
from providers.meta.message_body import unsendable

HEAD = 'name = "tp"\nprovider = "meta"\nsenders = ["shop"]\n[audience]\ncsv = "p.csv"\nmax_reject_percent = 100\n'
TEMPLATE = '[content.template]\nname = "spring_sale"\nlanguage = "en"\n'
ROWS = [
    ("Ada", None), ("Bo\nLee", "a line break"), ("Cy\tDee", "a tab"), ("Di     Eve", "more than four spaces"),
    ("Ed    Fox", None), ("Ann\r\nBell", "a line break"), ("Jo\rKay", "a line break"),
    ("a\u00a0 \u00a0 \u00a0 \u00a0b", None), ("x" * 500, None),
]  # fmt: skip


@pytest.fixture(params=["meta", "kapso-current", "kapso-legacy"])
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Settings:
    monkeypatch.setenv("KEY", "test-key")
    adapter, _, api = request.param.partition("-")
    keys = 'api_key = "env:KEY"\n'
    keys += f'api = "{api}"\n' if api else ""
    sender = "whatsapp_config_id" if api == "legacy" else "phone_number_id"
    (tmp_path / "drumbeat.toml").write_text(
        f'[providers.meta]\nadapter = "{adapter}"\n{keys}[[providers.meta.senders]]\nname = "shop"\n{sender} = "123"\n'
    )
    return load_settings(tmp_path / "drumbeat.toml")


async def test_rows_that_meta_would_refuse_are_rejected_with_the_parameters_name(
    settings: Settings, tmp_path: Path
) -> None:
    with (tmp_path / "p.csv").open("w", newline="", encoding="utf-8") as file:
        people = [(f"+44770090043{at}", name) for at, (name, _) in enumerate(ROWS)]
        csv.writer(file).writerows([("phone", "first_name"), *people])
    (tmp_path / "p.toml").write_text(f'{HEAD}{TEMPLATE}parameters = ["{{{{ first_name }}}}"]\n')
    bad = tmp_path / "bad.csv"
    loaded = await check_campaign(settings, tmp_path / "p.toml", Flags(rejects=bad))
    wrong = [what for _, what in ROWS if what]
    assert (loaded.report.accepted, loaded.report.reasons) == (
        len(ROWS) - len(wrong),
        {"not_sendable": len(wrong)},
    )
    with bad.open(newline="", encoding="utf-8-sig") as file:
        reasons = [row["drumbeat_reason"] for row in csv.DictReader(file)]
    for reason, what in zip(reasons, wrong, strict=True):
        assert reason.startswith(f"content.template.parameters[0] (number 1) holds {what}")


@pytest.mark.parametrize(
    ("parameters", "line", "key"),
    [
        (
            'parameters = ["fine", """Saturday 9-5\nSunday 10-4"""]',
            10,
            r"content\.template\.parameters\[1\] \(number 2\)",
        ),
        ('header = { text = "a\\tb" }', 10, r"content\.template\.header\.text"),
        (
            'buttons = [{ index = 0, type = "url", parameter = "a\\nb" }]',
            10,
            r"content\.template\.buttons\[0\]\.parameter",
        ),
        ('parameters = ["{{ first_name }}\\n!"]', 10, r"content\.template\.parameters\[0\]"),
    ],
)
async def test_a_constant_parameter_is_an_error_of_the_file_at_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parameters: str, line: int, key: str
) -> None:
    monkeypatch.setenv("KEY", "test-key")
    (tmp_path / "drumbeat.toml").write_text(
        '[providers.meta]\nadapter = "meta"\napi_key = "env:KEY"\n[[providers.meta.senders]]\nname = "shop"\n'
        'phone_number_id = "123"\n'
    )
    (tmp_path / "p.csv").write_text("phone,first_name\n+447700900431,Ada\n")
    (tmp_path / "p.toml").write_text(f"{HEAD}{TEMPLATE}{parameters}\n")
    with pytest.raises(SpecError, match=rf"p\.toml, line {line}: {key}.* holds a"):
        await check_campaign(load_settings(tmp_path / "drumbeat.toml"), tmp_path / "p.toml", Flags())


def test_a_named_parameter_is_named() -> None:
    template = Template("t", "en", (Parameter("a", "code"), Parameter(" ", "who")))
    content = Content(MessageType.TEMPLATE, template=template)
    assert unsendable(content) == "content.template.parameters.who is empty."


def test_a_payload_is_not_shown_and_may_hold_lines() -> None:
    template = Template(
        "t", "en", header=TemplateHeader(text="a"), buttons=(TemplateButton(0, "quick_reply", "a\nb"),)
    )
    assert unsendable(Content(MessageType.TEMPLATE, template=template)) is None


def test_the_legacy_api_of_kapso_has_the_same_limit() -> None:
    content = Content(MessageType.TEMPLATE, template=Template("t", "en", (Parameter("a\nb"),)))
    assert "a line break" in str(LegacyApi("https://x", alone=True).unsendable(content))


async def test_the_marketing_messages_api_is_refused_where_no_document_shows_it(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "p.csv").write_text("phone,first_name\n+447700900431,Ada\n")
    body = f'{HEAD}{TEMPLATE}parameters = ["x"]\n[marketing_messages]\npolicy = "strict"\n'
    (tmp_path / "p.toml").write_text(body)
    flags = Flags(rejects=tmp_path / "bad.csv")
    if settings.accounts["meta"].adapter == "meta":
        assert (await check_campaign(settings, tmp_path / "p.toml", flags)).report.accepted == 1
        return
    with pytest.raises(SpecError, match=r"line 11: marketing_messages: kapso does not document") as caught:
        await check_campaign(settings, tmp_path / "p.toml", flags)
    assert "meta" in (caught.value.hint or "")
