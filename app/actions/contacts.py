"""Opt-outs and opt-ins, by hand and in bulk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache, partial
from itertools import repeat
from pathlib import Path
from typing import Any, Final

from app.actions.loading import Progress, named_in_errors, rejects_path
from campaigns.errors import InvalidInput
from campaigns.intake.model import Chunk, Detected, IntakeOptions, Reject, RowPreference
from campaigns.intake.read import open_intake
from campaigns.intake.rejects import RejectsFile
from campaigns.phones.phone import PhoneFault, is_country, read_phone
from campaigns.phones.stop_words import Action, Scope, StopWord, comes_after, usual_scope
from campaigns.time.clock import Now, utc_now
from campaigns.untrusted import LONGEST_TEXT, clean
from scheduler.audience.file_threads import PART, WHOLE, aside
from storage.database.engine import Connection, Engine, writing
from storage.sending.optouts import Fate, LogEntry, NewPreference, add_by_hand, append_news, log_of

SHOWN_REJECTS: Final = 5
"""Rejected rows of a list that are shown at once."""
_Words = dict[tuple[str, Scope], NewPreference]


@dataclass
class ImportReport:
    """What became of a file's rows: rows = changed + unchanged + outdated + rejected."""

    otherwise: RowPreference
    """What held for rows that do not say it."""
    detected: Detected
    columns: Sequence[str] = ()
    """The columns in which rows say more than their number, as the file spells them."""
    rows: int = 0
    opted: Counter[Action] = field(default_factory=Counter)
    """Rows that were news of their person, by what they say."""
    outdated: int = 0
    """Rows of people who have said the other thing since, of one scope at least."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Reject code -> rows."""
    first_rejects: list[Reject] = field(default_factory=list)
    rejects_file: Path | None = None

    def count(self, chunk: Chunk, words: _Words, fates: Sequence[Fate]) -> None:
        """Add a chunk and what became of its words."""
        self.rows += chunk.rows
        self.reasons.update(reject.code.value for reject in chunk.rejects)
        self.first_rejects += chunk.rejects[: SHOWN_REJECTS - len(self.first_rejects)]
        told = partial(zip, words.values(), fates, strict=True)
        outdated = {word.line for word, fate in told() if fate is Fate.OUTDATED}
        news = {word.line: word.entry.action for word, fate in told() if fate is Fate.NEWS}
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
        """Rows of people who had said that already, or say it or the other thing in another row."""
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
            "detected": {
                "encoding": self.detected.encoding,
                "delimiter": self.detected.delimiter,
                "phone_column": self.detected.phone_column,
            },
            "reasons": dict(self.reasons.most_common()),
        }


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
    """Add to the log what the file's rows say that is news of their people; bad rows go to `rejects`. A row says it in
    the columns of `campaigns.intake.preference_columns`; action, scope and source are those of rows that do not.

    Some ten thousand rows are stored at a time and hold from then on: after an interruption the same file goes on where
    it stopped. Raises IntakeError where the file cannot be read.
    """
    place = rejects or rejects_path(path)
    otherwise = RowPreference(action, scope, now(), source)
    with named_in_errors(path):
        intake = await aside(
            partial(open_intake, path, replace(options, preference_defaults=otherwise)), WHOLE
        )
        report = ImportReport(otherwise, intake.detected, intake.preference_columns)
        with RejectsFile(place, intake.detected) as file:
            chunks = intake.chunks()
            while (chunk := await aside(partial(next, chunks, None), PART)) is not None:
                words = _words(chunk, path.name, otherwise)
                async with writing(engine) as connection:
                    fates = await append_news(connection, list(words.values()))
                report.count(chunk, words, fates)
                file.write(chunk.rejects)
                if progress is not None:
                    progress(report.rows)
            report.rejects_file = file.keep()
    return report


def _words(chunk: Chunk, name: str, otherwise: RowPreference) -> _Words:
    """Of each phone and scope the word that holds among the chunk's."""
    words: _Words = {}
    place = f"{_storable(name)}, line"
    rows = zip(chunk.phones, chunk.lines, chunk.preferences or repeat(otherwise), strict=False)
    for phone, line, (action, asked, at, said_by, proof, dated) in rows:
        source = _source(said_by)
        evidence = _storable(proof) if proof else f"{place} {line}"
        for scope in _scopes(action, asked):
            last = words.get((phone, scope))
            if last is None or comes_after(at, action, last.entry.at, last.entry.action):
                entry = LogEntry(phone, action, scope, at, source, evidence)
                words[phone, scope] = NewPreference(entry, dated, line)
    return words


@lru_cache
def _source(text: str) -> str:
    return _storable(text)


@lru_cache
def _scopes(action: Action, scope: Scope | None) -> tuple[Scope, ...]:
    return StopWord(action, scope or usual_scope(action)).scopes


async def record_preference(
    engine: Engine,
    phone: str,
    word: StopWord,
    source: str,
    evidence: str | None,
    *,
    now: Now = utc_now,
) -> Sequence[LogEntry]:
    """Opt one person out or in by hand, even where they are already; what now keeps them out."""
    async with writing(engine) as connection:
        return await add_preference(connection, phone, word, source, evidence, now())


async def add_preference(
    connection: Connection, phone: str, word: StopWord, source: str, evidence: str | None, at: datetime
) -> Sequence[LogEntry]:
    """As `record_preference`, in the caller's transaction."""
    proof = _storable(evidence) if evidence else None
    entries = [LogEntry(phone, word.action, scope, at, _storable(source), proof) for scope in word.scopes]
    await add_by_hand(connection, entries)
    return opt_outs_in_force(await log_of(connection, phone))


def opt_outs_in_force(log: Sequence[LogEntry]) -> list[LogEntry]:
    """The entries of one person's log that keep them out: of each scope the newest, where it is an opt-out."""
    newest = {entry.scope: entry for entry in log}
    return [entry for entry in newest.values() if entry.action == "out"]


def number_of(text: str, default_country: str | None) -> str:
    """The phone in E.164. Raises InvalidInput where it is no number."""
    country = default_country.upper() if default_country else None
    if country is not None and not is_country(country):
        raise InvalidInput(
            f"{default_country!r} is not a country.",
            hint="Use the two letters of ISO 3166, for example --default-country GB.",
        )
    found = read_phone(text, country, landlines=True)
    if isinstance(found, PhoneFault):
        raise InvalidInput(f"{text!r} is no phone number: {found.reason}", hint="Write it like +22901970000.")
    return found.number


def _storable(text: str) -> str:
    return clean(text, LONGEST_TEXT)
