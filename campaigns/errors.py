"""Every error that a user can meet, as one tree; the class docstring is the default message.

DrumbeatError
├── UsageError            the command or a setting is not valid                    exit 2
│   ├── Forbidden         the user may not do this
│   └── NoRoom            the disk is full, or the quota is used up
├── AccountError          a provider refused our credentials or our settings      exit 4
├── InvalidInput          a file is wrong and nothing was done                    exit 5
│   ├── SpecError         the campaign file or drumbeat.toml
│   └── IntakeError       the CSV as a whole (single rows are rejects, not errors)
├── Stopped               a guard stopped the work (breaker, approval, budget)    exit 6
├── NotFound              no campaign, sender, file of that name                  exit 7
├── Locked                another runner holds the database                       exit 8
└── Unavailable           the provider or the database did not answer             exit 1
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class DrumbeatError(Exception):
    """Something went wrong."""

    exit_code = 1

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())
        self.hint = hint
        """What the user can do about it, one sentence, or empty."""


class UsageError(DrumbeatError):
    """The command cannot be understood."""

    exit_code = 2


class Forbidden(UsageError):
    """You may not do this."""


class NoRoom(UsageError):
    """The disk is full."""


class AccountError(DrumbeatError):
    """The provider refused the account."""

    exit_code = 4


class InvalidInput(DrumbeatError):
    """The input is not valid; nothing was done."""

    exit_code = 5


@dataclass(frozen=True)
class Fault:
    """What is wrong with one key of a file."""

    key: tuple[int | str, ...]
    """`("content", "images", 0, "url")`; empty: the file as a whole."""
    message: str
    missing: bool = False
    """Whether the key is not there but has to be."""


class SpecError(InvalidInput):
    """The campaign file is not valid."""

    def __init__(self, message: str = "", *, hint: str = "", faults: Sequence[Fault] = ()) -> None:
        super().__init__(message, hint=hint)
        self.faults = tuple(faults)
        """The keys at fault, where they are known."""


class IntakeError(InvalidInput):
    """The CSV cannot be loaded."""

    file: str | None = None
    """The name of the CSV, if set by the caller that opened it."""
    columns: tuple[str, ...] = ()
    """Its columns, if they could be read."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        line: int | None = None,
        column: str | None = None,
        hint: str = "",
        choices: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.line = line
        self.column = column
        self.choices = choices or {}
        """Where the file can be read in several ways: what to choose -> how it would be read."""


class Stopped(DrumbeatError):
    """A guard stopped the work."""

    exit_code = 6


class NotFound(DrumbeatError):
    """Nothing with that name exists."""

    exit_code = 7


class Locked(DrumbeatError):
    """Another runner holds this database."""

    exit_code = 8


class Unavailable(DrumbeatError):
    """The provider or the database did not answer."""
