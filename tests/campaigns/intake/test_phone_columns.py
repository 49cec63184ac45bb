"""Which column the phone numbers are taken from: never another one in silence where several could be meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import campaigns.intake.rows
import campaigns.phones.phone
from campaigns.errors import IntakeError
from campaigns.intake.model import IntakeOptions, Reject
from campaigns.intake.names import fold
from campaigns.intake.phone_columns import is_phone_name, phone_like
from campaigns.intake.read import Intake, open_intake
from tests.support.cases import each

A, B, C = "+447911123456", "+33612345678", "+12025550123"


def opened(folder: Path, content: str, **options: Any) -> Intake:
    path = folder / "list.csv"
    path.write_text(content, "utf-8")
    return open_intake(path, IntakeOptions(**options))


def read(folder: Path, content: str, **options: Any) -> tuple[list[str], list[Reject]]:
    [chunk] = opened(folder, content, **options).chunks()
    return chunk.phones, chunk.rejects


CRM = (
    "Record ID,First Name,Phone Number,Mobile Phone Number,WhatsApp Phone Number\n"
    f"7,Eva,+1 212 555 0143,{A},{B}\n"
)

AMBIGUOUS = {
    "office, mobile and WhatsApp": (CRM, ["WhatsApp Phone Number", "Mobile Phone Number", "Phone Number"]),
    "phone and mobile": (f"Phone Number,Mobile Phone\n{C},{A}\n", ["Mobile Phone", "Phone Number"]),
    "a home number": (f"Home phone,phone\n{C},{A}\n", ["phone", "Home phone"]),
    "by the cells": (f"phone,Head office\n{A},+1 (202) 555-0123\n{B},\n", ["phone", "Head office"]),
    "local numbers in the cells": ("phone,Büro\n07911123456,020 7946 0123\n", ["phone", "Büro"]),
    "numbered columns": (
        f"Phone 2 - Value,Phone 1 - Label,Phone 1 - Value\n,Home,{A}\n", ["Phone 2 - Value", "Phone 1 - Value"],
    ),
    "a blank one by name": (f"phone,Celular\n{A},\n", ["Celular", "phone"]),
    "a weak name": (f"recipient,Handynummer privat\nEva,{A}\n", ["Handynummer privat", "recipient"]),
}  # fmt: skip


@pytest.mark.parametrize(("content", "names"), AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_a_second_column_that_looks_like_phones_is_ambiguous(
    tmp_path: Path, content: str, names: list[str]
) -> None:
    with pytest.raises(IntakeError) as caught:
        opened(tmp_path, content, default_country="GB")
    assert caught.value.code == "phone_column_ambiguous"
    assert " or ".join(map(repr, names)) in str(caught.value)
    assert f"--phone-column {names[0]!r}" in (caught.value.hint or "")


def test_the_error_proposes_fallback_columns(tmp_path: Path) -> None:
    with pytest.raises(IntakeError) as caught:
        opened(tmp_path, CRM)
    hint = caught.value.hint or ""
    assert 'phone_column = ["WhatsApp Phone Number", "Mobile Phone Number"]' in hint
    assert "--phone-column 'WhatsApp Phone Number' --phone-column 'Mobile Phone Number'" in hint


PLAIN = {
    "an order number": f"phone,Order\n{A},447911000001\n",
    "dates": f"phone,Born,Joined\n{A},2026-11-01,01.11.2026 10:00\n",
    "a choice": f"phone,WhatsApp\n{A},Yes\n",
    "what is known about the phone": f"phone,Phone type,phone_country_code,Phone verified at\n{A},x,44,+44\n",
    "few of many cells": f"phone,Note\n{A},call {B}\n{B},{C}\n{C},later\n",
    "a price list": f"phone,Total\n{A},+1.20\n",
}


@pytest.mark.parametrize("content", PLAIN.values(), ids=PLAIN)
def test_one_phone_column_is_taken_as_before(tmp_path: Path, content: str) -> None:
    assert opened(tmp_path, content, default_country="DE").detected.phone_column == "phone"


def test_fallback_columns_are_used_row_by_row(tmp_path: Path) -> None:
    content = (
        "phone,Mobile,WhatsApp,name\n"
        f"1,{A},{B},both\n"
        f"1,{A},,no WhatsApp\n"
        f"1,{C},n/a,unusable\n"
        "1,,n/a,neither\n"
        "1,,,nothing\n"
        f"1,{B},,twice\n"
    )
    given = {"phone_columns": ("whatsapp", "Mobile")}
    phones, rejects = read(tmp_path, content, **given)
    assert phones == [B, A, C, B]
    assert [(reject.line, reject.column, reject.code) for reject in rejects] == [
        (5, "WhatsApp", "phone_not_a_number"),
        (6, "WhatsApp", "phone_missing"),
    ]
    detected = opened(tmp_path, content, **given).detected
    assert detected.summary().endswith("phones in 'WhatsApp', else 'Mobile'")
    assert detected.as_json()["phone_column"] == "WhatsApp"
    assert detected.as_json()["phone_columns"] == ["WhatsApp", "Mobile"]


def test_the_messages_number_is_the_one_that_was_taken(tmp_path: Path) -> None:
    content = f"WhatsApp,phone\n,{A}\n"
    options = {"phone_columns": ("WhatsApp", "phone"), "required": frozenset({"phone"})}
    [chunk] = opened(tmp_path, content, **options).chunks()
    assert chunk.vars == [f'{{"phone":"{A}"}}']


def test_a_list_without_a_known_name_shows_what_looks_like_phones_first(tmp_path: Path) -> None:
    content = f"name,Office phone,Reach me at,Client's WhatsApp\nEva,{C},{A},{B}\n"
    with pytest.raises(IntakeError) as caught:
        opened(tmp_path, content)
    assert caught.value.code == "phone_column_missing"
    assert "the columns are: Office phone, Client's WhatsApp, Reach me at, name." in str(caught.value)
    assert "--phone-column 'Office phone'" in (caught.value.hint or "")


KNOWN = (
    "Phone, Phone 1 - Value, Mobile Phone Number, WhatsApp Phone Number, whatsappNumber, MobilePhone, Cell, MSISDN, "
    "E164, phone_e164, Your phone number, Tél., Tél. portable, Téléphone mobile, N° de téléphone, Numéro de portable, "
    "Numéro WhatsApp, Teléfono móvil, Nº de teléfono, Celular, Cel, Número de celular, Móvil, Telemóvel, "
    "Número de telemóvel, Telefone, Handynummer, Handy-Nr., Mobilnummer, Telefonnummer, Mobiltelefon, Rufnummer, "
    "Cellulare, Numero di cellulare, Telefono, رقم الهاتف, الجوال, رقم الجوال, موبايل, واتساب"
)


@each("name", KNOWN.split(", "))
def test_known_names_in_the_languages_of_our_users(name: str) -> None:
    assert is_phone_name(fold(name))


@pytest.mark.parametrize(
    "name",
    [
        "Name",
        "Number",
        "Phone type",
        "Mobile OS",
        "WhatsApp opt-in",
        "Telephone country code",
        "Office phone",
        "Nr.",
    ],
)
def test_other_names_are_not_taken_for_phone_numbers(name: str) -> None:
    assert not is_phone_name(fold(name))


def test_what_looks_like_phones_comes_best_first() -> None:
    names = ["name", "work_phone", "phone", "handy", "whatsapp", "hotline"]
    cells = [["Eva"], [], [C], [A], [B], [C]]
    assert [names[at] for at in phone_like(names, cells, None)] == [
        "whatsapp", "handy", "phone", "work_phone", "hotline",
    ]  # fmt: skip


def test_a_cell_that_the_fast_path_does_not_read_goes_straight_to_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def quick_pair(text: str, country: str | None) -> tuple[str, str] | None:
        tried.append(text)
        return campaigns.phones.phone.quick_pair(text, country)

    monkeypatch.setattr(campaigns.intake.rows, "quick_pair", quick_pair)
    monkeypatch.setattr(campaigns.phones.phone, "quick", lambda *given: tried.append(given[0]))
    phones, rejects = read(tmp_path, f"phone,name\n{A},Ana\n12345,Bola\n+44207946095,Esi\n")
    assert (phones, len(rejects)) == ([A], 2)
    assert tried == [A, "12345", "+44207946095"]
