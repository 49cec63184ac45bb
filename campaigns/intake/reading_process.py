"""A long list is read by a process of its own, which checks the next rows while this one stores those before.

It only saves time. What it does not deliver, because no process can be started or because it ended early, is read here:
the same rows and the same errors.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from subprocess import DEVNULL, PIPE, Popen
from tempfile import TemporaryFile
from threading import Thread
from typing import IO, Final, cast

from campaigns.intake.model import Chunk
from campaigns.intake.read import Intake

LONG: Final = 2 << 20
"""Bytes of a list that is worth a process: some 50,000 rows. It starts in the time of 20,000."""
_PROGRAM: Final = (
    "import sys; sys.path[:] = {path!r}; from campaigns.intake.reading_process import deliver; deliver()"
)


def chunks_of(intake: Intake) -> Iterator[Chunk]:
    """As `intake.chunks`. To close it before its end ends the process."""
    done = 0
    if intake.size >= LONG:
        for chunk in _delivered(intake):
            if chunk is None:
                return
            yield chunk
            done += 1
    yield from intake.chunks(after=done)


def _delivered(intake: Intake) -> Iterator[Chunk | None]:
    """The chunks, and None after the last; without it, the process did not read all."""
    try:
        process = _start(intake)
    except OSError:
        return
    written = cast(IO[bytes], process.stdout)
    try:
        chunk: Chunk | None
        while True:
            chunk, numbers = pickle.load(written)  # noqa: S301  # by ourselves
            intake.numbers.extend(numbers)
            yield chunk
    except (EOFError, OSError, pickle.UnpicklingError):
        return
    finally:
        process.kill()
        written.close()
        Thread(target=process.wait, daemon=True).start()  # one that waits for its disk does not end at once


def _start(intake: Intake) -> Popen[bytes]:
    with TemporaryFile() as given:
        pickle.dump(intake, given)
        given.seek(0)
        return Popen(  # noqa: S603
            [sys.executable, "-c", _PROGRAM.format(path=sys.path)],
            stdin=given,
            stdout=PIPE,
            stderr=DEVNULL,
            pass_fds=intake.descriptors,
            start_new_session=True,  # Ctrl-C is for this process, which then ends the other
        )


def deliver() -> None:
    """The process: it reads the list that it gets and writes the chunks, each with the row numbers new in it. Once
    nobody reads them it ends, as it cannot write."""
    intake: Intake = pickle.load(sys.stdin.buffer)  # noqa: S301
    known = len(intake.numbers)
    for chunk in intake.chunks():
        pickle.dump((chunk, intake.numbers.since(known)), sys.stdout.buffer)
        known = len(intake.numbers)
    pickle.dump((None, intake.numbers.since(known)), sys.stdout.buffer)
    sys.stdout.flush()
