"""From the form of the rules step to the keys of the campaign file. What the form does not show stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from campaigns.rules.decision import DAYS
from web.pages.draft_fields import (
    Changes,
    Fields,
    Form,
    boxes,
    list_of,
    number_of,
    numbers_of,
    scalars,
    table_rows,
    text_of,
)

Reader = Callable[[str], Any]
NOW, AT, CRON, EVERY = "now", "at", "cron", "every"
NONE, ALLOW, QUIET, PRESET = "none", "allow", "quiet", "preset"
_RECURRING: Final = ("schedule.starts_at", "schedule.max_runs", "schedule.overlap")
_BELONGS: Final = {
    NOW: ("schedule.timezone",),
    AT: ("schedule.at", "schedule.timezone", "schedule.recipient_local_time", "schedule.catch_up"),
    CRON: (
        "schedule.cron",
        "schedule.timezone",
        "schedule.recipient_local_time",
        "schedule.catch_up",
        *_RECURRING,
    ),
    EVERY: (
        "schedule.every",
        "schedule.timezone",
        "schedule.recipient_local_time",
        "schedule.catch_up",
        *_RECURRING,
    ),
}
"""The keys of each way to begin; those of the others go with it."""
_WHEN: Final[dict[str, Reader]] = {
    **dict.fromkeys(("at", "cron", "every", "timezone", "starts_at", "catch_up", "overlap"), text_of),
    "max_runs": number_of,
}
_HOURS: Final = {
    NONE: (),
    ALLOW: ("hours.allow", "hours.days"),
    QUIET: ("hours.quiet", "hours.days"),
    PRESET: ("hours.preset",),
}
_PLAIN: Final[dict[str, Reader]] = {
    "schedule.ends_at": text_of,
    "schedule.expires_after": text_of,
    "pace.delay_between": number_of,
    "pace.rate": text_of,
    "pace.jitter": text_of,
    "pace.ramp": numbers_of,
    "pace.contact_gap": text_of,
    "breaker.percent": number_of,
    "breaker.of_last": number_of,
    "priority": number_of,
    "tags": list_of,
}
_CAP: Final[dict[str, Reader]] = {
    "max": number_of,
    **dict.fromkeys(("per", "on_cap", "category", "tag", "channel"), text_of),
}
_BUDGET: Final = ("max", "per_day", "per_month")


def when_of(fields: Fields) -> str:
    """The way in which it begins."""
    return next((way for way in (AT, CRON, EVERY) if fields.raw(f"schedule.{way}") is not None), NOW)


def hours_of(fields: Fields) -> str:
    given = [way for way in (PRESET, QUIET, ALLOW) if fields.raw(f"hours.{way}") is not None]
    return given[0] if given else ALLOW if fields.raw("hours") else NONE


def changes_of(form: Form, data: dict[str, Any]) -> Changes:
    """What the form changes in the campaign file that has these data."""
    old = Fields(data)
    changes = scalars(form, _PLAIN, old)
    changes |= boxes(form, {"obeys_caps": True, "counts_toward_caps": True}, old)
    changes |= _schedule(form, old)
    changes |= _hours(form, old)
    changes |= _budget(form, old)
    changes |= _consent(form, old)
    changes |= _holdout(form, old)
    if "caps[0].max" in form:
        silent = ("on_cap", "category")
        changes["caps"] = table_rows(form, "caps", _CAP, old, silent, defaults={"on_cap": "skip"}) or None
    return changes


def _schedule(form: Form, old: Fields) -> Changes:
    way = form.get("when")
    if way not in _BELONGS:
        return {}
    changes: Changes = {}
    for name, read in _WHEN.items():
        key = f"schedule.{name}"
        if key in _BELONGS[way]:
            changes |= scalars(form, {key: read}, old, {"schedule.overlap": "skip"})
        elif old.raw(key) is not None:
            changes[key] = None
    local = "schedule.recipient_local_time"
    if local in _BELONGS[way]:
        changes |= boxes(form, {local: False}, old)
    elif old.raw(local) is not None:
        changes[local] = None
    if way == AT and old.raw("schedule.catch_up") is not None and not Fields(old.data, changes).on(local):
        changes["schedule.catch_up"] = None
    if way in (AT, CRON, EVERY) and not form.get(f"schedule.{way}", "").strip():
        changes[f"schedule.{way}"] = ""
    return changes


def _hours(form: Form, old: Fields) -> Changes:
    way = form.get("hours-way")
    if way not in _HOURS:
        return {}
    if way == NONE and not form.get("hours.holidays", "").strip():
        return {"hours": None} if old.raw("hours") is not None else {}
    changes = scalars(form, {"hours.holidays": list_of}, old)
    for name in (ALLOW, QUIET, PRESET):
        key = f"hours.{name}"
        if key in _HOURS[way]:
            changes |= scalars(form, {key: text_of if name == PRESET else _spans}, old)
            if not form.get(key, "").strip() and (name != ALLOW or not _has_other_hours(form)):
                changes[key] = ""
        elif old.raw(key) is not None:
            changes[key] = None
    given = None if way in (NONE, PRESET) else _some_days(form)
    if given != old.raw("hours.days"):
        changes["hours.days"] = given
    return changes


def _has_other_hours(form: Form) -> bool:
    """Whether the form has days or holidays, which need no time of the day."""
    return _some_days(form) is not None or bool(form.get("hours.holidays", "").strip())


def _some_days(form: Form) -> list[str] | None:
    """The days that were chosen; None: all of them."""
    days = [day for day in DAYS if f"hours.days[{day}]" in form]
    return None if len(days) in (0, len(DAYS)) else days


def _spans(text: str) -> str | list[str] | None:
    found = list_of(text)
    return found[0] if found and len(found) == 1 else found


def _budget(form: Form, old: Fields) -> Changes:
    names = [f"budget.{name}" for name in _BUDGET]
    if not any(name in form for name in names):
        return {}
    if not any(form.get(name, "").strip() for name in names):
        return {"budget": None} if old.raw("budget") is not None else {}
    return scalars(form, dict.fromkeys(("budget.currency", *names), text_of), old)


def _consent(form: Form, old: Fields) -> Changes:
    """A list that says who agreed is reason enough to ask for it, so there "not needed" is written down."""
    if "has-consent" not in form:
        return {}
    was = needs_consent(old)
    if "consent" not in form:
        if not was:
            return {}
        return {"consent": {"required": False} if old.raw("audience.consent") else None}
    changes = scalars(form, {"consent.max_age": text_of}, old)
    return changes if was else {"consent.required": True, **changes}


def needs_consent(fields: Fields) -> bool:
    if fields.raw("consent") is not None:
        return fields.on("consent.required", True)
    return bool(fields.raw("audience.consent"))


def _holdout(form: Form, old: Fields) -> Changes:
    if "holdout.percent" not in form:
        return {}
    if not form["holdout.percent"].strip():
        return {"holdout": None} if old.raw("holdout") is not None else {}
    return scalars(form, {"holdout.percent": number_of, "holdout.salt": text_of}, old)
