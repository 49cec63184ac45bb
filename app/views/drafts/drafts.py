"""Drafts as pages show them: the four steps to a campaign, and what each still needs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from app.actions.drafts.drafts import FILE, SIGNED, Draft, drafts_folder, is_draft_name, read_draft
from app.views.drafts.list_checks import known_check
from app.wiring.databases import snapshot
from app.wiring.settings import Settings
from campaigns.errors import Fault, NotFound
from campaigns.frozen import frozen
from campaigns.states import CampaignState
from storage.audience.campaigns import loaded_campaigns
from storage.database.engine import Engine

MOST: Final = 200
"""Drafts that are listed, the newest first."""
TITLES: Final = {"list": "List", "message": "Message", "rules": "Rules", "review": "Review"}
_STEP_OF_KEY: Final = {
    "audience": "list",
    **dict.fromkeys(("provider", "senders", "category", "content", "variants", "winner"), "message"),
}
"""Keys of the campaign file -> the step that asks for them; all others are rules."""


@frozen
class Step:
    """One of the four steps to a campaign."""

    key: str
    title: str
    done: bool
    missing: str
    """What is wrong or still to be done; empty if it is done."""


@frozen
class DraftRow:
    """A draft in the list of drafts."""

    name: str
    changed_at: datetime
    changed_by: str
    steps: Sequence[Step]
    campaign: CampaignState | None = None
    """The state of the campaign that it has become; None: it is not loaded yet."""


async def list_drafts(settings: Settings) -> list[DraftRow]:
    """The newest drafts."""
    return await asyncio.to_thread(lambda: _rows(settings, _newest(settings)))


async def drafts_with_campaigns(engine: Engine, settings: Settings) -> list[DraftRow]:
    """The newest drafts, each with the state of its campaign."""
    rows = await list_drafts(settings)
    async with snapshot(engine) as connection:
        loaded = await loaded_campaigns(connection, [row.name for row in rows])
    return [replace(row, campaign=loaded.get(row.name)) for row in rows]


async def unsent_drafts(engine: Engine, settings: Settings, most: int) -> list[DraftRow]:
    """The newest drafts that are not loaded as a campaign yet."""
    newest = await asyncio.to_thread(_newest, settings)
    async with snapshot(engine) as connection:
        loaded = await loaded_campaigns(connection, [name for name, _ in newest])
    shown = [each for each in newest if each[0] not in loaded][:most]
    return await asyncio.to_thread(_rows, settings, shown)


def steps_of(draft: Draft) -> tuple[Step, ...]:
    """The steps with what each still needs."""
    needs = {"list": _list_needs(draft), "message": _message_needs(draft), "rules": _rules_need(draft)}
    is_ready = draft.spec is not None and not needs["list"]
    needs["review"] = "Check everything, and send." if is_ready else "Complete the other steps first."
    return tuple(Step(key, title, not needs[key], needs[key]) for key, title in TITLES.items())


def step_of(fault: Fault) -> str:
    """The step in which this fault is mended."""
    return _STEP_OF_KEY.get(str(fault.key[0]), "rules") if fault.key else "rules"


def draft_names(settings: Settings) -> list[str]:
    """The names of all drafts."""
    folder = drafts_folder(settings)
    return [path.name for path in folder.iterdir() if is_draft_name(path.name)] if folder.is_dir() else []


def _newest(settings: Settings) -> list[tuple[str, float]]:
    """Names, and when each was changed, in seconds; MOST of them at most."""
    changed = [
        (name, at) for name in draft_names(settings) if (at := _changed_at(settings, name)) is not None
    ]
    return sorted(changed, key=lambda each: each[1], reverse=True)[:MOST]


def _rows(settings: Settings, drafts: Sequence[tuple[str, float]]) -> list[DraftRow]:
    return [row for name, at in drafts if (row := _row(settings, name, at)) is not None]


def _changed_at(settings: Settings, name: str) -> float | None:
    """None: it was deleted meanwhile."""
    try:
        return (drafts_folder(settings) / name / FILE).lstat().st_mtime
    except OSError:
        return None


def _row(settings: Settings, name: str, changed_at: float) -> DraftRow | None:
    try:
        draft = read_draft(settings, name)
        by = (draft.folder / SIGNED).read_text(encoding="utf-8")
    except NotFound:
        return None
    except OSError:
        by = ""
    return DraftRow(name, datetime.fromtimestamp(changed_at, UTC), by, steps_of(draft))


def _list_needs(draft: Draft) -> str:
    if draft.list_path is None:
        return "Upload a list."
    check = known_check(draft)
    if check is not None and check.problem is not None:
        return check.problem.message
    if check is not None and check.too_many:
        return "Too many of its rows are bad."
    return _first(draft, "list")


def _message_needs(draft: Draft) -> str:
    if "content" not in draft.data and "variants" not in draft.data:
        return "Write the message."
    return _first(draft, "message")


def _rules_need(draft: Draft) -> str:
    """They have defaults, so they need no more than a look."""
    if all(step_of(Fault((key,), "")) != "rules" for key in draft.data if key != "name"):
        return "Say when it is sent, or keep what is usual."
    return _first(draft, "rules")


def _first(draft: Draft, step: str) -> str:
    """The first fault of that step."""
    if draft.problem is not None and not draft.faults:
        return str(draft.problem)
    return next((fault.message for fault in draft.faults if step_of(fault) == step), "")
