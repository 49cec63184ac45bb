"""At load, what cannot be sent is refused: for the whole campaign where no row matters, else for the row."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from campaigns.errors import SpecError
from campaigns.intake.model import IntakeOptions
from campaigns.message.content import Content
from campaigns.message.content_spec import ContentSpec
from campaigns.reject_codes import RejectCode
from providers.adapter import AdapterDefaults
from scheduler.audience.load import check
from scheduler.audience.sendability import refuse_unsendable


class Short(AdapterDefaults):
    """A provider whose texts have at most 1,000 characters, its buttons 5, and which has no stickers."""

    def unsendable(self, content: Content) -> str | None:
        if len(content.text or "") > 1000:
            return "content.text has more than 1000 characters."
        if any(len(button.text) > 5 for button in content.buttons):
            return "content.buttons: more than 5 characters."
        return "There are no stickers here." if content.type == "sticker" else None


def refuse(**content: object):  # type: ignore[no-untyped-def]
    return refuse_unsendable(ContentSpec.model_validate(content), Short())  # type: ignore[arg-type]


def row(**vars: str) -> str:
    return orjson.dumps(vars).decode()


@pytest.mark.parametrize(
    "content",
    [
        {"sticker": {"url": "https://x/a.webp"}},
        {"text": "a" * 1001},
        {"text": "a", "buttons": [{"type": "reply", "text": "too long"}]},
        {"text": "Hi {{ name }}" + "a" * 1000},
    ],
)
def test_what_no_row_can_repair_is_refused_as_a_whole(content: dict[str, object]) -> None:
    with pytest.raises(SpecError):
        refuse(**content)


def test_constant_content_needs_no_look_at_rows() -> None:
    assert refuse(text="Hello") is None


def test_an_address_in_a_column_is_not_judged_before_it_is_known() -> None:
    check_row = refuse(text="Look", images=[{"url": "{{ picture }}"}])
    assert check_row(row(picture="https://x/a.png")) is None
    assert "not a web address" in check_row(row(picture="a.png"))


@pytest.mark.parametrize(("length", "fits"), [(5, True), (997, True), (998, False), (5000, False)])
def test_a_long_cell_is_refused_by_its_row(length: int, fits: bool) -> None:
    assert (refuse(text="Hi {{ name }}")(row(name="a" * length)) is None) == fits


def test_a_short_cell_is_looked_at_where_it_fills_more_than_the_text() -> None:
    check_row = refuse(text="Hi", buttons=[{"type": "reply", "text": "{{ label }}"}])
    assert check_row(row(label="Yes")) is None
    assert check_row(row(label="Perhaps")) == "content.buttons: more than 5 characters."


def test_a_short_cell_is_looked_at_where_it_fills_something_beside_the_text() -> None:
    check_row = refuse(text="Hi {{ name }}", buttons=[{"type": "reply", "text": "{{ name }}"}])
    assert check_row(row(name="Ada")) is None
    assert "more than 5 characters" in check_row(row(name="Ada Lovelace"))


def test_a_cell_that_the_text_repeats_is_counted_as_often() -> None:
    check_row = refuse(text="{{ name }}, {{ name }}, {{ name }}")
    assert check_row(row(name="a" * 300)) is None
    assert check_row(row(name="a" * 400)) is not None


async def test_the_row_is_rejected_with_line_and_reason(tmp_path: Path) -> None:
    csv = tmp_path / "people.csv"
    csv.write_text(f"phone,name\n+447700900001,Ada\n+447700900002,{'x' * 2000}\n+447700900003,Bob\n")
    rejects = tmp_path / "rejects.csv"
    options = IntakeOptions(required=frozenset({"name"}))
    report = await check(
        csv, options, max_reject_percent=50, rejects_path=rejects, refuse=refuse(text="Hi {{ name }}")
    )
    assert (report.rows, report.accepted, report.reasons) == (3, 2, {RejectCode.NOT_SENDABLE: 1})
    assert '"3","","not_sendable","content.text has more than 1000 characters."' in rejects.read_text()
