"""Meta's updates about our templates, numbers and account, and what they mean for sending.

From Meta's webhook references of account_update, message_template_status_update, template_category_update,
business_capability_update and phone_number_quality_update, as of May 2026.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import orjson

from providers.events import Effect, Notice
from providers.meta.limits import people_in
from providers.values import first_text, moment, table, tables

SUBJECTS: Final = {
    "account_alerts": "entity_id",
    "account_review_update": "decision",
    "account_update": "event",
    "business_capability_update": "max_daily_conversations_per_business",
    "message_template_components_update": "message_template_name",
    "message_template_quality_update": "message_template_name",
    "message_template_status_update": "message_template_name",
    "phone_number_name_update": "display_phone_number",
    "phone_number_quality_update": "display_phone_number",
    "template_category_update": "message_template_name",
}
"""The updates, and what each is about."""
_TEMPLATE: Final = "message_template_status_update"
_CATEGORY: Final = "template_category_update"
_ACCOUNT: Final = "account_update"
EFFECTS: Final[dict[tuple[str, str], Effect]] = {
    **{
        (_TEMPLATE, event): Effect.TEMPLATE_STOPPED
        for event in (
            *("PAUSED", "DISABLED", "REJECTED", "PENDING_DELETION", "DELETED", "ARCHIVED", "LOCKED"),
        )
    },
    **{(_TEMPLATE, event): Effect.TEMPLATE_BACK for event in ("APPROVED", "REINSTATED", "UNARCHIVED")},
    **{
        (_ACCOUNT, event): Effect.ACCOUNT_STOPPED
        for event in ("ACCOUNT_DELETED", "ACCOUNT_OFFBOARDED", "PARTNER_REMOVED", "PARTNER_APP_UNINSTALLED")
    },
}
"""The events that stop sending, and those that end that for a template. FLAGGED means that a template may be disabled
soon, but it can still be sent."""
UNDOES: Final = {
    "ACCOUNT_RECONNECTED": "ACCOUNT_OFFBOARDED",
    "PARTNER_ADDED": "PARTNER_REMOVED",
    "PARTNER_APP_INSTALLED": "PARTNER_APP_UNINSTALLED",
}
"""The account's events that end the effect of another one."""
BANS: Final = {"DISABLE": Effect.ACCOUNT_STOPPED, "REINSTATE": Effect.ACCOUNT_BACK}
"""What `waba_ban_state` of a DISABLED_UPDATE means. SCHEDULE_FOR_DISABLE is a warning."""
RESTRICTIONS: Final = {
    "RESTRICTED_BIZ_INITIATED_MESSAGING": Effect.TEMPLATES_RESTRICTED,
    "RESTRICTED_CUSTOMER_INITIATED_MESSAGING": Effect.FREE_FORM_RESTRICTED,
}
"""What a type of an ACCOUNT_RESTRICTION means. Restrictions of calls, new numbers or new templates do not stop
messages."""
LIMIT: Final = "max_daily_conversations_per_business"
LIMITS: Final = ("business_capability_update", "phone_number_quality_update")
"""The updates that may name the portfolio's messaging limit; where a number's throughput is raised, it is not that."""
LONGEST_NOTICE: Final = 500


def notice_of(
    field: str, value: dict[str, Any], at: datetime | None, ours: str | None, entry_id: str | None
) -> Notice:
    """One update. `ours`: the id of our WhatsApp business account, if it is known: what an update says of another one,
    of the same app or partner, has no effect. `entry_id`: of the entry it came in; with an update about a template,
    the account's."""
    subject = SUBJECTS[field]
    event = first_text(value.get("event")) or ""
    undoes = UNDOES.get(event) if field == _ACCOUNT else None
    effect = Effect.ACCOUNT_BACK if undoes else _effect(field, event, value)
    return Notice(
        field,
        str(value.get(subject) or ""),
        _text(value, subject),
        at,
        effect if _is_ours(value, ours, entry_id if "template" in field else None) else None,
        first_text(value.get("message_template_language")),
        _changed_to(effect, event, value),
        undoes,
    )


def _changed_to(effect: Effect | None, event: str, value: dict[str, Any]) -> str | None:
    match effect:
        case Effect.TEMPLATE_STOPPED:
            return event
        case Effect.TEMPLATE_BACK:
            return "APPROVED"
        case Effect.CATEGORY_CHANGED:
            return (first_text(value.get("new_category")) or "").lower()
        case Effect.LIMIT_CHANGED:
            return str(people_in(value.get(LIMIT)))
        case _:
            return None


def _is_ours(value: dict[str, Any], ours: str | None, entry_id: str | None) -> bool:
    about = first_text(table(value.get("waba_info")).get("waba_id"), entry_id)
    return about is None or ours is None or about == ours


def _effect(field: str, event: str, value: dict[str, Any]) -> Effect | None:
    if field == _ACCOUNT and event == "DISABLED_UPDATE":
        state = first_text(table(value.get("ban_info")).get("waba_ban_state"))
        return Effect.ACCOUNT_STOPPED if state is None else BANS.get(state)
    if field == _ACCOUNT and event == "ACCOUNT_RESTRICTION":
        return _restricted(tables(value.get("restriction_info")))
    if field == _CATEGORY:
        # 24 hours ahead, `new_category` is still the present one, and `correct_category` the one to come.
        is_warning = first_text(value.get("correct_category")) is not None
        return (
            None if is_warning or first_text(value.get("new_category")) is None else Effect.CATEGORY_CHANGED
        )
    if field in LIMITS and event != "THROUGHPUT_UPGRADE" and people_in(value.get(LIMIT)) is not None:
        return Effect.LIMIT_CHANGED
    return EFFECTS.get((field, event))


def _restricted(restrictions: list[dict[str, Any]]) -> Effect | None:
    types = {RESTRICTIONS.get(first_text(each.get("restriction_type")) or "") for each in restrictions}
    found = [effect for effect in types if effect is not None]
    return Effect.ACCOUNT_STOPPED if len(found) == 2 or not restrictions else next(iter(found), None)


def _text(value: dict[str, Any], subject: str) -> str:
    """All fields of an update except its subject, on one line."""
    fields = {name: part for name, part in value.items() if name not in (subject, "metadata", "field")}
    if "restriction_info" in fields:
        fields["restriction_info"] = "; ".join(map(_restriction, tables(fields["restriction_info"])))
    if at := moment(fields.get("category_update_timestamp")):
        fields["category_update_timestamp"] = _shown(at)
    texts = ((name, _plain(part)) for name, part in fields.items())
    return ", ".join(f"{name}: {text}" for name, text in texts)[:LONGEST_NOTICE]


def _restriction(restriction: dict[str, Any]) -> str:
    until = moment(restriction.get("expiration"))
    return f"{restriction.get('restriction_type')}" + (f" until {_shown(until)}" if until else "")


def _shown(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _plain(part: Any) -> str:
    return part if isinstance(part, str) else orjson.dumps(part).decode()
