"""Media files beside a campaign file: what they are, by their content and never by their name, and whether WhatsApp
takes them. Limits: Meta's page on supported media types, as of November 2026."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Final

from campaigns.errors import Fault, SpecError
from campaigns.frozen import frozen
from campaigns.spec.toml_files import Loc, dotted

LARGEST: Final = 16 << 20
"""Bytes. WhatsApp takes documents up to 100 MB; a file is stored with the campaign, so larger ones go by their URL."""
_TEXT_HEAD: Final = 4096
_OFFICE: Final = {
    b"word/": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    b"xl/": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    b"ppt/": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
_OLD_OFFICE: Final = {
    "W\0o\0r\0d\0D\0o\0c\0u\0m\0e\0n\0t": "application/msword",
    "W\0o\0r\0k\0b\0o\0o\0k": "application/vnd.ms-excel",
    "P\0o\0w\0e\0r\0P\0o\0i\0n\0t": "application/vnd.ms-powerpoint",
}
SUFFIXES: Final = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "video/mp4": ".mp4",
    "video/3gpp": ".3gp",
    "audio/aac": ".aac",
    "audio/amr": ".amr",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/ogg": ".ogg",
    "application/pdf": ".pdf",
    _OFFICE[b"word/"]: ".docx",
    _OFFICE[b"xl/"]: ".xlsx",
    _OFFICE[b"ppt/"]: ".pptx",
    "application/msword": ".doc",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.ms-powerpoint": ".ppt",
    "text/plain": ".txt",
}
"""Every type that is recognized, with the end of a name that belongs to it."""
_OTHER_BRANDS: Final = (b"hei", b"hev", b"mif1", b"msf1", b"avi", b"qt", b"crx", b"jx", b"jp2")
"""Of files that begin as an MP4 does: pictures of telephones and cameras, QuickTime."""
_DOCUMENTS: Final = frozenset(kind for kind in SUFFIXES if kind.startswith(("application/", "text/")))
_MEGABYTE: Final = 1 << 20


@frozen
class Limit:
    types: frozenset[str]
    bytes: int
    named: str


LIMITS: Final[Mapping[str, Limit]] = {
    "image": Limit(frozenset({"image/jpeg", "image/png"}), 5 * _MEGABYTE, "a JPEG or PNG image"),
    "video": Limit(frozenset({"video/mp4", "video/3gpp"}), 16 * _MEGABYTE, "an MP4 or 3GP video"),
    "audio": Limit(
        frozenset({"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"}),
        16 * _MEGABYTE,
        "an AAC, AMR, MP3, M4A or OGG (Opus) recording",
    ),
    "document": Limit(_DOCUMENTS, LARGEST, "a PDF, an Office document or a plain text"),
    "sticker": Limit(frozenset({"image/webp"}), 500 << 10, "a WebP image"),
}
"""By the kind of message, or of a template's header, that the file is for."""


@frozen
class MediaFile:
    """One file that is uploaded to a provider."""

    name: str
    digest: str
    content_type: str
    content: bytes = field(repr=False)


def content_type_of(content: bytes) -> str | None:
    """The type of a file by its content; None for one that cannot be sent, such as a web page or a program."""
    head = content[:64]
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        return _of_brand(head[8:12])
    if head.startswith(b"%PDF-"):
        return "application/pdf"
    if head.startswith(b"OggS"):
        return "audio/ogg" if b"OpusHead" in content[:128] else None
    if head.startswith((b"#!AMR\n", b"#!AMR-WB\n")):
        return "audio/amr"
    if head.startswith(b"ID3") or _is_frame(head, 0xE2):
        return "audio/mpeg"
    if _is_frame(head, 0xF0):
        return "audio/aac"
    if head.startswith(b"PK\x03\x04"):
        return next((kind for folder, kind in _OFFICE.items() if folder in content), None)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return next((kind for name, kind in _OLD_OFFICE.items() if name.encode("latin-1") in content), None)
    return "text/plain" if _is_plain(content) else None


def _of_brand(brand: bytes) -> str | None:
    if brand.lower().startswith(_OTHER_BRANDS):
        return None
    if brand.startswith((b"3gp", b"3g2")):
        return "video/3gpp"
    return "audio/mp4" if brand in (b"M4A ", b"M4B ") else "video/mp4"


def _is_frame(head: bytes, layer: int) -> bool:
    """Whether it begins with a frame of MPEG audio: eleven bits, then the layer (AAC has none)."""
    if len(head) < 2 or head[0] != 0xFF:
        return False
    return head[1] & 0xF6 == 0xF0 if layer == 0xF0 else head[1] & 0xE6 == 0xE2


def _is_plain(content: bytes) -> bool:
    """Whether it is a text, and none that a browser would take for a page."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    controls = any(ord(sign) < 32 and sign not in "\t\r\n\f" for sign in text)
    return bool(text.strip()) and not controls and "<" not in text[:_TEXT_HEAD]


def misfit(kind: str, content: bytes) -> str | None:
    """Why a file cannot be sent as this kind of message, as the end of a sentence about it; None: it can."""
    limit, found = LIMITS[kind], content_type_of(content)
    if not content:
        return "is empty"
    if found not in limit.types:
        what = f", but its content is {found}" if found else ", and its content is none"
        return f"must be {limit.named}{what}"
    if len(content) > limit.bytes:
        size = f"{limit.bytes / _MEGABYTE:.1f}".removesuffix(".0")
        return f"is larger than {size} MB, the most for {'an' if kind[0] in 'aeiou' else 'a'} {kind}"
    return None


def read_media(data: Mapping[str, Any], folder: Path) -> Iterator[tuple[dict[str, Any], MediaFile]]:
    """Each table of the campaign's data that names a file, with that file. Raises SpecError, also where a file is not
    the one that its digest names."""
    audience = data.get("audience")
    own_list = Path(str(audience.get("csv") or "")).name if isinstance(audience, Mapping) else ""
    for loc, table in tables_with_files(data):
        key, name = dotted((*loc, "file")), str(table["file"])
        kind = next((str(part) for part in reversed(loc) if isinstance(part, str)), "")
        problem, file = _read(folder / name, {"images": "image", "files": "document"}.get(kind, kind))
        if file is not None and name == own_list:
            problem, file = "is the list of recipients", None
        if file is None:
            raise _wrong((*loc, "file"), f"{key}: {name} {problem}.")
        if table.get("digest") not in (None, file.digest):
            raise _wrong((*loc, "digest"), f"{key}: {name} is not the file with that digest.")
        yield table, file


def tables_with_files(data: Any, loc: Loc = ()) -> Iterator[tuple[Loc, dict[str, Any]]]:
    """Each table below [content] and [[variants]] that names a file, with its key."""
    if not loc:
        for top in ("content", "variants"):
            yield from tables_with_files(data.get(top), (top,))
    elif isinstance(data, dict):
        if isinstance(data.get("file"), str):
            yield loc, data
        for name, value in data.items():
            yield from tables_with_files(value, (*loc, name))
    elif isinstance(data, (list, tuple)):
        for place, value in enumerate(data):
            yield from tables_with_files(value, (*loc, place))


def _read(path: Path, kind: str) -> tuple[str, MediaFile | None]:
    if path.is_symlink() or not path.is_file():
        return "is not beside the campaign file", None
    try:
        if path.stat().st_size > LARGEST:
            return f"is larger than {LARGEST >> 20} MB; give its URL instead", None
        content = path.read_bytes()
    except OSError as error:
        return f"cannot be read: {error.strerror}", None
    if (problem := misfit(kind, content)) is not None:
        return problem, None
    digest = hashlib.sha256(content).hexdigest()
    return "", MediaFile(path.name, digest, content_type_of(content) or "", content)


def _wrong(key: Loc, message: str) -> SpecError:
    return SpecError(message, hint="Correct the name, or put the file there.", faults=[Fault(key, message)])
