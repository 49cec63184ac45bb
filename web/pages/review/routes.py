"""The review step, and sending what it shows."""

from __future__ import annotations

import asyncio
import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Final

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.actions.drafts.drafts import FILE, Draft, StaleDraft
from app.actions.drafts.sending import Sent, review_key, send_draft
from app.views.drafts.drafts import steps_of
from app.views.drafts.review import Refused, Review, review_draft, state_of
from app.views.messages import ENDED, FORESEEN
from campaigns.figures import counted
from campaigns.states import CampaignState
from web.look.environment import moment, wall_time
from web.pages.draft_steps import address_of, draft_of, form_fields, step_page
from web.pages.site import done, site_of

PATIENCE: Final = 2.0
"""Seconds that a page waits for a review before it shows that it is under way."""
KEPT: Final = 120.0
"""Seconds for which a review of the same file and list holds; opt-outs and the like may change meanwhile."""
SIGNS: Final = {"EUR": "€", "USD": "$", "GBP": "£", "INR": "₹", "BRL": "R$"}
_CENT: Final = Decimal("0.01")


async def show(request: Request) -> Response:
    draft = await draft_of(request)
    if draft.spec is None or draft.list_path is None:
        return _unfinished(request, draft)
    review = await _review(request, draft)
    site = site_of(request)
    stored = await state_of(site.engine, draft.name)
    response = step_page(
        request,
        draft,
        "review",
        "pages/review/review.html",
        stored=stored,
        second_person=site.settings.second_person,
        **_values(review),
    )
    if review is None:
        response.headers["Refresh"] = "2"
    return response


async def send(request: Request) -> Response:
    draft, form = await draft_of(request), await form_fields(request)
    site = site_of(request)
    try:
        sent = await send_draft(
            site.engine, site.settings, draft.name, form.get("key", ""), start="load" not in form
        )
    except StaleDraft as error:
        return done(request, address_of(draft.name, "review"), f"Nothing was sent. {error.hint}")
    return done(request, f"/campaigns/{sent.campaign}", _what_happened(sent))


def _unfinished(request: Request, draft: Draft) -> Response:
    missing = [step for step in steps_of(draft) if step.missing and step.key != "review"]
    return step_page(request, draft, "review", "pages/review/unfinished.html", missing=missing)


async def _review(request: Request, draft: Draft) -> Review | Refused | None:
    """None: it is still being counted."""
    site = site_of(request)
    key = ("review", draft.folder, await asyncio.to_thread(review_key, draft))
    reading = site.cached(key, lambda: review_draft(site.engine, site.settings, draft), KEPT)
    try:
        return await asyncio.wait_for(reading, PATIENCE)
    except TimeoutError:
        return None


def _values(review: Review | Refused | None) -> dict[str, Any]:
    ready = review if isinstance(review, Review) else None
    return {
        "review": ready,
        "refused": review if isinstance(review, Refused) else None,
        "problems": _problems(review.problem) if isinstance(review, Refused) else [],
        "reasons": {**ENDED, **FORESEEN},
        "money": money,
        "ceiling": ceiling_of(ready) if ready else "",
        "button": button_of(ready) if ready else "",
        "mixed": ready is not None and len(ready.forms) > 1,
    }


def _problems(text: str) -> list[str]:
    """Each problem by itself, without the line of a file that nobody looks at here."""
    lines = (re.sub(rf"^{re.escape(FILE)}(, line \d+)?: ", "", line) for line in text.split("\n"))
    return [line for line in lines if line]


def money(amount: Decimal, currency: str, *, up: bool = True) -> str:
    """`€40.00`, `1,200.00 XOF`; more places only where the amount is less than a cent. A ceiling is rounded up."""
    places = _CENT if amount >= _CENT or not amount else Decimal("0.0001")
    shown = f"{amount.quantize(places, ROUND_CEILING if up else ROUND_FLOOR):,}"
    sign = SIGNS.get(currency)
    return f"{sign}{shown}" if sign else f"{shown} {currency}"


def ceiling_of(review: Review) -> str:
    """The most that it may cost: `at most €40.00`."""
    most = " and ".join(money(price.high, price.currency) for price in review.prices)
    if not review.unpriced:
        return f"at most {most}" if most else ""
    unpriced = f"{review.unpriced:,} without a known price"
    return f"at most {most} and {unpriced}" if most else f"{unpriced}"


def button_of(review: Review) -> Markup:
    """What pressing it does, with its number and its ceiling."""
    known = review.messages is not None and review.messages == review.possible
    messages = ("" if known else "up to ") + counted(review.possible, "message")
    each = " each run" if review.spec.schedule.recurs else ""
    cost = f", {ceiling}" if (ceiling := ceiling_of(review)) else ""
    if review.approval:
        return Markup("Ask for approval of {}{}{}").format(messages, each, cost)
    if review.starts_at is None:
        return Markup("Send {} now{}").format(messages, cost)
    schedule = review.spec.schedule
    if schedule.recipient_local_time:
        at: str = f"{wall_time(review.starts_at, schedule.zone)} by each person's clock"
    else:
        at = moment(review.starts_at, schedule.zone)
    return Markup("Schedule {}{} for {}{}").format(messages, each, at, cost)


def _what_happened(sent: Sent) -> str:
    if sent.already:
        return "It had been sent already, so nothing was sent a second time."
    if sent.held:
        return f"Loaded, and not started. {sent.held}"
    people = f"{sent.recipients:,} people" if sent.recipients != 1 else "1 person"
    if sent.state is CampaignState.DRAFT:
        return f"Loaded with {people}. Nothing is sent before you start it."
    return f"It goes to {people}."


ROUTES: Final = [
    Route("/campaigns/drafts/{name}/review", show, methods=["GET"]),
    Route("/campaigns/drafts/{name}/review", send, methods=["POST"]),
]
