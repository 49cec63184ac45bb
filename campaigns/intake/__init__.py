"""From the bytes of a CSV to rows to be trusted: accepted ones with E.164 numbers, rejects with reasons.

`read.open_intake` detects and checks the file as a whole (`IntakeError`); `Intake.chunks` streams its rows.
"""

from __future__ import annotations
