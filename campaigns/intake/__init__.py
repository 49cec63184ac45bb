"""From a CSV or a sheet of a workbook to validated rows: accepted rows with E.164 numbers, rejected rows with reasons.

`read.open_intake` detects and checks the file as a whole (`IntakeError`); `Intake.chunks` streams its rows.
"""

from __future__ import annotations
