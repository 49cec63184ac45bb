"""Opens a list and keeps it open, so that renaming, replacing or appending to the file does not change what is read.

A list is a regular file. A pipe, such as `<(…)` in a shell, is accepted where the list is read only once: it is copied
to an unnamed temporary file, within limits of size and time. Other special files may never end and are refused.
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
PIPE_TIMEOUT: Final = 60.0
"""Seconds without data after which a pipe is given up."""
MAX_PIPE_BYTES: Final = 4 << 30
"""Size limit of a pipe's data, in bytes."""
MAX_WHOLE_BYTES: Final = 16 << 20
"""Size limit, in bytes, of a file that is read into memory at once."""
_POLL_SECONDS: Final = 0.05
"""Seconds between two checks for a pipe's data."""


class Source:
    """An open list; only the bytes that it had when opened are read."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.name = path.name
        self.size = os.fstat(descriptor).st_size
        self.descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)

    def __reduce__(self) -> tuple[object, ...]:
        """For a process that inherits the descriptor: it reads no more of the file than this one."""
        return Source, (self.path, self.descriptor), {"size": self.size}

    def head(self, size: int) -> bytes:
        """Its first bytes."""
        return self._read(min(size, self.size), 0)

    def blocks(self) -> Iterator[bytes]:
        """The whole list in blocks; ends early if the file has been truncated."""
        at = 0
        while at < self.size and (block := self._read(min(BLOCK, self.size - at), at)):
            at += len(block)
            yield block

    def part(self, at: int, size: int) -> bytes:
        """Up to `size` bytes from that position on."""
        return self._read(max(0, min(size, self.size - at)), at)

    def duplicate(self) -> int:
        """A descriptor of the open file for another process, to be closed by the caller."""
        return os.dup(self.descriptor)

    def has_this_size(self) -> bool:
        """Whether the size is unchanged since the file was opened."""
        return os.fstat(self.descriptor).st_size == self.size

    def _read(self, size: int, at: int) -> bytes:
        try:
            return os.pread(self.descriptor, size, at)
        except OSError as error:
            raise _unreadable(self.path, "read", error) from error


def open_source(path: Path, *, again: bool) -> Source:
    """Open the list. `again`: it will be read again later, so a pipe is refused. Raises IntakeError."""
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
        return Source(path, _copy_of_pipe(path, descriptor))
    finally:
        os.close(descriptor)


def read_whole(path: Path) -> bytes:
    """Read a small file such as settings, a campaign, a rate card or a secret. Raises NotFound where there is none, and
    InvalidInput."""
    return b"".join(open_small(path).blocks())


def open_small(path: Path) -> Source:
    """Open a file that may be read whole. Raises NotFound where there is none, and InvalidInput."""
    try:
        source = open_source(path, again=False)
    except IntakeError as error:
        if isinstance(error.__cause__, (FileNotFoundError, NotADirectoryError)):
            raise NotFound(f"There is no file {path}.") from error
        if isinstance(error.__cause__, IsADirectoryError):
            raise InvalidInput(f"{path} is a folder, not a file.") from error
        raise
    if source.size > MAX_WHOLE_BYTES:
        raise InvalidInput(
            f"{path} is larger than {MAX_WHOLE_BYTES >> 20} MiB.", hint="Check that this is the right file."
        )
    return source


def _copy_of_pipe(path: Path, pipe: int) -> int:
    """Copy the pipe into an unnamed temporary file, which disappears with the process; its descriptor."""
    with TemporaryFile(buffering=0) as file:
        try:
            for block in _pipe_blocks(path, pipe):
                file.write(block)
        except OSError as error:
            raise IntakeError(
                IntakeCode.FILE_NOT_FOUND,
                f"The data from {path} cannot be stored temporarily: {error.strerror}.",
                hint="Free space in the folder for temporary files, or set TMPDIR to another folder.",
            ) from error
        return _duplicate(file)


def _duplicate(file: IO[bytes]) -> int:
    return os.dup(file.fileno())


def _pipe_blocks(path: Path, pipe: int) -> Iterator[bytes]:
    size, last_data_at = 0, time.monotonic()
    while time.monotonic() < last_data_at + PIPE_TIMEOUT:
        if not select.select([pipe], [], [], _POLL_SECONDS)[0]:
            continue
        try:
            block = os.read(pipe, BLOCK)
        except BlockingIOError:
            continue
        if block:
            size, last_data_at = size + len(block), time.monotonic()
            if size > MAX_PIPE_BYTES:
                raise _endless(path)
            yield block
        elif size:
            return
        else:  # no writer has opened the pipe yet, or it closed without writing
            time.sleep(_POLL_SECONDS)
    raise IntakeError(
        IntakeCode.NO_ANSWER,
        f"{path} sent no data for {PIPE_TIMEOUT:g} seconds.",
        hint="Check that the program that writes to it is running, or write the list to a file first.",
    )


def _endless(path: Path) -> IntakeError:
    return IntakeError(
        IntakeCode.TOO_LARGE,
        f"{path} sends more than {MAX_PIPE_BYTES >> 30} GiB.",
        hint="Write the list to a file, and check that it is a list of recipients.",
    )


def _no_file(path: Path, what: str) -> IntakeError:
    hint = "Write the list to a regular file, and give its path."
    return IntakeError(IntakeCode.NOT_A_FILE, f"{path} is {what}, not a file.", hint=hint)


def _unreadable(path: Path, how: str, error: OSError) -> IntakeError:
    return IntakeError(
        IntakeCode.FILE_NOT_FOUND, f"{path} cannot be {how}: {error.strerror}.", hint="Check the file's name."
    )
