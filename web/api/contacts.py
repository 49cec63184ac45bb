"""Operations on people: opt-outs and what is known of one."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field

from app.actions.api_keys import Scope
from app.actions.contacts import number_of, record_preference
from app.views.contacts import person_overview
from app.wiring.databases import snapshot
from campaigns.phones.stop_words import StopWord, usual_scope
from web.api.operations import Body, Call, Operation

PHONE: Final = "/contacts/{phone}"


class Preference(Body):
    """What it is about, and how we know."""

    scope: Literal["all", "marketing"] | None = Field(
        default=None, description="without it: marketing for an opt-out, all for an opt-in"
    )
    source: str = Field(default="api", max_length=200)
    evidence: str | None = Field(default=None, max_length=2_000)


async def _show(call: Call) -> Any:
    phone = number_of(call.path["phone"], None)
    async with snapshot(call.site.engine) as connection:
        found = await person_overview(connection, phone, call.site.settings.caps, call.site.now())
    return found.json


async def _opt_out(call: Call) -> Any:
    return await _record(call, "out")


async def _opt_in(call: Call) -> Any:
    return await _record(call, "in")


async def _record(call: Call, action: Literal["in", "out"]) -> Any:
    phone = number_of(call.path["phone"], None)
    wanted = StopWord(action, call.body.scope or usual_scope(action))
    out = await record_preference(
        call.site.engine, phone, wanted, call.body.source, call.body.evidence, now=call.site.now
    )
    return {
        "phone": phone,
        "action": action,
        "scope": wanted.scope,
        "opted_out": [entry.scope for entry in out],
    }


OPERATIONS: Final = [
    Operation("GET", PHONE, "What is known of a person", Scope.READ, _show),
    Operation("POST", f"{PHONE}/optout", "Opt a person out", Scope.MANAGE, _opt_out, body=Preference),
    Operation("POST", f"{PHONE}/optin", "Opt a person in", Scope.MANAGE, _opt_in, body=Preference),
]
