"""A session gateway's sessions: connect phones by QR code, and manage them.

`account` names the account; None: the only one that has sessions. All raise UsageError where there is no such account
or several, NotFound for an unknown session, AccountError and Unavailable as the gateway answers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from app.wiring.probes import connected
from app.wiring.rights import act
from app.wiring.settings import Settings
from campaigns.errors import NotFound, UsageError
from providers.adapter import Session, Sessions
from providers.http.client import Http
from providers.registry import capabilities_of


async def list_sessions(settings: Settings, account: str | None) -> list[Session]:
    async with _gateway(settings, account) as (sessions, http):
        return await sessions.list_all(http)


@act("session.create", about="account")
async def create_session(settings: Settings, account: str | None) -> tuple[Session, str]:
    """A new session, and the QR code that its phone must scan, as a `data:image/png;base64,` URI."""
    async with _gateway(settings, account) as (sessions, http):
        made = await sessions.create(http)
        return made, made.qr_code or await sessions.qr_code(http, made.id)


async def show_session(settings: Settings, account: str | None, session_id: str) -> Session:
    async with _gateway(settings, account) as (sessions, http):
        return await sessions.show(http, session_id)


async def session_qr_code(settings: Settings, account: str | None, session_id: str) -> str:
    """The QR code of a pending session, as a `data:image/png;base64,` URI."""
    async with _gateway(settings, account) as (sessions, http):
        return await sessions.qr_code(http, session_id)


@act("session.disconnect", about="session_id")
async def disconnect_session(settings: Settings, account: str | None, session_id: str) -> Session:
    """The session as it is afterwards; it is not deleted."""
    async with _gateway(settings, account) as (sessions, http):
        return await sessions.disconnect(http, session_id)


@act("session.reconnect", about="session_id")
async def reconnect_session(settings: Settings, account: str | None, session_id: str) -> Session:
    async with _gateway(settings, account) as (sessions, http):
        return await sessions.reconnect(http, session_id)


@act("session.delete", about="session_id")
async def delete_session(settings: Settings, account: str | None, session_id: str) -> None:
    async with _gateway(settings, account) as (sessions, http):
        await sessions.delete(http, session_id)


def session_json(found: Session) -> dict[str, Any]:
    """Without the QR code: anyone who scans it controls the session."""
    return {
        "id": found.id,
        "status": found.status,
        "phone_number": found.phone_number,
        "display_name": found.display_name,
        "reason": found.reason,
        "last_seen_at": found.last_seen_at,
    }


@asynccontextmanager
async def _gateway(settings: Settings, name: str | None) -> AsyncIterator[tuple[Sessions, Http]]:
    async with connected(settings, name or _only_account(settings)) as account:
        sessions = account.adapter.sessions
        if sessions is None:
            raise UsageError(f"{account.name} ({account.settings.adapter}) has no sessions.")
        try:
            yield sessions, account.http
        except NotFound as error:
            raise NotFound(str(error), hint=error.hint or "drumbeat session list") from error


def _only_account(settings: Settings) -> str:
    able = [name for name, account in settings.accounts.items() if capabilities_of(account.adapter).sessions]
    if len(able) == 1:
        return able[0]
    if not able:
        raise UsageError("No account in drumbeat.toml has sessions.", hint="drumbeat init writes an example.")
    raise UsageError("Several accounts have sessions.", hint=f"--provider {' or '.join(able)}")
