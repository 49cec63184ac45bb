"""The sample lists hold what their README says."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from campaigns.intake.model import IntakeOptions
from campaigns.intake.read import open_intake
from campaigns.reject_codes import RejectCode
from scheduler.audience.load import check
from scheduler.audience.load_report import LoadReport
from tests.support.paths import ROOT

SAMPLES = ROOT / "sample_data"
NOT_PLAIN_TEXT = {RejectCode.NUL, RejectCode.CELL_TOO_LONG}
OF_A_PROVIDER = {RejectCode.NOT_SENDABLE, RejectCode.USER_ID_INVALID, RejectCode.USER_ID_UNSENDABLE}
OF_OPT_OUTS = {RejectCode.BAD_ACTION, RejectCode.BAD_SCOPE, RejectCode.BAD_AT}
OF_OWN_COLUMNS = {RejectCode.BAD_TIMEZONE, RejectCode.BAD_SEND_AT, RejectCode.BAD_CONSENT_AT}
OF_THE_PRESENT = {RejectCode.SEND_AT_PAST, RejectCode.SEND_AT_TOO_LATE}


async def report_on(name: str, folder: Path, options: IntakeOptions) -> LoadReport:
    return await check(SAMPLES / name, options, max_reject_percent=100, rejects_path=folder / "rejects.csv")


async def test_spring_sale(tmp_path: Path) -> None:
    options = IntakeOptions(required=frozenset({"first_name", "code"}))
    report = await report_on("spring_sale.csv", tmp_path, options)
    assert (report.rows, report.accepted, report.rejected, report.duplicates) == (1000, 958, 42, 8)
    elsewhere = OF_OPT_OUTS | NOT_PLAIN_TEXT | OF_A_PROVIDER | OF_OWN_COLUMNS | OF_THE_PRESENT
    assert set(report.reasons) == {code.value for code in RejectCode} - elsewhere
    regions = Counter(
        r for chunk in open_intake(SAMPLES / "spring_sale.csv", options).chunks() for r in chunk.regions
    )
    assert set(regions) == {"GB", "FR", "IE", "US", "CA", "AU", "SE"}


async def test_small(tmp_path: Path) -> None:
    report = await report_on("small.csv", tmp_path, IntakeOptions())
    assert (report.rows, report.accepted) == (12, 12)


async def test_nasty(tmp_path: Path) -> None:
    report = await report_on("nasty.csv", tmp_path, IntakeOptions(default_country="GB"))
    assert (report.rows, report.accepted) == (19, 11)
    assert set(report.reasons) >= {code.value for code in NOT_PLAIN_TEXT}
    assert report.detected.encoding == "utf-16-le"
    assert (report.detected.delimiter, report.detected.newline) == (";", "mixed")
    assert report.detected.phone_column == "Mobile Number"
    assert report.rejects_file is not None
    with report.rejects_file.open(encoding="utf-8-sig", newline="") as file:
        lines = [int(row["drumbeat_line"]) for row in csv.DictReader(file, delimiter=";")]
    assert lines == [12, 13, 14, 15, 18, 19, 20, 22]


@pytest.mark.parametrize("name", ["spring_sale.csv", "small.csv", "nasty.csv"])
def test_samples_are_small(name: str) -> None:
    assert (SAMPLES / name).stat().st_size < 200_000
