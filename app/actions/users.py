"""Users of the pages: invite, log in and out, change roles.

A token is random and known to the browser alone; the database holds its SHA-256. Attempts to log in are counted in the
database, by name and by address, so that neither a restart nor another process starts anew.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from app.wiring.passwords import hash_password, is_right
from app.wiring.rights import Actor, Role, act, acting, current_actor
from campaigns.errors import Forbidden, InvalidInput, NotFound
from campaigns.frozen import frozen
from campaigns.time.clock import Now, utc_now
from storage.access import users as store
from storage.database.engine import Connection, Engine, lock_names, reading, writing

BROWSER: Final = "browser"
INVITATION_LASTS: Final = timedelta(hours=48)
IDLE: Final = timedelta(hours=12)
"""A session that is not used for this long ends."""
LONGEST_SESSION: Final = timedelta(days=7)
SEEN_EVERY: Final = timedelta(minutes=1)
FAILURES_COUNT: Final = timedelta(minutes=15)
FREE_FAILURES: Final = 10
"""Wrong passwords for a name before each further one has to wait."""
FREE_FAILURES_OF_ADDRESS: Final = 50
LONGEST_WAIT: Final = timedelta(minutes=15)
_NAME: Final = re.compile(r"[\w.@+-]{2,64}")


class TooManyAttempts(Forbidden):
    """Too many attempts to log in."""

    def __init__(self, wait: timedelta) -> None:
        seconds = max(1, round(wait.total_seconds()))
        super().__init__(
            f"There were too many wrong passwords. Try again in {seconds} seconds.",
            hint="Somebody who knows the password can log in then; an admin can send a new invitation.",
        )
        self.seconds = seconds


class WrongPassword(Forbidden):
    """The name or the password is wrong."""


@frozen
class LoggedIn:
    """Who uses a browser."""

    user_id: int
    name: str
    role: Role

    @property
    def actor(self) -> Actor:
        return Actor(self.name, self.role, BROWSER)


async def first_invitation(engine: Engine, *, now: Now = utc_now) -> str | None:
    """A token by which the first admin chooses name and password; None: there are users."""
    async with writing(engine) as connection:
        if await store.any_user(connection):
            return None
        return await _invite(connection, Role.ADMIN, now())


@act("user.invite", about=None)
async def invite_user(engine: Engine, role: Role, *, now: Now = utc_now) -> str:
    """A token by which one new user of this role chooses name and password. It holds for 48 hours, once."""
    async with writing(engine) as connection:
        return await _invite(connection, role, now())


async def _invite(connection: Connection, role: Role, now: datetime) -> str:
    token = secrets.token_urlsafe(32)
    await store.add_invitation(connection, _digest(token), role, now, now + INVITATION_LASTS)
    return token


async def invited_as(engine: Engine, token: str, *, now: Now = utc_now) -> Role:
    """The role that the invitation gives. Raises NotFound if it is used or expired."""
    async with reading(engine) as connection:
        role = await store.role_of_invitation(connection, _digest(token), now())
    if role is None:
        raise _no_invitation()
    return Role(role)


async def accept_invitation(
    engine: Engine, token: str, name: str, password: str, address: str, *, now: Now = utc_now
) -> str:
    """Make the invited user and log in; returns the session's token. Raises NotFound, InvalidInput."""
    role = await invited_as(engine, token, now=now)
    name = _checked_name(name)
    with acting(Actor(name, role, BROWSER)):
        return await _join(engine, token, name, password, role, address, now)


@act("user.join")
async def _join(
    engine: Engine, token: str, name: str, password: str, role: Role, address: str, now: Now
) -> str:
    hashed = await hash_password(password, name)
    async with writing(engine) as connection:
        await lock_names(connection, ["users", f"user {name}"])
        if not await store.take_invitation(connection, _digest(token), now()):
            raise _no_invitation()
        if not await store.any_user(connection):  # each start until now has printed a link
            await store.end_invitations(connection, Role.ADMIN)
        user_id = await store.add_user(connection, name, role, hashed, now())
        if user_id is None:
            raise InvalidInput(f"There is a user {name} already.", hint="Choose another name.")
        return await _open_session(connection, user_id, address, now())


def _no_invitation() -> NotFound:
    return NotFound(
        "This link is used or has expired.", hint="Ask an admin for a new one: drumbeat user invite"
    )


def _checked_name(name: str) -> str:
    name = name.strip().casefold()
    if not _NAME.fullmatch(name):
        raise InvalidInput("A name has 2 to 64 letters, digits or . @ + - _, such as ada@example.com.")
    return name


async def log_in(engine: Engine, name: str, password: str, address: str, *, now: Now = utc_now) -> str:
    """The new session's token. Raises WrongPassword, and TooManyAttempts after ten wrong passwords in a quarter of an
    hour: then each further attempt waits twice as long."""
    name = name.strip().casefold()[:64]
    user = await _with_password(engine, name, password, address, now)
    if user is None or user.disabled_at is not None:
        raise WrongPassword
    async with writing(engine) as connection:
        await lock_names(connection, ["users"])
        # The password took a moment to check: it may have been changed, and all sessions ended, meanwhile.
        found = await store.find_user(connection, name)
        if found is None or found.password != user.password or found.disabled_at is not None:
            raise WrongPassword
        await store.forget_failures(connection, name)
        await store.end_old_sessions(connection, now() - LONGEST_SESSION, now() - IDLE)
        return await _open_session(connection, user.id, address, now())


async def _with_password(
    engine: Engine, name: str, password: str, address: str, now: Now
) -> store.User | None:
    """The user of that name, if it is their password. Raises TooManyAttempts."""
    async with writing(engine) as connection:
        await lock_names(connection, [f"log-in {name}"])
        await _refuse_too_many(connection, name, address, now())
        # Counted before it is known to be wrong: attempts at the same time must not all count as the first.
        await store.add_failure(connection, name, address, now(), now() - FAILURES_COUNT)
        user = await store.find_user(connection, name)
    return user if await is_right(user.password if user else None, password) else None


async def _refuse_too_many(connection: Connection, name: str, address: str, now: datetime) -> None:
    since = now - FAILURES_COUNT
    for free, (failures, newest) in (
        (FREE_FAILURES, await store.failures_of_name(connection, name, since)),
        (FREE_FAILURES_OF_ADDRESS, await store.failures_of_address(connection, address, since)),
    ):
        if newest is not None and failures >= free:
            wait = min(timedelta(seconds=2 ** min(failures - free + 1, 16)), LONGEST_WAIT)
            if now < newest + wait:
                raise TooManyAttempts(newest + wait - now)


async def _open_session(connection: Connection, user_id: int, address: str, now: datetime) -> str:
    token = secrets.token_urlsafe(32)
    await store.add_session(connection, _digest(token), user_id, now, address)
    return token


async def find_session(
    engine: Engine, token: str, *, active: bool = True, now: Now = utc_now
) -> LoggedIn | None:
    """Who has this session; None: nobody, or it has ended. `active`: a person asks, not a page that polls."""
    digest, moment = _digest(token), now()
    async with reading(engine) as connection:
        session = await store.find_session(connection, digest)
    if session is None or session.user.disabled_at is not None:
        return None
    if moment - session.created_at >= LONGEST_SESSION or moment - session.seen_at >= IDLE:
        return None
    if active and moment - session.seen_at >= SEEN_EVERY:
        async with writing(engine) as connection:
            await store.touch_session(connection, digest, moment)
    return LoggedIn(session.user.id, session.user.name, Role(session.user.role))


async def log_out(engine: Engine, token: str) -> None:
    async with writing(engine) as connection:
        await store.end_session(connection, _digest(token))


async def log_out_everywhere(engine: Engine, user: LoggedIn) -> int:
    """End all sessions of the user; how many there were."""
    async with writing(engine) as connection:
        return await store.end_sessions(connection, user.user_id)


@act("user.password", about=None)
async def change_password(
    engine: Engine, user: LoggedIn, old_password: str, new_password: str, address: str, *, now: Now = utc_now
) -> None:
    """Change one's own; all sessions end. Attempts count as those to log in. Raises WrongPassword, TooManyAttempts,
    InvalidInput."""
    if await _with_password(engine, user.name, old_password, address, now) is None:
        raise WrongPassword("The present password is wrong.")
    hashed = await hash_password(new_password, user.name)
    async with writing(engine) as connection:
        await lock_names(connection, ["users"])
        await store.forget_failures(connection, user.name)
        await store.change_user(connection, user.name, password=hashed)
        await store.end_sessions(connection, user.user_id)


async def list_users(engine: Engine) -> Sequence[store.User]:
    """In the order of their names."""
    async with reading(engine) as connection:
        return await store.list_users(connection)


@act("user.role")
async def set_role(engine: Engine, name: str, role: Role) -> None:
    """Raises NotFound, and InvalidInput where no admin would be left."""
    async with writing(engine) as connection:
        user = await _locked(connection, name)
        if user.role == Role.ADMIN and role != Role.ADMIN:
            await _keep_an_admin(connection)
        await store.change_user(connection, user.name, role=role)


@act("user.disable")
async def disable_user(engine: Engine, name: str, *, now: Now = utc_now) -> None:
    """The user cannot log in any more and all sessions end. Raises NotFound, InvalidInput."""
    async with writing(engine) as connection:
        user = await _locked(connection, name)
        if user.name == current_actor().name and current_actor().via == BROWSER:
            raise InvalidInput("Nobody can disable themselves.", hint="Ask another admin.")
        if user.role == Role.ADMIN and user.disabled_at is None:
            await _keep_an_admin(connection)
        await store.change_user(connection, user.name, disabled_at=now())
        await store.end_sessions(connection, user.id)


@act("user.enable")
async def enable_user(engine: Engine, name: str) -> None:
    """The user can log in again. Raises NotFound."""
    async with writing(engine) as connection:
        user = await _locked(connection, name)
        await store.change_user(connection, user.name, enabled=True)


async def _locked(connection: Connection, name: str) -> store.User:
    """Changes of users happen one after the other."""
    await lock_names(connection, ["users"])
    user = await store.find_user(connection, name.strip().casefold())
    if user is None:
        raise NotFound(f"There is no user {name}.", hint="drumbeat user list")
    return user


async def _keep_an_admin(connection: Connection) -> None:
    if await store.count_admins(connection) <= 1:
        raise InvalidInput("This is the only admin.", hint="Make another user an admin first.")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
