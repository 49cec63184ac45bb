"""A form's file arrives piece by piece, whole and bounded, or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from starlette.requests import Request
from starlette.types import Message

from campaigns.errors import InvalidInput
from web.protocol.uploads import AROUND, LARGEST_FIELD, uploaded_file

MOST = 1 << 20


def request(body: bytes, size: int, kind: str = "multipart/form-data; boundary=B") -> Request:
    pieces = [body[at : at + size] for at in range(0, len(body), size)] or [b""]

    async def receive() -> Message:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", kind.encode())]}
    return Request(scope, receive)


def form(content: bytes, filename: str = "list.csv", before: str = "", after: str = "") -> bytes:
    head = f'--B\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\n'
    return f"{before}{head}".encode() + content + f"\r\n{after}--B--\r\n".encode()


def field(name: str, value: str) -> str:
    return f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'


async def taken(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
async def test_the_file_and_the_fields_before_it_come_in_pieces_of_any_size(size: int) -> None:
    content = bytes(range(256)) * 9 + b"\r\n--b\r\n--A--\r\n-\r\r\n--"
    body = form(content, before=field("digest", "é" * 9), after=field("late", "unseen"))
    found = await uploaded_file(request(body, size), MOST)
    assert (found.filename, found.fields) == ("list.csv", {"digest": "é" * 9})
    assert await taken(found.chunks) == content


@pytest.mark.parametrize("filename", ["Łist é.csv", "../../etc/passwd", "<script>.csv", ""])
async def test_a_file_name_is_as_it_was_written(filename: str) -> None:
    found = await uploaded_file(request(form(b"x", filename), 9), MOST)
    assert found.filename == filename


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"a=b", "application/x-www-form-urlencoded"),
        (b"", "multipart/form-data"),
        (b"", "multipart/form-data; boundary=B"),
        (b"", f"multipart/form-data; boundary={'B' * 999}"),
        (b"nothing like a form", "multipart/form-data; boundary=B"),
        ((field("a", "b") + "--B--\r\n").encode(), "multipart/form-data; boundary=B"),
        ((field("a", "b" * (LARGEST_FIELD + 1)) + "--B--\r\n").encode(), "multipart/form-data; boundary=B"),
        ("".join(field("a", "b") for _ in range(99)).encode(), "multipart/form-data; boundary=B"),
        (b"--B\r\n" + b"X: " + b"y" * 9999 + b"\r\n\r\n", "multipart/form-data; boundary=B"),
    ],
)
async def test_a_form_without_a_file_is_a_sentence(body: bytes, kind: str) -> None:
    with pytest.raises(InvalidInput, match=r"no file|not arrive whole"):
        await uploaded_file(request(body, 1000, kind), MOST)


async def test_an_upload_that_breaks_off_is_not_whole() -> None:
    body = form(b"x" * 5000)[:3000]
    found = await uploaded_file(request(body, 1000), MOST)
    with pytest.raises(InvalidInput, match="did not arrive whole"):
        await taken(found.chunks)


@pytest.mark.parametrize("size", [MOST + 1, MOST + AROUND + 5, 3 * MOST, 9 * MOST])
async def test_a_file_that_is_too_large_is_never_handed_on_beyond_its_limit(size: int) -> None:
    found = await uploaded_file(request(form(b"x" * size), 65_536), MOST)
    got = bytearray()

    async def take() -> None:
        async for chunk in found.chunks:
            got.extend(chunk)

    with pytest.raises(InvalidInput, match="larger than 1 MB"):
        await take()
    assert len(got) <= MOST


async def test_a_form_of_many_files_is_read_no_further_than_a_few() -> None:
    many = b"".join(form(b"x", f"{number}.csv")[:-7] for number in range(10_000)) + b"--B--\r\n"
    with pytest.raises(InvalidInput, match="did not arrive whole"):
        await uploaded_file(request(many, 65_536), MOST)
    found = await uploaded_file(request(many, 100), MOST)
    with pytest.raises(InvalidInput, match="did not arrive whole"):
        await taken(found.chunks)


async def test_a_part_with_many_headers_is_refused() -> None:
    body = b"--B\r\n" + b"X-A: b\r\n" * 10_000 + b"\r\nx\r\n--B--\r\n"
    with pytest.raises(InvalidInput, match="did not arrive whole"):
        await uploaded_file(request(body, 65_536), MOST)
