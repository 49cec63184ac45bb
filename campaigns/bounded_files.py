"""Opens a list and holds it open: what is read is the file as it was then, whatever becomes of its name or its end.

A list is a regular file. A pipe, as `<(…)` of a shell makes one, is taken too where the list is read once: into a file
without a name, within a size and a time. Nothing else ends for certain.
"""

from __future__ import annotations

import os
import select
import stat
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final

from campaigns.errors import IntakeError, InvalidInput, NotFound
from campaigns.reject_codes import IntakeCode

BLOCK: Final = 1 << 20
SILENCE: Final = 60.0
"""Seconds that a pipe may give nothing."""
LONGEST: Final = 4 << 30
"""Bytes that a pipe may give in all."""
SMALL: Final = 16 << 20
"""Bytes of a file that is read at once."""
_A_LOOK: Final = 0.05
"""Seconds between two looks whether anybody has begun to write into a pipe."""


class Source:
    """A list that is open; read up to the size that it had at the start."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.name = path.name
        self.size = os.fstat(descriptor).st_size
        self._descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)

    def head(self, size: int) -> bytes:
        """Its first bytes."""
        return self._read(min(size, self.size), 0)

    def blocks(self) -> Iterator[bytes]:
        """All of it, a block at a time; shorter where the file has been cut short."""
        at = 0
        while at < self.size and (block := self._read(min(BLOCK, self.size - at), at)):
            at += len(block)
            yield block

    def has_this_size(self) -> bool:
        """Whether nothing was added or cut off since it was opened."""
        return os.fstat(self._descriptor).st_size == self.size

    def _read(self, size: int, at: int) -> bytes:
        try:
            return os.pread(self._descriptor, size, at)
        except OSError as error:
            raise _unreadable(self.path, "read", error) from error


def open_source(path: Path, *, again: bool) -> Source:
    """Open the list; `again`: it will be read again later, which a pipe cannot be. Raises IntakeError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _unreadable(path, "opened", error) from error
    except ValueError as error:  # a NUL in its name
        raise _unreadable(path, "opened", OSError(0, str(error))) from error
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return Source(path, descriptor)
    try:
        if stat.S_ISDIR(mode):
            folder = IsADirectoryError(0, "Is a directory")
            raise _unreadable(path, "opened", folder) from folder
        if again or not stat.S_ISFIFO(mode):
            raise _no_file(path, "a pipe" if stat.S_ISFIFO(mode) else "a device")
        return Source(path, _taken_in(path, descriptor))
    finally:
        os.close(descriptor)


def read_whole(path: Path) -> bytes:
    """A small file at once: settings, a campaign, a rate card, a secret. Raises NotFound where there is none, and
    InvalidInput."""
    try:
        source = open_source(path, again=False)
    except IntakeError as error:
        if isinstance(error.__cause__, (FileNotFoundError, NotADirectoryError)):
            raise NotFound(f"There is no file {path}.") from error
        if isinstance(error.__cause__, IsADirectoryError):
            raise InvalidInput(f"{path} is a folder, not a file.") from error
        raise
    if source.size > SMALL:
        raise InvalidInput(
            f"{path} is larger than {SMALL >> 20} MiB.", hint="Check that this is the right file."
        )
    return b"".join(source.blocks())


def _taken_in(path: Path, pipe: int) -> int:
    """What the pipe gives, in a file that has no name and so is gone with us however we end."""
    with TemporaryFile(buffering=0) as file:
        try:
            for block in _given(path, pipe):
                file.write(block)
        except OSError as error:
            raise IntakeError(
                IntakeCode.FILE_NOT_FOUND,
                f"What {path} gives cannot be kept while it is read: {error.strerror}.",
                hint="Make room in the folder for temporary files, or point TMPDIR to another one.",
            ) from error
        return _duplicate(file)


def _duplicate(file: IO[bytes]) -> int:
    return os.dup(file.fileno())


def _given(path: Path, pipe: int) -> Iterator[bytes]:
    size, heard_at = 0, time.monotonic()
    while time.monotonic() < heard_at + SILENCE:
        if not select.select([pipe], [], [], _A_LOOK)[0]:
            continue
        try:
            block = os.read(pipe, BLOCK)
        except BlockingIOError:
            continue
        if block:
            size, heard_at = size + len(block), time.monotonic()
            if size > LONGEST:
                raise _endless(path)
            yield block
        elif size:
            return
        else:  # nobody has opened the other end yet, or who did has written nothing
            time.sleep(_A_LOOK)
    raise IntakeError(
        IntakeCode.NO_ANSWER,
        f"{path} gave nothing for {SILENCE:g} seconds.",
        hint="See whether the program that writes into it is at work, or write a file first.",
    )


def _endless(path: Path) -> IntakeError:
    return IntakeError(
        IntakeCode.TOO_LARGE,
        f"{path} gives more than {LONGEST >> 30} GiB.",
        hint="Write it to a file, and check that this is a table of recipients.",
    )


def _no_file(path: Path, what: str) -> IntakeError:
    hint = "Write the list to a file, and name that."
    return IntakeError(IntakeCode.NOT_A_FILE, f"{path} is {what}, not a file.", hint=hint)


def _unreadable(path: Path, how: str, error: OSError) -> IntakeError:
    return IntakeError(
        IntakeCode.FILE_NOT_FOUND, f"{path} cannot be {how}: {error.strerror}.", hint="Check the file's name."
    )
