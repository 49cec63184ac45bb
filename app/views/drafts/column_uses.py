"""How each column of a list is used by the message, and guesses where the campaign file does not say it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from app.views.drafts.list_checks import ListCheck
from campaigns.frozen import frozen
from campaigns.intake.columns import Column
from campaigns.intake.names import fold
from campaigns.nearest import nearest
from campaigns.spec.campaign_spec import AudienceSpec

PHONE: Final = "phone"
PHONE_TOO: Final = "phone_too"
CONSENT: Final = "consent"
MEANINGS: Final = {
    PHONE: "Phone number",
    PHONE_TOO: "Phone number, where the one before has none",
    CONSENT: "Agreed to marketing: yes, no or a date",
    "consent_at": "When the person agreed",
    "timezone": "Time zone of the person",
    "send_at": "When to send to the person",
    "country_code": "Country of the number",
}
"""Use -> what it is called."""
_ALSO_CALLED: Final = {
    "timezone": "time_zone tz fuseau fuseau_horaire zona_horaria zeitzone fuso_horario",
    "send_at": "send_time send_on scheduled_at scheduled_for date_envoi envoi",
    CONSENT: "consent opt_in optin opted_in agreed agreement marketing_consent marketing_opt_in gdpr consentement "
    "einwilligung consentimiento consentimento accord",
    "country_code": "country country_iso iso_country pays land pais",
    "first_name": "prenom prénom vorname nombre nome given_name firstname fname name",
    "last_name": "nom nachname apellido apellidos cognome surname family_name lastname lname",
    "name": "nom nombre nome full_name fullname first_name prenom prénom vorname",
    "city": "ville stadt ciudad cidade town",
    "code": "coupon voucher promo_code code_promo gutschein",
}
_CLOSE: Final = 0.75


@frozen
class ColumnUse:
    """One column, and what it is taken for."""

    column: Column
    use: str
    """A key of MEANINGS or a variable; empty: only the variable of its own name."""
    is_guess: bool
    is_used: bool
    """Whether the message, or Drumbeat, reads it."""

    @property
    def variable(self) -> str:
        """Its own name as a variable."""
        return fold(self.column.name)


def column_uses(check: ListCheck, audience: AudienceSpec) -> list[ColumnUse]:
    """Each column as the campaign file and the list say, else as its name suggests."""
    uses = [_known_use(column.name, check, audience) for column in check.columns]
    guesses = _guesses(check, uses)
    wanted = {*check.needed, *check.optional}
    return [
        ColumnUse(
            column,
            use or guesses.get(column.name, ""),
            not use and column.name in guesses,
            bool(use or guesses.get(column.name))
            or fold(column.name) in wanted | MEANINGS.keys() - {CONSENT},
        )
        for column, use in zip(check.columns, uses, strict=True)
    ]


def unmet(check: ListCheck, uses: Sequence[ColumnUse]) -> list[str]:
    """Variables that the message needs and no column has."""
    known = {use.use or use.variable for use in uses}
    return [name for name in check.needed if name not in known]


def _known_use(column: str, check: ListCheck, audience: AudienceSpec) -> str:
    phones = list(check.phones)
    if not phones and audience.phone_column:
        phones = [audience.phone_column] if isinstance(audience.phone_column, str) else audience.phone_column
    folded = [fold(phone) for phone in phones]
    if fold(column) in folded:
        return PHONE if folded[0] == fold(column) else PHONE_TOO
    if audience.consent and fold(audience.consent) == fold(column):
        return CONSENT
    return next((fold(name) for key, name in audience.map.items() if fold(key) == fold(column)), "")


def _guesses(check: ListCheck, uses: Sequence[str]) -> dict[str, str]:
    """Column -> use, for what the message needs and for what the names of columns suggest."""
    free = [column.name for column, use in zip(check.columns, uses, strict=True) if not use]
    taken = {*uses, *(fold(name) for name in free)}
    found: dict[str, str] = {}
    if PHONE not in uses and check.problem and check.problem.column in free:
        found[check.problem.column] = PHONE
    own_sense = {*check.needed, *check.optional}
    for wanted in (*check.needed, "timezone", "send_at", CONSENT, "country_code"):
        if wanted in taken - ({CONSENT} if CONSENT not in uses else set()):
            continue
        left = [name for name in free if name not in found and fold(name) not in own_sense]
        if column := _likely(wanted, left, close=wanted in check.needed):
            found[column] = wanted
    return found


def _likely(wanted: str, columns: Collection[str], *, close: bool) -> str | None:
    """The column that probably means it."""
    also = {fold(name) for name in _ALSO_CALLED.get(wanted, "").split()}
    by_name = {fold(column): column for column in columns}
    for name, column in by_name.items():
        if name in also:
            return column
    near = nearest(wanted, by_name, least=_CLOSE) if close else None
    return None if near is None else by_name[near]
