"""Users of the pages, their invitations and sessions, and failed log-ins."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.frozen import frozen
from storage.tables.access import failed_logins, invitations, sessions, users


@frozen
class User:
    id: int
    name: str
    role: str
    password: str
    """An argon2 hash."""
    created_at: datetime
    disabled_at: datetime | None


@frozen
class Session:
    user: User
    created_at: datetime
    seen_at: datetime


async def find_user(connection: AsyncConnection, name: str) -> User | None:
    row = (await connection.execute(select(users).where(users.c.name == name))).first()
    return None if row is None else User(*row)


async def list_users(connection: AsyncConnection) -> Sequence[User]:
    """In the order of their names."""
    return [User(*row) for row in await connection.execute(select(users).order_by(users.c.name))]


async def any_user(connection: AsyncConnection) -> bool:
    return await connection.scalar(select(users.c.id).limit(1)) is not None


async def add_user(
    connection: AsyncConnection, name: str, role: str, password: str, now: datetime
) -> int | None:
    """The new user's number; None: somebody has that name."""
    if await find_user(connection, name) is not None:
        return None
    values = {"name": name, "role": role, "password": password, "created_at": now}
    added = await connection.execute(insert(users).values(values).returning(users.c.id))
    return int(added.scalar_one())


async def change_user(
    connection: AsyncConnection,
    name: str,
    *,
    role: str | None = None,
    password: str | None = None,
    disabled_at: datetime | None = None,
    enabled: bool = False,
) -> None:
    """Change what is given; `enabled` takes `disabled_at` back."""
    values: dict[str, object] = {}
    if role is not None:
        values["role"] = role
    if password is not None:
        values["password"] = password
    if disabled_at is not None or enabled:
        values["disabled_at"] = disabled_at
    await connection.execute(update(users).where(users.c.name == name).values(values))


async def count_admins(connection: AsyncConnection) -> int:
    """Those that can log in."""
    query = select(func.count()).where(users.c.role == "admin", users.c.disabled_at.is_(None))
    return await connection.scalar(query) or 0


async def add_invitation(
    connection: AsyncConnection, digest: str, role: str, now: datetime, expires_at: datetime
) -> None:
    await connection.execute(delete(invitations).where(invitations.c.expires_at <= now))
    values = {"digest": digest, "role": role, "created_at": now, "expires_at": expires_at}
    await connection.execute(insert(invitations).values(values))


async def role_of_invitation(connection: AsyncConnection, digest: str, now: datetime) -> str | None:
    """None: there is none, or it is used or expired."""
    i = invitations.c
    return await connection.scalar(select(i.role).where(i.digest == digest, i.expires_at > now))


async def take_invitation(connection: AsyncConnection, digest: str, now: datetime) -> bool:
    """Use it up; whether it was there. Of two at once, one gets it."""
    i = invitations.c
    taken = await connection.execute(delete(invitations).where(i.digest == digest, i.expires_at > now))
    return taken.rowcount == 1


async def end_invitations(connection: AsyncConnection, role: str) -> None:
    """Those of this role open no door any more."""
    await connection.execute(delete(invitations).where(invitations.c.role == role))


async def add_session(
    connection: AsyncConnection, digest: str, user_id: int, now: datetime, address: str
) -> None:
    values = {"digest": digest, "user_id": user_id, "created_at": now, "seen_at": now, "address": address}
    await connection.execute(insert(sessions).values(values))


async def find_session(connection: AsyncConnection, digest: str) -> Session | None:
    query = (
        select(users, sessions.c.created_at.label("since"), sessions.c.seen_at)
        .join(sessions, sessions.c.user_id == users.c.id)
        .where(sessions.c.digest == digest)
    )
    row = (await connection.execute(query)).first()
    return None if row is None else Session(User(*row[:-2]), row.since, row.seen_at)


async def touch_session(connection: AsyncConnection, digest: str, now: datetime) -> None:
    await connection.execute(update(sessions).where(sessions.c.digest == digest).values(seen_at=now))


async def end_session(connection: AsyncConnection, digest: str) -> None:
    await connection.execute(delete(sessions).where(sessions.c.digest == digest))


async def end_sessions(connection: AsyncConnection, user_id: int) -> int:
    """All of the user's; how many there were."""
    return (await connection.execute(delete(sessions).where(sessions.c.user_id == user_id))).rowcount


async def end_old_sessions(connection: AsyncConnection, created: datetime, seen: datetime) -> None:
    """Those created or last seen before these times."""
    c = sessions.c
    await connection.execute(delete(sessions).where((c.created_at < created) | (c.seen_at < seen)))


async def add_failure(
    connection: AsyncConnection, name: str, address: str, now: datetime, forget: datetime
) -> None:
    """`forget`: failures before it are deleted."""
    await connection.execute(delete(failed_logins).where(failed_logins.c.at < forget))
    await connection.execute(insert(failed_logins).values(name=name, address=address, at=now))


async def failures_of_name(
    connection: AsyncConnection, name: str, since: datetime
) -> tuple[int, datetime | None]:
    """How many since, and the newest."""
    return await _failures(connection, failed_logins.c.name == name, since)


async def failures_of_address(
    connection: AsyncConnection, address: str, since: datetime
) -> tuple[int, datetime | None]:
    """How many since, and the newest."""
    return await _failures(connection, failed_logins.c.address == address, since)


async def _failures(
    connection: AsyncConnection, whose: ColumnElement[bool], since: datetime
) -> tuple[int, datetime | None]:
    at = failed_logins.c.at
    number, newest = (
        await connection.execute(select(func.count(), func.max(at)).where(whose, at >= since))
    ).one()
    return number, newest


async def forget_failures(connection: AsyncConnection, name: str) -> None:
    await connection.execute(delete(failed_logins).where(failed_logins.c.name == name))
