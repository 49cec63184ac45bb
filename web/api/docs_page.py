"""What the API can do, as a page of the browser: made from the OpenAPI document, without a script."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from campaigns.frozen import frozen
from web.api.app import PREFIX
from web.api.openapi import document
from web.api.operations import JSON
from web.pages.site import page

ROOMS: Final[Mapping[str, str]] = {
    "campaigns": "Campaigns",
    "reports": "Reports on several campaigns",
    "contacts": "People",
    "templates": "Templates",
    "rates": "Rate cards",
    "providers": "Accounts",
    "sessions": "Sessions of phones",
    "status": "Status",
    "workers": "Processes",
    "reconcile": "Receipts",
}
"""The first part of the paths, and the heading of its operations."""


async def show(request: Request) -> Response:
    rooms, shapes = await asyncio.to_thread(_shown)
    return page(request, "api/docs.html", rooms=rooms, shapes=shapes, prefix=PREFIX, section="settings")


async def download(_request: Request) -> Response:
    return JSONResponse(await asyncio.to_thread(document))


@frozen
class Shape:
    """A JSON object, and the keys that it may have."""

    name: str
    about: str
    fields: Sequence[Key]


@frozen
class Key:
    name: str
    kind: str
    """Shortly, what its value may be."""
    shape: str
    """The shape of the objects in it; empty: there are none."""
    required: bool
    about: str


@cache
def _shown() -> tuple[Sequence[tuple[str, Sequence[Mapping[str, Any]]]], Sequence[Shape]]:
    """Heading and its operations; and the shapes of what they answer."""
    made = document()
    schemas: Mapping[str, Any] = made["components"]["schemas"]
    found: dict[str, list[Mapping[str, Any]]] = {room: [] for room in ROOMS}
    bodies = set()
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            shown = _operation(method.upper(), path, operation, schemas)
            found[operation["tags"][0]].append(shown)
            bodies.add(shown["body"].name if shown["body"] else "")
    shapes = [
        _shape(name, schemas)
        for name in sorted(schemas, key=str.casefold)
        if "properties" in schemas[name] and name not in bodies
    ]
    return [(ROOMS[room], operations) for room, operations in found.items()], shapes


def _operation(
    method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]
) -> Mapping[str, Any]:
    body: Mapping[str, Any] = operation.get("requestBody", {"content": {}})
    sent: Mapping[str, Any] = body["content"].get(JSON, {}).get("schema", {})
    return {
        "id": operation["operationId"],
        "method": method,
        "path": path,
        "summary": operation["summary"],
        "description": operation["description"],
        "parameters": [
            {**each, "kind": _kind(each["schema"], schemas)}
            for each in operation["parameters"]
            if each["in"] != "path"
        ],
        "media": ", ".join(body["content"]),
        "body_about": body.get("description", ""),
        "body": _shape(_named(sent, schemas), schemas) if sent else None,
        "answers": [
            (status, answer["description"], *_answer(answer.get("content", {}), schemas))
            for status, answer in operation["responses"].items()
        ],
    }


def _answer(content: Mapping[str, Any], schemas: Mapping[str, Any]) -> tuple[str, str]:
    """Its media types, and the shape of its JSON."""
    found: Mapping[str, Any] = next(
        (each["schema"] for media, each in content.items() if media.endswith("json")), {}
    )
    return ", ".join(content), _named(found, schemas)


def _shape(name: str, schemas: Mapping[str, Any]) -> Shape:
    schema = schemas[name]
    fields = [
        Key(
            key,
            _kind(value, schemas),
            _named(value, schemas),
            key in schema.get("required", ()),
            value.get("description", ""),
        )
        for key, value in schema["properties"].items()
    ]
    return Shape(name, schema.get("description", ""), fields)


def _named(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """The shape of its objects; empty: it has none."""
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    inside = [*schema.get("anyOf", ()), *filter(None, [schema.get("items")])]
    return (
        name
        if "properties" in schemas.get(name, {})
        else next(filter(None, (_named(one, schemas) for one in inside)), "")
    )


def _kind(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """Shortly, what a value may be."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return name if "properties" in schemas[name] else _kind(schemas[name], schemas)
    if "const" in schema:
        return str(schema["const"]) or "empty"
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(_kind(each, schemas) for each in schema["anyOf"])
    bounds = [f"{schema[key]}" for key in ("minimum", "maximum") if key in schema]
    if len(bounds) == 2:
        return f"{schema['type']}, {bounds[0]} to {bounds[1]}"
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'], schemas)}"
    if isinstance(values := schema.get("additionalProperties"), dict):
        return f"{_kind(values, schemas)} by name"
    return str(schema.get("format") or schema.get("type", "any"))


ROUTES: Final = [
    Route("/api/docs", show, methods=["GET"]),
    Route("/api/docs/openapi.json", download, methods=["GET"]),
]
