"""The result of a load or a check: how many rows were accepted and rejected, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from campaigns.errors import IntakeError
from campaigns.frozen import frozen
from campaigns.intake.model import Detected
from campaigns.reject_codes import IntakeCode
from storage.audience.audience import Source


@frozen
class LoadReport:
    """The result of a file's rows: rows = accepted + rejected, and duplicates are among the rejected."""

    campaign: str | None
    """None for a check."""
    rows: int
    accepted: int
    rejected: int
    duplicates: int
    rejects_file: Path | None
    detected: Detected
    reasons: dict[str, int]
    """Reject code -> rows, most frequent first."""
    already_loaded: bool = False
    """The same bytes were loaded before: nothing was added, the figures are those of that time."""
    loaded_before: Source | None = None
    """That load."""
    replaced: int = 0
    """Rows of that load whose place a later list has taken."""
    earlier: Mapping[Source, int] = field(default_factory=dict)
    """Earlier file -> rows among the rejected whose people the campaign has from it."""
    left_out: int = 0
    """Rows that `audience.where` leaves out; they are not among `rows`."""
    respelt: int = 0
    """Rows whose number is in a former or another spelling, such as Benin's eight digits."""
    respelt_example: tuple[str, str] | None = None
    """One of them: the cell and the number that it is read as."""
    duplicates_are_bad: bool = False
    """Whether the rows of a number that the file has twice were all left out: `--duplicates reject`."""

    @property
    def known(self) -> int:
        """Rows among the rejected whose people the campaign has from earlier files."""
        return sum(self.earlier.values())

    @property
    def harmless(self) -> int:
        """Rows among the rejected whose people get the message all the same."""
        return self.known if self.duplicates_are_bad else self.duplicates

    @property
    def bad(self) -> int:
        """Rows whose people get no message."""
        return self.rejected - self.harmless

    def has_too_many_bad(self, max_percent: float) -> bool:
        """Of the rows that count, without the harmless ones."""
        return self.bad * 100 > (self.rows - self.harmless) * max_percent

    def as_json(self) -> dict[str, Any]:
        """The documented shape of `campaign check|load --json`."""
        return {
            "campaign": self.campaign,
            "rows": self.rows,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "duplicates": self.duplicates,
            "rejects_file": str(self.rejects_file) if self.rejects_file else None,
            "detected": self.detected.as_json(),
            "reasons": self.reasons,
            "left_out": self.left_out,
            "respelt": self.respelt,
            "already_loaded": self.already_loaded,
            "already_in": [
                {"file": source.file, "loaded_at": source.loaded_at.isoformat(), "rows": rows}
                for source, rows in self.earlier.items()
            ],
        }


class TooManyRejects(IntakeError):
    """More rows are bad than is allowed: nothing was loaded, but the rejects file is written; see `report`."""

    def __init__(self, report: LoadReport, max_reject_percent: float) -> None:
        counted = report.rows - report.harmless
        harmless = f", {report.harmless:,} duplicates not counted" if report.harmless else ""
        where = f" They are in {report.rejects_file}." if report.rejects_file else ""
        super().__init__(
            IntakeCode.TOO_MANY_REJECTS,
            f"{report.bad:,} of {counted:,} rows ({100 * report.bad / counted:.1f} %) are bad{harmless}; "
            f"{max_reject_percent:g} % is the most. Nothing was loaded.{where}",
            hint="Fix them, or raise --max-reject-percent.",
        )
        self.report = report
