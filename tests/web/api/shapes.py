"""Every answer that a test gets is compared with the OpenAPI document; a key that it does not name is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import httpx
import jsonschema_rs

from web.api.app import PREFIX, by_path
from web.api.openapi import document
from web.api.operations import Operation

SEEN: set[tuple[str, str]] = set()
"""Method and path of each operation whose JSON was compared."""


def closed(schema: Any) -> Any:
    """The schema, with no more keys than it names. The document leaves that open: a later version may add some."""
    match schema:
        case {"properties": dict(), **more}:
            return {key: closed(value) for key, value in schema.items()} | (
                {} if "additionalProperties" in more else {"additionalProperties": False}
            )
        case dict():
            return {key: closed(value) for key, value in schema.items()}
        case list():
            return [closed(each) for each in schema]
        case _:
            return schema


@cache
def _components() -> Mapping[str, Any]:
    made: Mapping[str, Any] = closed(document()["components"])
    return made


def validator(method: str, path: str, status: str) -> jsonschema_rs.Draft202012Validator | None:
    """None: the document has no such answer."""
    answer = document()["paths"][path][method.lower()]["responses"].get(status, {})
    for media, content in answer.get("content", {}).items():
        if media.endswith("json"):
            return _validator(json.dumps(content["schema"]))
    return None


@cache
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    whole = {**closed(json.loads(schema)), "components": _components()}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def operation_at(method: str, path: str) -> Operation | None:
    """As the router finds it."""
    for pattern, methods in by_path().items():
        exact = re.sub(r"{(\w+)}", lambda name: ".+" if name[1] == "phone" else "[^/]+", pattern)
        if method in methods and re.fullmatch(exact, path):
            return methods[method]
    return None


async def compare(answer: httpx.Response) -> None:
    """To be given to a client as a hook."""
    found = operation_at(answer.request.method, answer.request.url.path.removeprefix(PREFIX))
    if found is None or not answer.headers.get("content-type", "").partition(";")[0].endswith("json"):
        return
    await answer.aread()
    known = validator(found.method, found.path, str(answer.status_code))
    assert known is not None, f"{found.method} {found.path} answers {answer.status_code}: {answer.text[:300]}"
    known.validate(answer.json())
    if answer.is_success:
        SEEN.add((found.method, found.path))


HOOKS: Any = {"response": [compare]}
