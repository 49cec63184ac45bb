"""Files that are there whole or not at all: written beside their place, stored safely, and only then moved there."""

from __future__ import annotations

import filecmp
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path
from tempfile import mkstemp
from typing import TextIO, cast

from campaigns.errors import UsageError


class WholeFile:
    """A file that only this user can read. What is at its place stands until it is moved there; where it is dropped, or
    the process is killed, it stands for good. Raises UsageError where it cannot be written."""

    def __init__(self, place: Path, encoding: str = "utf-8") -> None:
        self._place = place
        with _in_words(place):
            number, name = mkstemp(prefix=f".{place.name[:100]}.", suffix=".part", dir=place.parent)
        self._beside = Path(name)
        raw = cast(io.RawIOBase, _Raw(number, place))
        self.text: TextIO = io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding, newline="")

    def replace(self) -> None:
        """Move it to its place, over a file that is there."""
        self._store()
        with _in_words(self._place):
            self._beside.replace(self._place)
        _store_folder(self._place)

    def add(self) -> Path:
        """Move it to its place, or where something else is there to the same name with a number: `name-2.csv`. A file
        that is there already and says the same takes its place. Where it went."""
        self._store()
        others = (self._place.with_stem(f"{self._place.stem}-{number}") for number in count(2))
        for place in chain([self._place], others):
            with _in_words(place):
                if _moved(self._beside, place) or _says_the_same(self._beside, place):
                    self._beside.unlink(missing_ok=True)
                    _store_folder(place)
                    return place
        raise AssertionError("There are numbers without end.")

    def drop(self) -> None:
        """Leave nothing of it."""
        with suppress(UsageError):
            self.text.close()
        self._beside.unlink(missing_ok=True)

    def _store(self) -> None:
        self.text.flush()
        with _in_words(self._place):
            os.fsync(self.text.fileno())
        self.text.close()


class _Raw(io.FileIO):
    """Its errors are told in words, whoever writes and however late the buffer is written."""

    def __init__(self, number: int, place: Path) -> None:
        super().__init__(number, "w")
        self._place = place

    def write(self, data: object) -> int:
        with _in_words(self._place):
            return super().write(data)  # type: ignore[arg-type]


@contextmanager
def whole_file(place: Path, *, replace: bool = False) -> Iterator[TextIO]:
    """The file at `place`, moved there at the end of the block; an error leaves what was there."""
    file = WholeFile(place)
    try:
        yield file.text
        file.replace() if replace else file.add()
    finally:
        file.drop()


@contextmanager
def _in_words(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{place} cannot be written: {error.strerror or error}. What was there is as it was."
        ) from error


def _moved(source: Path, place: Path) -> bool:
    """Whether it took the place, which was free."""
    try:
        place.hardlink_to(source)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if os.path.lexists(place):
            return False
        source.rename(place)
    return True


def _says_the_same(one: Path, other: Path) -> bool:
    return other.is_file() and not other.is_symlink() and filecmp.cmp(one, other, shallow=False)


def _store_folder(place: Path) -> None:
    with suppress(OSError):
        number = os.open(place.parent, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
