"""The people whom a campaign did not reach, as a list that a new campaign can load: the list's own columns, and why."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from app.views.messages import ENDED
from app.views.reports.parts import find_asked
from campaigns.frozen import frozen
from campaigns.intake.defuse import for_rejects
from campaigns.intake.model import REJECT_COLUMNS
from campaigns.intake.names import fold
from campaigns.states import JobState
from campaigns.time.period import ALWAYS, Period
from storage.audience.campaigns import Campaign
from storage.database.engine import Connection
from storage.views.recipient_rows import ListedFile, files_of_recipients, stream_recipients
from storage.views.reports import delivery

WHY: Final = REJECT_COLUMNS[2:]
"""The columns that are added: a load leaves them out, and restores cells that were made safe to open."""


@frozen
class NotReached:
    """Whom no run reached. `columns` are the list's own; each row has them under `row`, beside the report's keys."""

    columns: Sequence[str]
    rows: AsyncIterator[dict[str, Any]]
    in_doubt: int
    """Messages that may have arrived: these people are left out."""
    rejected: int
    """Rows that never became recipients: they are in the rejects file."""

    @property
    def header(self) -> list[str]:
        """Of a file that can be loaded."""
        return [*map(for_rejects, self.columns), *WHY]

    def cells(self, found: Mapping[str, Any]) -> list[str]:
        """A row of a file that can be loaded, and is safe to open in a spreadsheet."""
        code = found["code"] or found["reason"] or str(found["state"])
        means = ENDED.get(found["reason"] or "", "")
        return [for_rejects(cell) for cell in (*found["row"].values(), code, means)]


async def not_reached(
    connection: Connection,
    name: str,
    run_id: int | None,
    now: datetime,
    period: Period = ALWAYS,
    limit: int | None = None,
) -> NotReached:
    """The people whose every message ended without arriving, or the first `limit` of them, each once. Raises
    NotFound."""
    asked = await find_asked(connection, name, run_id, period)
    campaign = asked.campaign
    found = await delivery(connection, campaign, asked.runs)
    columns = _columns(campaign, await files_of_recipients(connection, campaign.id))

    people = stream_recipients(connection, campaign, asked.runs, not_reached=True, limit=limit)

    async def rows() -> AsyncIterator[dict[str, Any]]:
        async for job in people:
            vars, send_at = job.pop("vars"), job.pop("send_at")
            if send_at is not None and send_at <= now:
                vars["send_at"] = ""  # its own time has passed: with it the row could not be loaded
            row = {
                column: job["phone"] if key is None else vars.get(key, "") for column, key in columns.items()
            }
            yield {**job, "row": row}

    return NotReached(list(columns), rows(), found.states.get(JobState.IN_DOUBT, 0), found.rejected)


def _columns(campaign: Campaign, files: Sequence[ListedFile]) -> dict[str, str | None]:
    """Each column of the lists, in their spelling and order, and its variable; None: the phone number."""
    given = campaign.spec.audience.map
    variables = {fold(column): fold(name) for column, name in given.items()}
    found: dict[str, str | None] = {}
    for file in files or [ListedFile("phone", ("phone",), ())]:
        for column in file.columns if file.columns is not None else _guessed(file, given):
            is_phone = fold(column) == fold(file.phone_column)
            variable = None if is_phone else variables.get(fold(column), fold(column))
            if column and fold(column) not in REJECT_COLUMNS and variable not in found.values():
                found[column] = variable
    return found


def _guessed(file: ListedFile, given: Mapping[str, str]) -> list[str]:
    """The columns of a file whose header was not stored: its number is `phone` to the message, whatever its column."""
    spelled = {fold(name): column for column, name in given.items()}
    return [file.phone_column, *(spelled.get(name, name) for name in file.variables if name != "phone")]
