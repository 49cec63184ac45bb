"""Guesses how columns are used: only where the campaign file does not say it, and never two columns for the same."""

from __future__ import annotations

from app.views.drafts.column_uses import ColumnUse, column_uses, unmet
from app.views.drafts.list_checks import ListCheck, ListProblem
from campaigns.intake.columns import Column
from campaigns.spec.campaign_spec import AudienceSpec
from tests.support.cases import each


def uses(
    names: str,
    needed: str = "",
    phones: tuple[str, ...] = (),
    problem: ListProblem | None = None,
    **audience: object,
) -> list[ColumnUse]:
    columns = [Column(name, "", 0) for name in names.split(",")]
    check = ListCheck("", problem, columns=columns, needed=needed.split(), phones=phones)
    return column_uses(check, AudienceSpec.model_validate(audience))


def shown(found: list[ColumnUse]) -> dict[str, str]:
    return {use.column.name: f"{use.use}{'?' if use.is_guess else ''}" for use in found if use.use}


@each(
    ("names", "needed", "guessed"),
    [
        ("Phone,Prénom", "first_name", {"Prénom": "first_name?"}),
        ("Phone,First Name", "first_name", {}),
        ("Phone,FirstName", "first_name", {"FirstName": "first_name?"}),
        (
            "Phone,Vorname,Nachname",
            "last_name first_name",
            {"Vorname": "first_name?", "Nachname": "last_name?"},
        ),
        ("Phone,Nom", "name last_name", {"Nom": "name?"}),
        ("Phone,coupn", "coupon", {"coupn": "coupon?"}),
        ("Phone,x", "coupon", {}),
        ("Phone,TZ,Opt-in,Pays", "", {"TZ": "timezone?", "Opt-in": "consent?", "Pays": "country_code?"}),
        ("Phone,consent", "", {"consent": "consent?"}),
        ("Phone,timezone,TZ", "", {}),
        ("Phone,country", "country", {}),
    ],
)
def test_names_suggest_uses(names: str, needed: str, guessed: dict[str, str]) -> None:
    found = uses(names, needed, ("Phone",))
    assert shown(found) == {"Phone": "phone", **guessed}


def test_what_the_campaign_file_says_is_no_guess() -> None:
    found = uses(
        "WhatsApp,Mobile,A,Nom,Vorname",
        "first_name",
        ("WhatsApp", "Mobile"),
        map={"Nom": "first_name"},
        consent="a",
    )
    assert shown(found) == {"WhatsApp": "phone", "Mobile": "phone_too", "A": "consent", "Nom": "first_name"}


def test_of_several_phone_columns_the_first_is_suggested() -> None:
    problem = ListProblem("phone_column_ambiguous", "", "", column="Tel")
    assert shown(uses("Tel,Fax,Name", problem=problem)) == {"Tel": "phone?"}


def test_variables_without_a_column_are_named() -> None:
    columns = [Column(name, "", 0) for name in ("Phone", "City", "Nom")]
    check = ListCheck("", columns=columns, needed=("city", "code", "name"), phones=("Phone",))
    assert unmet(check, column_uses(check, AudienceSpec())) == ["code"]
