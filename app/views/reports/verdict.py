"""A campaign's state and result in one sentence."""

from __future__ import annotations

from app.views.reports.parts import Asked
from campaigns.figures import counted, percent
from campaigns.states import CampaignState, JobState
from storage.views.reports import Delivery

S = JobState
_LOST = {
    S.FAILED: "failed",
    S.SKIPPED: "skipped",
    S.EXPIRED: "expired",
    S.CANCELLED: "cancelled",
    S.IN_DOUBT: "in doubt",
}


def verdict_on(asked: Asked, found: Delivery) -> str:
    """One sentence, with what needs attention."""
    campaign = asked.campaign
    if not found.runs and campaign.state not in (CampaignState.CANCELLED, CampaignState.COMPLETED):
        return f"Not sent yet: {counted(found.jobs, 'recipient')} {'waits' if found.jobs == 1 else 'wait'}."
    match campaign.state:
        case CampaignState.PAUSED:
            return f"Paused ({campaign.reason or 'by a person'}): {_progress(found)}."
        case CampaignState.CANCELLED:
            return f"Cancelled: {_result(found)}."
        case CampaignState.RUNNING if _unsent(found):
            return f"Sending: {_progress(found)}."
        case CampaignState.RUNNING if found.awaiting:
            return f"All sent, and receipts still come in: {_result(found)}."
        case CampaignState.RUNNING if found.states.get(S.IN_DOUBT):
            return f"All sent, and it is open what became of messages in doubt: {_result(found)}."
        case CampaignState.SCHEDULED if asked.runs is None:
            return f"Waits for its next run; so far: {_result(found)}."
        case _:
            return f"Finished: {_result(found)}."


def _unsent(found: Delivery) -> int:
    return found.states.get(S.PENDING, 0) + found.states.get(S.SENDING, 0)


def _progress(found: Delivery) -> str:
    unsent = _unsent(found)
    done = found.jobs - unsent
    share = percent(done / found.jobs if found.jobs else None)
    arrived = _arrived(found)
    return f"{done:,} of {counted(found.jobs, 'message')} done ({share}), {arrived:,} delivered, {unsent:,} to go"


def _result(found: Delivery) -> str:
    arrived, whole = _arrived(found), found.jobs if len(found.runs) > 1 else found.rows
    noun = "message" if len(found.runs) > 1 else "row"
    parts = [
        f"{arrived:,} of {counted(whole, noun)} delivered ({percent(arrived / whole if whole else None)})"
    ]
    parts += [f"{found.awaiting:,} awaiting a receipt"] if found.awaiting else []
    for state, name in _LOST.items():
        parts += [f"{found.states[state]:,} {name}"] if found.states.get(state) else []
    parts += [f"{found.rejected:,} rejected"] if found.rejected else []
    return ", ".join(parts)


def _arrived(found: Delivery) -> int:
    return found.states.get(S.DELIVERED, 0) + found.states.get(S.READ, 0)
