"""Opt-outs and opt-ins, one by one and in bulk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache, partial
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from app.wiring.rights import act
from campaigns.errors import InvalidInput
from campaigns.phones.country_names import find_country
from campaigns.phones.phone import PhoneFault, read_person
from campaigns.phones.stop_words import Action, Scope, StopWord, comes_after, usual_scope
from campaigns.phones.user_ids import user_id_in
from campaigns.reject_codes import RejectCode
from campaigns.time.clock import Now, utc_now
from campaigns.untrusted import LONGEST_TEXT, clean
from storage.database.engine import Connection, Engine, writing
from storage.receipts.user_ids import USER_ID, learn_numbers, other_numbers
from storage.sending.optouts import (
    AppendResult,
    LogEntry,
    NewPreference,
    add_by_hand,
    append_preferences,
    log_of,
    opt_outs_in_force,
)

if TYPE_CHECKING:
    from app.actions.loading import Progress
    from app.wiring.settings import Settings
    from campaigns.intake.model import Chunk, Detected, IntakeOptions, Reject, RowPreference

SHOWN_REJECTS: Final = 5
"""How many rejected rows are shown."""
_Preferences = dict[tuple[str, Scope], NewPreference]


@dataclass
class ImportReport:
    """What became of a file's rows: rows = changed + unchanged + outdated + rejected."""

    otherwise: RowPreference
    """The preference of rows without their own columns."""
    detected: Detected
    columns: Sequence[str] = ()
    """The columns with preferences of their own, as the file spells them."""
    rows: int = 0
    opted: Counter[Action] = field(default_factory=Counter)
    """Rows that changed something, by action."""
    outdated: int = 0
    """Rows whose person has changed their preference since, in at least one scope."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Reject code -> rows."""
    first_rejects: list[Reject] = field(default_factory=list)
    rejects_file: Path | None = None

    def count(self, chunk: Chunk, preferences: _Preferences, results: Sequence[AppendResult]) -> None:
        """Add a chunk and the results of its preferences."""
        self.rows += chunk.rows
        self.reasons.update(reject.code.value for reject in chunk.rejects)
        self.first_rejects += chunk.rejects[: SHOWN_REJECTS - len(self.first_rejects)]
        pairs = partial(zip, preferences.values(), results, strict=True)
        outdated = {one.line for one, result in pairs() if result is AppendResult.OUTDATED}
        news = {one.line: one.entry.action for one, result in pairs() if result is AppendResult.CHANGED}
        self.outdated += len(outdated)
        self.opted.update(action for line, action in news.items() if line not in outdated)

    @property
    def scope(self) -> Scope:
        return self.otherwise.scope or usual_scope(self.otherwise.action)

    @property
    def rejected(self) -> int:
        return self.reasons.total()

    @property
    def changed(self) -> int:
        return self.opted.total()

    @property
    def unchanged(self) -> int:
        """Rows that changed nothing: already stored, or overruled by another row of the file."""
        return self.rows - self.rejected - self.changed - self.outdated

    @property
    def json(self) -> dict[str, Any]:
        return {
            "action": self.otherwise.action,
            "scope": self.scope,
            "rows": self.rows,
            "changed": self.changed,
            "opted_out": self.opted["out"],
            "opted_in": self.opted["in"],
            "unchanged": self.unchanged,
            "outdated": self.outdated,
            "rejected": self.rejected,
            "rejects_file": self.rejects_file,
            "detected": self.detected.as_json(),
            "reasons": dict(self.reasons.most_common()),
        }


@act("contacts.import", about="path")
async def import_preferences(
    engine: Engine,
    path: Path,
    options: IntakeOptions,
    action: Action,
    scope: Scope | None,
    source: str,
    *,
    rejects: Path | None = None,
    progress: Progress | None = None,
    now: Now = utc_now,
) -> ImportReport:
    """Add the file's new preferences to the log; bad rows go to `rejects`. A row may have its own preference in the
    columns of `campaigns.intake.preference_columns`; action, scope and source apply to rows without one.

    About ten thousand rows are stored at a time and are in force from then on: after an interruption, importing the
    same file continues where it stopped. Raises IntakeError if the file cannot be read.
    """
    from app.actions.loading import rejects_path, with_file_name_in_errors
    from campaigns.intake.model import RowPreference
    from campaigns.intake.read import open_intake
    from campaigns.intake.rejects import RejectsFile
    from scheduler.audience.file_threads import PART, WHOLE, in_thread

    place = rejects or rejects_path(path)
    otherwise = RowPreference(action, scope, now(), source)
    with with_file_name_in_errors(path):
        opened = partial(open_intake, path, replace(options, preference_defaults=otherwise))
        intake = await in_thread(opened, WHOLE)
        report = ImportReport(otherwise, intake.detected, intake.preference_columns)
        with RejectsFile(place, intake.detected) as file:
            chunks = intake.chunks()
            while (chunk := await in_thread(partial(next, chunks, None), PART)) is not None:
                preferences = _latest(chunk, path.name, otherwise)
                async with writing(engine) as connection:
                    preferences = await _of_all_numbers(connection, preferences)
                    results = await append_preferences(connection, list(preferences.values()))
                chunk = replace(chunk, rejects=intake.placed(chunk.rejects))
                report.count(chunk, preferences, results)
                file.write(chunk.rejects)
                if progress is not None:
                    progress(report.rows)
            report.rejects_file = file.keep()
    return report


def _latest(chunk: Chunk, name: str, otherwise: RowPreference) -> _Preferences:
    """For each phone and scope, the preference that wins within the chunk."""
    latest: _Preferences = {}
    place = f"{_storable(name)}, line"
    rows = zip(chunk.phones, chunk.lines, chunk.preferences or repeat(otherwise), strict=False)
    for phone, line, (action, asked, at, given_source, proof, dated) in rows:
        source = _source(given_source)
        evidence = _storable(proof) if proof else f"{place} {line}"
        for scope in _scopes(action, asked):
            last = latest.get((phone, scope))
            if last is None or comes_after(at, action, last.entry.at, last.entry.action):
                entry = LogEntry(phone, action, scope, at, source, evidence)
                latest[phone, scope] = NewPreference(entry, dated, line)
    return latest


async def _of_all_numbers(connection: Connection, preferences: _Preferences) -> _Preferences:
    """With those of the other numbers of these people."""
    everywhere = dict(preferences)
    others = await other_numbers(connection, {phone for phone, _ in preferences})
    for (phone, scope), one in preferences.items():
        for number in others.get(phone, ()):
            last = everywhere.get((number, scope))
            entry = replace(one.entry, phone=number)
            if last is None or comes_after(entry.at, entry.action, last.entry.at, last.entry.action):
                everywhere[number, scope] = one._replace(entry=entry)
    return everywhere


@lru_cache
def _source(text: str) -> str:
    return _storable(text)


@lru_cache
def _scopes(action: Action, scope: Scope | None) -> tuple[Scope, ...]:
    return StopWord(action, scope or usual_scope(action)).scopes


@act("contacts.opt", about="phone")
async def record_preference(
    engine: Engine,
    phone: str,
    preference: StopWord,
    source: str,
    evidence: str | None,
    *,
    now: Now = utc_now,
) -> Sequence[LogEntry]:
    """Opt one person out or in, even if they already are; returns the opt-outs now in force."""
    async with writing(engine) as connection:
        return await add_preference(connection, phone, preference, source, evidence, now())


async def add_preference(
    connection: Connection, phone: str, preference: StopWord, source: str, evidence: str | None, at: datetime
) -> Sequence[LogEntry]:
    """As `record_preference`, in the caller's transaction."""
    proof = _storable(evidence) if evidence else None
    numbers = [phone, *(await other_numbers(connection, [phone])).get(phone, ())]
    entries = [
        LogEntry(number, preference.action, scope, at, _storable(source), proof)
        for number in numbers
        for scope in preference.scopes
    ]
    await add_by_hand(connection, entries)
    return opt_outs_in_force(await log_of(connection, phone))


@act("contacts.link", about="phone")
async def link_user_id(
    engine: Engine, settings: Settings, account: str, user_id: str, phone: str, *, now: Now = utc_now
) -> Sequence[LogEntry]:
    """Record whose number a provider's user id of a person is: what they wrote and opted out of under the id alone is
    the number's from then on. Returns the number's opt-outs in force. Raises NotFound for an unknown account, and
    InvalidInput for a user id that cannot be one."""
    settings.account(account)
    if not USER_ID.fullmatch(user_id):
        raise InvalidInput(
            f"{user_id!r} is not a user id.",
            hint="drumbeat provider notices shows it, such as GB.3333333333333.",
        )
    if user_id_in(phone) is not None:
        raise InvalidInput(f"{phone!r} is not a number.", hint="Write it like +2290197000000.")
    async with writing(engine) as connection:
        await learn_numbers(connection, account, {user_id: phone}, now())
        return opt_outs_in_force(await log_of(connection, phone))


def number_of(text: str, default_country: str | None) -> str:
    """The phone in E.164. Raises InvalidInput if it is not a number."""
    country = find_country(default_country) if default_country else None
    if default_country and country is None:
        raise InvalidInput(
            f"{default_country!r} is not a country.",
            hint="Use the two letters of ISO 3166, for example --default-country GB.",
        )
    found = read_person(text, country, landlines=True)
    if isinstance(found, PhoneFault):
        lacks_country = found.code is RejectCode.PHONE_NO_COUNTRY
        hint = "Write it like +2290197000000"
        hint += ", or name its country: --default-country GB." if lacks_country else "."
        raise InvalidInput(f"{text!r} cannot be used: {found.reason}", hint=hint)
    return found.number


def _storable(text: str) -> str:
    return clean(text, LONGEST_TEXT)
