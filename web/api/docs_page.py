"""What the API can do, as a page of the browser: made from the OpenAPI document, without a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from web.api.app import PREFIX
from web.api.openapi import document
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
    return page(request, "api/docs.html", rooms=_rooms(), prefix=PREFIX, section="settings")


async def download(_request: Request) -> Response:
    return JSONResponse(document())


@cache
def _rooms() -> Sequence[tuple[str, Sequence[Mapping[str, Any]]]]:
    """Heading, and its operations."""
    made = document()
    found: dict[str, list[Mapping[str, Any]]] = {room: [] for room in ROOMS}
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            found[operation["tags"][0]].append(_operation(method.upper(), path, operation, made))
    return [(ROOMS[room], operations) for room, operations in found.items()]


def _operation(
    method: str, path: str, operation: Mapping[str, Any], made: Mapping[str, Any]
) -> Mapping[str, Any]:
    return {
        "id": operation["operationId"],
        "method": method,
        "path": path,
        "summary": operation["summary"],
        "description": operation["description"],
        "parameters": [
            {**each, "kind": _kind(each["schema"])}
            for each in operation["parameters"]
            if each["in"] != "path"
        ],
        "body": _body(operation.get("requestBody"), made),
        "answers": [
            (status, answer["description"], ", ".join(answer.get("content", {})))
            for status, answer in operation["responses"].items()
        ],
    }


def _body(body: Mapping[str, Any] | None, made: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if body is None:
        return None
    media, content = next(iter(body["content"].items()))
    reference = content["schema"].get("$ref", "")
    schema = made["components"]["schemas"].get(reference.rpartition("/")[2], {})
    fields = [
        (name, _kind(each), name in schema.get("required", ()), each.get("description", ""))
        for name, each in schema.get("properties", {}).items()
    ]
    about = body.get("description") or schema.get("description", "")
    return {"media": ", ".join(body["content"]) if not reference else media, "about": about, "fields": fields}


def _kind(schema: Mapping[str, Any]) -> str:
    """Shortly, what a value may be."""
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(_kind(each) for each in schema["anyOf"] if each.get("type") != "null")
    bounds = [f"{schema[key]}" for key in ("minimum", "maximum") if key in schema]
    if len(bounds) == 2:
        return f"{schema['type']}, {bounds[0]} to {bounds[1]}"
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    return str(schema.get("format") or schema.get("type", "any"))


ROUTES: Final = [
    Route("/api/docs", show, methods=["GET"]),
    Route("/api/docs/openapi.json", download, methods=["GET"]),
]
