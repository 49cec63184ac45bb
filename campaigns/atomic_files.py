"""Atomic file writes: written to a temporary file beside the target, synced to disk, and only then moved into place."""

from __future__ import annotations

import errno
import filecmp
import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path
from tempfile import mkstemp
from typing import BinaryIO, Final, TextIO, cast

from campaigns.errors import NoRoom, UsageError

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of a full disk, a used-up quota and a limit on the size of files."""


class WholeFile:
    """A file that only this user can read. An existing file at the target stays as it is until this one is moved there,
    and for good if this one is dropped or the process is killed. Raises UsageError where it cannot be written."""

    def __init__(self, place: Path, encoding: str = "utf-8") -> None:
        self._place = place
        with _as_usage_error(place):
            number, name = mkstemp(prefix=f".{place.name[:100]}.", suffix=".part", dir=place.parent)
        self._beside = Path(name)
        raw = cast(io.RawIOBase, _Raw(number, place))
        self.bytes: BinaryIO = io.BufferedWriter(raw)
        self.text: TextIO = io.TextIOWrapper(self.bytes, encoding=encoding, newline="")

    @property
    def beside(self) -> Path:
        """Where it is until it is moved."""
        return self._beside

    def replace(self) -> None:
        """Move it into place, replacing an existing file."""
        self._store()
        with _as_usage_error(self._place):
            self._beside.replace(self._place)
        _store_folder(self._place)

    def add(self) -> Path:
        """Move it into place and return its path. Where another file is there, a number is added: `name-2.csv`; an
        existing file with the same content is kept instead."""
        self._store()
        others = (self._place.with_stem(f"{self._place.stem}-{number}") for number in count(2))
        for place in chain([self._place], others):
            with _as_usage_error(place):
                if _moved_to_free(self._beside, place) or _has_same_content(self._beside, place):
                    self._beside.unlink(missing_ok=True)
                    _store_folder(place)
                    return place
        raise AssertionError("unreachable: the numbers never run out")

    def drop(self) -> None:
        """Delete it."""
        with suppress(UsageError):
            self.text.close()
        self._beside.unlink(missing_ok=True)

    def _store(self) -> None:
        self.text.flush()
        with _as_usage_error(self._place):
            os.fsync(self.text.fileno())
        self.text.close()


class _Raw(io.FileIO):
    """Raises UsageError instead of OSError, also for buffered text that is written later."""

    def __init__(self, number: int, place: Path) -> None:
        super().__init__(number, "w")
        self._place = place

    def write(self, data: object) -> int:
        with _as_usage_error(self._place):
            return super().write(data)  # type: ignore[arg-type]


@contextmanager
def whole_file(place: Path, *, replace: bool = False) -> Iterator[TextIO]:
    """A file that is moved to `place` at the end of the block; after an error, an existing file there is unchanged."""
    file = WholeFile(place)
    try:
        yield file.text
        file.replace() if replace else file.add()
    finally:
        file.drop()


def write_blocks(place: Path, blocks: Iterable[bytes]) -> None:
    """Write the bytes to a file that replaces an existing one once it is whole."""
    file = WholeFile(place)
    try:
        for block in blocks:
            file.bytes.write(block)
        file.replace()
    finally:
        file.drop()


@contextmanager
def filled_file(place: Path, *, replace: bool = False) -> Iterator[Path]:
    """The path of an empty file that a library fills, and that is moved to `place` at the end of the block; after an
    error, an existing file there is unchanged."""
    file = WholeFile(place)
    try:
        yield file.beside
        file.replace() if replace else file.add()
    finally:
        file.drop()


@contextmanager
def _as_usage_error(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        problem = (
            f"{place} cannot be written: {error.strerror or error}. An existing file there is unchanged."
        )
        if error.errno in NO_ROOM:
            hint = f"Free some space on the disk of {place.parent}, then repeat the command."
            raise NoRoom(problem, hint=hint) from error
        raise UsageError(problem) from error


def _moved_to_free(source: Path, place: Path) -> bool:
    """Move the file if nothing is at `place` yet; whether it was moved."""
    try:
        place.hardlink_to(source)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if os.path.lexists(place):
            return False
        source.rename(place)
    return True


def _has_same_content(one: Path, other: Path) -> bool:
    return other.is_file() and not other.is_symlink() and filecmp.cmp(one, other, shallow=False)


def _store_folder(place: Path) -> None:
    with suppress(OSError):
        number = os.open(place.parent, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
