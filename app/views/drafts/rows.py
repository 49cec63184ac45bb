"""The rows of a draft's list, to show its message to a person with: read once, then kept by who calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final

import orjson
from pydantic import ValidationError

from app.actions.drafts.drafts import Draft
from campaigns.errors import SpecError
from campaigns.frozen import frozen
from campaigns.intake.model import REJECT_COLUMNS
from campaigns.intake.names import fold
from campaigns.intake.read import open_intake
from campaigns.spec.campaign_spec import AudienceSpec
from scheduler.audience.file_threads import WHOLE, in_thread

MOST: Final = 20_000
"""Rows that are looked at, from the first."""


@frozen
class ListRow:
    """One accepted row."""

    line: int
    phone: str
    vars: str
    """JSON: folded name -> text."""


@frozen
class Column:
    """A column that a message may use."""

    name: str
    """As the list spells it."""
    variable: str
    """As the message writes it between braces."""


@frozen
class ListRows:
    columns: Sequence[Column]
    rows: Sequence[ListRow]
    whole: bool
    """Whether these are all."""

    @cached_property
    def blanks(self) -> Mapping[str, int]:
        """In how many rows each variable is blank."""
        empty = (name for row in self.rows for name, text in orjson.loads(row.vars).items() if not text)
        return Counter(empty)


async def read_rows(draft: Draft) -> ListRows | None:
    """The rows that a load would accept, but for what the message makes of them; None: there is no list. Raises
    SpecError, IntakeError."""
    if draft.list_path is None:
        return None
    try:
        audience = AudienceSpec.model_validate(
            draft.data.get("audience", {}), context={"folder": draft.folder}
        )
    except ValidationError as error:
        raise SpecError("How the list is read is not settled yet: see the first step.") from error
    return await in_thread(lambda: _read(draft, audience), WHOLE)


class RecentRows:
    """The rows of the lists that were looked at last, so that a preview does not read the file each time."""

    def __init__(self, most: int = 4) -> None:
        self._most = most
        self._kept: dict[object, ListRows | None] = {}

    async def of(self, draft: Draft) -> ListRows | None:
        """As `read_rows`."""
        if draft.list_path is None:
            return None
        state = draft.list_path.stat()
        key = (draft.list_path, repr(draft.data.get("audience")), state.st_mtime_ns, state.st_size)
        if key not in self._kept:
            rows = await read_rows(draft)
            while len(self._kept) >= self._most:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = rows
        return self._kept[key]


def _read(draft: Draft, audience: AudienceSpec) -> ListRows:
    assert draft.list_path is not None  # noqa: S101
    intake = open_intake(draft.list_path, audience.options(frozenset(), None))
    rows: list[ListRow] = []
    whole = True
    for chunk in intake.chunks():
        room = MOST - len(rows)
        whole = whole and len(chunk.lines) <= room
        rows += map(ListRow, chunk.lines[:room], chunk.phones[:room], chunk.vars[:room])
        if not whole:
            break
    renamed = {fold(column): fold(name) for column, name in audience.map.items()}
    columns = [
        Column(name, renamed.get(fold(name), fold(name)))
        for name in intake.detected.header
        if name and name != intake.detected.phone_column and fold(name) not in REJECT_COLUMNS
    ]
    return ListRows(columns, rows, whole)
