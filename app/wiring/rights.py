"""Who may do what: each use case that changes something names its act and the least role for it. It is refused here,
whichever door it came by, and the audit tells who did it, when, and what changed."""

from __future__ import annotations

import getpass
import inspect
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from datetime import datetime
from enum import StrEnum
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from campaigns.errors import DrumbeatError, Forbidden, NotFound, Unavailable, UsageError
from campaigns.frozen import frozen
from campaigns.time.clock import utc_now
from campaigns.untrusted import clean
from storage.access.audit import Facts, add_act, add_outcome, campaign_facts
from storage.database.engine import Connection, Engine, ahead_of_changes, by_itself, reading, writing

if TYPE_CHECKING:
    from app.wiring.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")
LONGEST: Final = 200
"""Characters of a text that the audit keeps."""
_SECRET: Final = ("password", "token", "secret", "text", "evidence")
"""In the names of parameters whose values the audit never holds."""
_NUMBER: Final = re.compile(r"\+?\d{3,}(?=\d{4}\b)")
"""A phone number but for its last digits: the audit outlives the person's data."""


class Role(StrEnum):
    """What a user may do; each may do what those before it may."""

    VIEWER = "viewer"
    EDITOR = "editor"
    SENDER = "sender"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        order = list(Role)
        return order.index(self) >= order.index(other)


RIGHTS: Final[Mapping[str, Role]] = {
    "user.join": Role.VIEWER,
    "user.password": Role.VIEWER,
    "campaign.pause": Role.EDITOR,
    "contacts.import": Role.EDITOR,
    "contacts.link": Role.EDITOR,
    "contacts.opt": Role.EDITOR,
    "contacts.upload": Role.EDITOR,
    "draft.correct": Role.EDITOR,
    "draft.create": Role.EDITOR,
    "draft.delete": Role.EDITOR,
    "draft.media": Role.EDITOR,
    "draft.save": Role.EDITOR,
    "draft.upload": Role.EDITOR,
    "draft.write": Role.EDITOR,
    "people.export": Role.EDITOR,
    "template.sync": Role.EDITOR,
    "campaign.approve": Role.SENDER,
    "campaign.backfill": Role.SENDER,
    "campaign.budget": Role.SENDER,
    "campaign.cancel": Role.SENDER,
    "campaign.clone": Role.SENDER,
    "campaign.load": Role.SENDER,
    "campaign.resolve": Role.SENDER,
    "campaign.resume": Role.SENDER,
    "campaign.retry": Role.SENDER,
    "campaign.start": Role.SENDER,
    "campaign.test": Role.SENDER,
    "campaign.winner": Role.SENDER,
    "draft.test": Role.SENDER,
    "notify.resend": Role.SENDER,
    "notify.test": Role.SENDER,
    "reconcile": Role.SENDER,
    "webhook.again": Role.SENDER,
    "contacts.erase": Role.ADMIN,
    "contacts.export": Role.ADMIN,
    "database.adopt": Role.ADMIN,
    "database.backup": Role.ADMIN,
    "database.purge": Role.ADMIN,
    "database.recount": Role.ADMIN,
    "database.shrink": Role.ADMIN,
    "key.create": Role.ADMIN,
    "key.revoke": Role.ADMIN,
    "rates.import": Role.ADMIN,
    "session.create": Role.ADMIN,
    "session.delete": Role.ADMIN,
    "session.disconnect": Role.ADMIN,
    "session.reconnect": Role.ADMIN,
    "user.disable": Role.ADMIN,
    "user.enable": Role.ADMIN,
    "user.invite": Role.ADMIN,
    "user.role": Role.ADMIN,
}
"""Act -> the least role for it."""
AUTHORING: Final = ("campaign.load", "campaign.clone")
"""Who has done one of these last is a campaign's author."""


@frozen
class Actor:
    """Who acts, and by which door."""

    name: str
    role: Role
    via: str

    def may(self, act: str) -> bool:
        """Whether the actor's role allows it. Raises KeyError for an act that does not exist."""
        return self.role.includes(RIGHTS[act])


_current: ContextVar[Actor | None] = ContextVar("actor", default=None)


def current_actor() -> Actor:
    """Who acts now. The command line acts as the user that runs it, with every right: it holds the database."""
    return _current.get() or Actor(_user(), Role.ADMIN, "command line")


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """Within it, `actor` acts."""
    token = _current.set(actor)
    try:
        yield
    finally:
        _current.reset(token)


@cache
def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without an entry, as in a container
        return "unknown"


def act(
    name: str, *, about: str | Callable[[Mapping[str, Any]], str | None] | None = "name"
) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Coroutine[Any, Any, T]]]:
    """The function is the act `name` of RIGHTS: who has not the role gets Forbidden, and the audit has a row of it.

    The function takes an `engine`, or `settings`: then the audit is left out where their database cannot be opened.
    `about`: the parameter that names the act's subject, or what finds it among the arguments.
    """

    def decorate(function: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        signature = inspect.signature(function)

        @wraps(function)
        async def audited(*args: P.args, **kwargs: P.kwargs) -> T:
            given = signature.bind(*args, **kwargs).arguments
            subject = _subject(about, given)
            async with _engine(given) as engine, _audit(engine, name, subject, given):
                _require(name)
                with _in_turn(engine, name, subject):
                    return await function(*args, **kwargs)

        vars(audited)["act"] = name
        return audited

    return decorate


def _subject(about: str | Callable[[Mapping[str, Any]], str | None] | None, given: Mapping[str, Any]) -> Any:
    if callable(about):
        return about(given)
    return given.get(about) if about else None


@contextmanager
def _in_turn(engine: Engine | None, name: str, subject: Any) -> Iterator[None]:
    """People's acts on one campaign wait for each other: each sees what the one before has changed."""
    if engine is None or subject is None or not _is_about_campaign(name):
        yield
        return

    async def wait(connection: Connection) -> None:
        from storage.audience.campaigns import lock_name

        await lock_name(connection, str(subject))

    with ahead_of_changes(engine, wait):
        yield


def _is_about_campaign(name: str) -> bool:
    return name.startswith("campaign.")


def _require(name: str) -> None:
    actor = current_actor()
    if not actor.may(name):
        raise Forbidden(
            f"{actor.name} is a {actor.role}, and this needs a {RIGHTS[name]}.",
            hint="Ask an admin for it: they change roles under Settings, Users.",
        )


@asynccontextmanager
async def _engine(given: Mapping[str, Any]) -> AsyncIterator[Engine | None]:
    if isinstance(given.get("engine"), Engine):
        yield given["engine"]
        return
    from app.wiring.databases import opened

    settings: Settings = given["settings"]
    try:
        opening = opened(settings, create=False)
        engine = await opening.__aenter__()
    except (NotFound, UsageError, Unavailable):  # what is done needs no database that can be written to
        yield None
        return
    try:
        yield engine
    finally:
        await opening.__aexit__(None, None, None)


@asynccontextmanager
async def _audit(
    engine: Engine | None, name: str, subject: Any, given: Mapping[str, Any]
) -> AsyncIterator[None]:
    if engine is None:
        yield
        return
    actor = current_actor()
    shown = None if subject is None else str(_shown(subject))
    before = await _state(engine, name, shown)
    facts = {key: _shown(value) for key, value in given.items() if _is_kept(key, value)}
    with by_itself():
        async with writing(engine) as connection:
            number = await add_act(
                connection, utc_now(), (actor.name, actor.role, actor.via), name, shown, facts, before
            )
    try:
        yield
    except DrumbeatError as error:
        await _outcome(engine, number, "refused", _shown(str(error)), None)
        raise
    await _outcome(engine, number, "done", None, await _state(engine, name, shown))


async def _outcome(
    engine: Engine, number: int, outcome: str, reason: str | None, after: Facts | None
) -> None:
    with by_itself():
        async with writing(engine) as connection:
            await add_outcome(connection, number, utc_now(), outcome, reason, after)


async def _state(engine: Engine, name: str, subject: str | None) -> Facts | None:
    if not _is_about_campaign(name) or subject is None:
        return None
    async with reading(engine) as connection:
        return await campaign_facts(connection, subject)


def _is_kept(key: str, value: Any) -> bool:
    plain = isinstance(value, str | int | float | bool | datetime | Path)
    return plain and not any(secret in key for secret in _SECRET)


def _shown(value: Any) -> Any:
    """As the audit keeps it."""
    if isinstance(value, Path):
        value = value.name
    return _NUMBER.sub("…", clean(value, LONGEST)) if isinstance(value, str) else value
