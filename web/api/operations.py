"""What an operation of the API is, and how one call of it goes: key, scope, body, repeated call, use case, answer."""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from app.actions.api_keys import Caller, Scope, find_caller
from app.actions.repeatable_calls import NotKnown, OtherBody, UnderWay, begin_call, end_call
from app.views.json_text import to_json
from app.wiring.rights import acting
from campaigns.errors import DrumbeatError
from web.api.problems import Problem, problem_of
from web.pages.site import Site

logger = logging.getLogger(__name__)

JSON: Final = "application/json"
REPEAT: Final = "Idempotency-Key"
LARGEST_BODY: Final = 1024 * 1024
_IDEMPOTENCY: Final = re.compile(r"[\x21-\x7e]{1,200}")
_ENTITY_TAG: Final = re.compile(r'(?:W/)?"[^"]*"|\*')


class Body(BaseModel):
    """A JSON object without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Nothing(Body):
    """An empty object; the body may be left out too."""


@dataclass(frozen=True)
class Query:
    """A parameter of the address."""

    name: str
    description: str
    schema: Mapping[str, Any]
    read: Callable[[str], Any]


@dataclass(frozen=True)
class Call:
    """What a handler gets."""

    site: Site
    path: Mapping[str, Any]
    query: Mapping[str, Any]
    body: Any
    caller: Caller


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    """With parameters as `{name}`, below /api/v1."""
    summary: str
    scope: Scope
    handle: Callable[[Call], Awaitable[Any]]
    """Returns what the answer's JSON is made of."""
    body: type[Body] | None = None
    query: Sequence[Query] = ()
    status: int = 200
    guarded: bool = True
    """Whether its use case refuses what is done already, so that a call that was cut off can be made again."""
    tagged: bool = False
    """Whether the answer has an ETag."""
    problems: Sequence[int] = field(default=(404, 422))
    """Statuses of the problems that the use case may meet."""

    @property
    def repeatable(self) -> bool:
        """Whether it takes an Idempotency-Key."""
        return self.method == "POST"


async def answer(operation: Operation, site: Site, request: Request) -> Response:
    """One call, from its key to its answer. What goes wrong is a problem document."""
    number = secrets.token_hex(8)
    try:
        caller = await _caller(operation, site, request)
        return await _answered(operation, site, request, caller, number)
    except Problem as problem:
        return problem.response(request.url.path, number)
    except DrumbeatError as error:
        return problem_of(error).response(request.url.path, number)
    except Exception:
        logger.exception("A call of the API failed.", extra={"action": "api_failed", "request": number})
        return Problem(500, "fault", "Something went wrong in Drumbeat itself.").response(
            request.url.path, number
        )


async def _caller(operation: Operation, site: Site, request: Request) -> Caller:
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    caller = await find_caller(site.engine, key.strip(), now=site.now) if kind.lower() == "bearer" else None
    if caller is None:
        raise Problem(401, "no-key", "Give a key that is in force: Authorization: Bearer db_…")
    if not caller.actor.role.includes(operation.scope.role):
        raise Problem(
            403, "scope", f"The key has the scope {caller.key.scope}; this needs {operation.scope}."
        )
    return caller


async def _answered(
    operation: Operation, site: Site, request: Request, caller: Caller, number: str
) -> Response:
    query = {each.name: _parameter(each, request) for each in operation.query}
    content = await _content(request)
    body = _body(operation, request, content)
    call = Call(site, request.path_params, query, body, caller)
    repeated = request.headers.get(REPEAT) if operation.repeatable else None
    if repeated is None:
        with acting(caller.actor):
            return _response(operation, request, to_json(await operation.handle(call)), number)
    if not _IDEMPOTENCY.fullmatch(repeated):
        raise Problem(400, "idempotency-key", f"{REPEAT} has 1 to 200 printable characters of ASCII.")
    return await _once(operation, request, call, content, repeated, number)


async def _once(
    operation: Operation, request: Request, call: Call, content: bytes, repeated: str, number: str
) -> Response:
    """Do it once for this Idempotency-Key, and answer the same each time."""
    engine, key_id = call.site.engine, call.caller.key.id
    digest = hashlib.sha256(
        b"\0".join((request.method.encode(), request.url.path.encode(), request.url.query.encode(), content))
    ).hexdigest()
    try:
        found = await begin_call(engine, key_id, repeated, digest, again=operation.guarded, now=call.site.now)
    except OtherBody as error:
        raise Problem(422, "idempotency-key-reused", str(error)) from error
    except UnderWay as error:
        raise Problem(409, "under-way", str(error)) from error
    except NotKnown as error:
        raise Problem(409, "not-known", str(error)) from error
    if found is not None:
        return Response(found.body, found.status or 200, media_type=_media_type(found.status))
    try:
        with acting(call.caller.actor):
            text = to_json(await operation.handle(call))
    except DrumbeatError as error:
        problem = problem_of(error)
        await end_call(engine, key_id, repeated, problem.status, problem.text(request.url.path, number))
        raise problem from error
    await end_call(engine, key_id, repeated, operation.status, text)
    return _response(operation, request, text, number)


def _media_type(status: int | None) -> str:
    return JSON if status is None or status < 400 else "application/problem+json"


def _response(operation: Operation, request: Request, text: str, number: str) -> Response:
    headers = {"X-Request-Id": number}
    if operation.tagged:
        tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
        headers["ETag"] = tag
        if tag in _ENTITY_TAG.findall(request.headers.get("if-none-match", "")):
            return Response(status_code=304, headers=headers)
    return Response(text, operation.status, headers, JSON)


def _parameter(query: Query, request: Request) -> Any:
    found = request.query_params.getlist(query.name)
    if not found:
        return None
    try:
        if len(found) > 1:
            raise ValueError("it is given more than once")
        return query.read(found[0])
    except ValueError as error:
        raise Problem(
            422,
            "parameter",
            f"The parameter {query.name} cannot be used.",
            errors=[{"parameter": query.name, "detail": str(error) or "see its description"}],
        ) from error


async def _content(request: Request) -> bytes:
    held, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_BODY:
            raise Problem(413, "too-large", f"The body has more than {LARGEST_BODY} bytes.")
        held.append(chunk)
    return b"".join(held)


def _body(operation: Operation, request: Request, content: bytes) -> Body | None:
    if operation.body is None:
        return None
    kind = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if content and kind != JSON:
        raise Problem(415, "media-type", f"The body is {JSON}.")
    try:
        return operation.body.model_validate_json(content or b"{}")
    except ValidationError as error:
        errors = [
            {"pointer": "".join(f"/{_escaped(part)}" for part in each["loc"]), "detail": each["msg"]}
            for each in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise Problem(422, "body", "The body cannot be used.", errors=errors) from error


def _escaped(part: str | int) -> str:
    """A part of a JSON pointer."""
    return str(part).replace("~", "~0").replace("/", "~1")
