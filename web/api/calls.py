"""How one call goes: key, rate, parameters, body, the same call before, the use case, the answer."""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from app.actions.api_keys import Caller, find_caller
from app.actions.drafts.drafts import drafts_folder
from app.actions.repeatable_calls import (
    AlreadyDone,
    NotKnown,
    OtherBody,
    RepeatableCall,
    UnderWay,
    begin_call,
)
from app.actions.seen_versions import only_as_seen, refuse_changed
from app.views.json_text import to_json
from app.wiring.databases import snapshot
from app.wiring.rights import acting
from campaigns.atomic_files import NO_ROOM
from campaigns.errors import DrumbeatError
from campaigns.nearest import nearest
from web.api.operations import (
    JSON,
    LARGEST_BODY,
    REPEAT,
    Again,
    Call,
    FileAnswer,
    Operation,
    Query,
    Versioned,
)
from web.api.problems import MEDIA_TYPE, Problem, no_room, pointer, problem_of
from web.api.quota import Quota
from web.pages.site import Site
from web.protocol.uploads import TooLarge, body_of, stored_body

logger = logging.getLogger(__name__)

_IDEMPOTENCY: Final = re.compile(r"[\x21-\x7e]{1,200}")
_TAG: Final = re.compile(r'(?:W/)?"[^"]*"|\*')
_SOON: Final = "5"
"""Seconds until it is worth asking whether the same call has ended."""
_KEPT: Final = 500
"""An answer of this status or above says nothing about the call: the same call is tried again."""

Make = Callable[[Call], Awaitable[Any]]


async def answer(operation: Operation, site: Site, quota: Quota, request: Request) -> Response:
    """One call, from its key to its answer. What goes wrong is a problem document."""
    number = request_number()
    headers: dict[str, str] = {"X-Request-Id": number}
    try:
        caller = await _caller(operation, site, request)
        room = quota.take(caller.key.id, site.now())
        headers |= room.headers
        if not room.allowed:
            raise Problem(
                429, "too-many", "The key has no calls left in this minute.", wait=str(room.seconds)
            )
        _refuse_scope(operation, caller)
        response = await _answered(operation, site, request, caller, number)
    except Problem as problem:
        response = problem.response(request.url.path, number)
    except DrumbeatError as error:
        response = _problem(site, error).response(request.url.path, number)
    except Exception as error:
        logger.exception("A call of the API failed.", extra={"action": "api_failed", "request": number})
        is_full = isinstance(error, OSError) and error.errno in NO_ROOM
        fault = no_room() if is_full else Problem(500, "fault", "Something went wrong in Drumbeat itself.")
        response = fault.response(request.url.path, number)
    response.headers.update(headers)
    return response


def _problem(site: Site, error: DrumbeatError) -> Problem:
    """It names a draft's files as its owner knows them, not where they are at the server."""
    found, folder = problem_of(error), f"{drafts_folder(site.settings)}/"
    found.detail = found.detail.replace(folder, "")
    found.errors = [{**each, "detail": each["detail"].replace(folder, "")} for each in found.errors]
    return found


def request_number() -> str:
    """What one call is found by in the log."""
    return secrets.token_hex(8)


async def _caller(operation: Operation, site: Site, request: Request) -> Caller:
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    caller = await find_caller(site.engine, key.strip(), now=site.now) if kind.lower() == "bearer" else None
    if caller is None:
        raise Problem(401, "no-key", "Give a key that is in force: Authorization: Bearer db_…")
    return caller


def _refuse_scope(operation: Operation, caller: Caller) -> None:
    if not caller.actor.role.includes(operation.scope.role):
        raise Problem(
            403, "scope", f"The key has the scope {caller.key.scope}; this needs {operation.scope}."
        )


async def _answered(
    operation: Operation, site: Site, request: Request, caller: Caller, number: str
) -> Response:
    _refuse_unknown(operation, request)
    query = {each.name: _parameter(each, request) for each in operation.query}
    async with AsyncExitStack() as stack:
        file, body, digest = await _body(operation, request, stack)
        accept = request.headers.get("accept", "")
        seen = _seen(operation, request)
        call = Call(site, request.path_params, query, body, caller, site.now(), file, seen, accept)

        async def make(call: Call) -> Any:
            with acting(caller.actor):
                return await _handled(operation, call)

        repeated = request.headers.get(REPEAT) if operation.repeatable else None
        if repeated is None:
            return _response(operation, request, await make(call))
        if not _IDEMPOTENCY.fullmatch(repeated):
            raise Problem(400, "idempotency-key", f"{REPEAT} has 1 to 200 printable characters of ASCII.")
        return await _once(operation, request, call, digest, repeated, number, make)


async def _handled(operation: Operation, call: Call) -> Any:
    if not operation.matched or call.seen is None:
        return await operation.handle(call)
    engine, name = call.site.engine, call.path["name"]
    versions = {tag.partition(".")[0] for tag in call.seen}
    async with snapshot(engine) as connection:  # before any work
        await refuse_changed(connection, name, versions)
    with only_as_seen(engine, name, versions):
        return await operation.handle(call)


def _seen(operation: Operation, request: Request) -> Sequence[str] | None:
    """The tags of If-Match, none of them if it holds no tag; None: anything will do."""
    given = request.headers.get("if-match")
    if operation.method == "GET":
        return None
    if "if-none-match" in request.headers:
        raise Problem(
            400,
            "if-match",
            "A call that changes something does not look at If-None-Match, so it was not made.",
            hint="Leave it out, or send the ETag that you have seen as If-Match.",
        )
    if given is None:
        return None
    if not operation.compares:
        raise Problem(
            400, "if-match", "This call compares no ETag, so it was not made.", hint="Leave out If-Match."
        )
    if given.strip() == "*":
        return None
    return [tag.removeprefix("W/").strip('"') for tag in _TAG.findall(given)]


async def _once(
    operation: Operation,
    request: Request,
    call: Call,
    body_digest: str,
    repeated: str,
    number: str,
    make: Make,
) -> Response:
    """Do it once for this Idempotency-Key, and answer the same each time."""
    parts = (request.method, request.url.path, request.url.query, body_digest)
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    again = operation.again is not Again.UNKNOWN
    try:
        found = await begin_call(
            call.site.engine, call.caller.key.id, repeated, digest, again=again, now=call.site.now
        )
    except OtherBody as error:
        raise Problem(422, "idempotency-key-reused", str(error)) from error
    except UnderWay as error:
        raise Problem(409, "under-way", str(error), wait=_SOON) from error
    except NotKnown as error:
        raise Problem(409, "not-known", str(error)) from error
    except AlreadyDone as done:
        text = to_json(_known(call))
        await done.call.end(operation.status, text)
        return Response(text, operation.status, media_type=JSON)
    if isinstance(found, RepeatableCall):
        return await _do(call, operation, request, found, number, make)
    status = found.status or operation.status
    return Response(found.body, status, media_type=JSON if status < 400 else MEDIA_TYPE)


async def _do(
    call: Call, operation: Operation, request: Request, begun: RepeatableCall, number: str, make: Make
) -> Response:
    call = replace(call, asked_at=begun.asked_at)
    try:
        if operation.again is Again.MARKED:
            with begun.marked():
                made = await make(call)
        else:
            made = await make(call)
        text = to_json(made)
    except (DrumbeatError, Problem) as error:
        problem = error if isinstance(error, Problem) else _problem(call.site, error)
        await _keep(operation, begun, problem, problem.text(request.url.path, number))
        raise problem from error
    except Exception:
        if operation.again is not Again.UNKNOWN:
            await begun.forget()
        raise
    await begun.end(operation.status, text)
    return Response(text, operation.status, media_type=JSON)


async def _keep(operation: Operation, begun: RepeatableCall, problem: Problem, text: str) -> None:
    """A refusal is the answer to the same call, too; what may succeed another time is tried again."""
    passes = problem.status >= _KEPT or problem.status in (409, 412)
    if passes and operation.again is Again.UNKNOWN:
        return
    if not passes or not await begun.forget():
        await begun.end(problem.status, text)


def _known(call: Call) -> Mapping[str, Any]:
    """The answer to a call that was done, and whose own answer was lost."""
    names = {"name": "campaign"}
    return {**{names.get(key, key): value for key, value in call.path.items()}, "done": "before"}


def _response(operation: Operation, request: Request, made: Any) -> Response:
    if isinstance(made, FileAnswer):
        return _file_response(operation, request, made)
    if isinstance(made, Versioned):
        text = to_json(made.json)
        tag = f"{made.version}.{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        return _unchanged(request, tag) or Response(text, operation.status, {"ETag": f'"{tag}"'}, JSON)
    return Response(to_json(made), operation.status, media_type=JSON)


def _unchanged(request: Request, tag: str) -> Response | None:
    """That nothing has changed; None: it has, or nobody asks."""
    if tag and f'"{tag}"' in _TAG.findall(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers={"ETag": f'"{tag}"'})
    return None


def _file_response(operation: Operation, request: Request, made: FileAnswer) -> Response:
    headers = {"X-Content-Type-Options": "nosniff"}
    if made.tag:
        headers["ETag"] = f'"{made.tag}"'
    if made.name:
        plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in made.name)
        headers["Content-Disposition"] = f'attachment; filename="{plain}"'
    if isinstance(made.content, Path):
        folder = made.temporary
        after = BackgroundTask(shutil.rmtree, folder, ignore_errors=True) if folder else None
        return FileResponse(made.content, operation.status, headers, made.media, after)
    return _unchanged(request, made.tag) or Response(made.content, operation.status, headers, made.media)


def _refuse_unknown(operation: Operation, request: Request) -> None:
    """A filter that is misspelt must not be left out silently."""
    known = [each.name for each in operation.query]
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        guess = nearest(unknown[0].lower(), known)
        hint = f"Did you mean {guess}?" if guess else f"There are: {', '.join(known) or 'none'}."
        errors = [{"parameter": name, "detail": "there is none of that name"} for name in unknown]
        raise Problem(
            422, "parameter", f"There is no parameter {unknown[0][:80]!r}.", hint=hint, errors=errors
        )


def _parameter(query: Query, request: Request) -> Any:
    found = request.query_params.getlist(query.name)
    if not found and not query.required:
        return None
    try:
        if len(found) != 1:
            raise ValueError("it is given more than once" if found else "it is missing")
        return query.read(found[0])
    except ValueError as error:
        raise Problem(
            422,
            "parameter",
            f"The parameter {query.name} cannot be used.",
            errors=[{"parameter": query.name, "detail": str(error) or "see its description"}],
        ) from error


async def _body(
    operation: Operation, request: Request, stack: AsyncExitStack
) -> tuple[Path | None, Any, str]:
    """The file, or the object, that the call brings; and its digest."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if operation.file is not None:
        if kind and kind not in operation.file.media:
            raise Problem(415, "media-type", f"The body is one of {', '.join(operation.file.media)}.")
        ending = operation.file.media.get(kind) or next(iter(operation.file.media.values()))
        try:
            path, digest = await stack.enter_async_context(stored_body(request, operation.file.most, ending))
        except TooLarge as error:
            raise Problem(413, "too-large", str(error), hint=error.hint) from error
        return path, None, digest
    content = await _content(request)
    return None, _object(operation, kind, content), hashlib.sha256(content).hexdigest()


async def _content(request: Request) -> bytes:
    held, size = [], 0
    async for chunk in body_of(request):
        size += len(chunk)
        if size > LARGEST_BODY:
            raise Problem(413, "too-large", f"The body has more than {LARGEST_BODY} bytes.")
        held.append(chunk)
    return b"".join(held)


def _object(operation: Operation, kind: str, content: bytes) -> Any:
    if operation.body is None:
        return None
    if content and kind not in ("", JSON):
        raise Problem(415, "media-type", f"The body is {JSON}.")
    try:
        return operation.body.model_validate_json(content or b"{}")
    except ValidationError as error:
        errors = [
            {"pointer": pointer(each["loc"]), "detail": each["msg"]}
            for each in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise Problem(422, "body", "The body cannot be used.", errors=errors) from error
