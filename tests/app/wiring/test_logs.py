"""Log lines: shape, ids, and no phone number or password whole, whoever wrote it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.wiring.logs import log_as_json, set_up_logs
from campaigns.log_ids import current_ids, log_ids
from campaigns.masking import masked
from tests.support.hostile import controls_in

logger = logging.getLogger("scheduler.tests")


@pytest.fixture(autouse=True)
def loggers_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    "written",
    [
        "+447700900123",
        "447700900123",
        "+44 7700 900123",
        "+44 (0)7700 900-123",
        "+1 (202) 555-0143",
        "+290 1234",
        "00447700900123",
        "07 70 09 00 12",
        "['+447700900123']",
        "to=447700900123&x=1",
        "tel:+447700900123;",
        "%2B447700900123",
    ],
)
def test_a_number_is_cut_down_however_it_is_written(written: str) -> None:
    shown = masked(f"before {written} after")
    assert "***" in shown
    assert shown.startswith("before")
    assert shown.endswith("after")
    digits = "".join(filter(str.isdigit, written))
    assert digits[:-2] not in "".join(filter(str.isdigit, shown))


@given(
    st.from_regex(r"[1-9][0-9]{7,14}", fullmatch=True),
    st.text(alphabet="ab :=/'\"(),.{}<>\n", max_size=5),
    st.booleans(),
)
def test_no_number_survives_among_other_text(digits: str, around: str, plus: bool) -> None:
    assert digits not in masked(f"{around}{'+' if plus else ''}{digits}{around}")


@pytest.mark.parametrize(
    "harmless",
    [
        "2026-11-21 11:48:31 UTC",
        "2026-11-21T11:48:31.123+00:00",
        "192.168.100.200:5432",
        "HTTP 503 after 12.345 s, 1,000 messages, epoch 1234567",
        "a3f1b2c4-1234-4abc-9def",
    ],
)
def test_what_is_no_number_stays(harmless: str) -> None:
    assert masked(harmless) == harmless


def test_an_addresss_password_is_not_shown() -> None:
    assert masked("no answer from postgresql://me:hunter2@db.example:5432/x") == (
        "no answer from postgresql://me:***@db.example:5432/x"
    )


def test_a_json_line_has_everything_an_index_needs(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(verbose=False, format="json")
    assert log_as_json()
    with log_ids(lane="ourvoice/shop"), log_ids(run=7, job=12345678901):
        try:
            raise ValueError("no +447700900123")
        except ValueError:
            logger.exception("It broke for %s.", "+447700900123", extra={"action": "broke", "who": None})
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert said.pop("at").endswith("+00:00")
    assert "ValueError: no ***23" in said.pop("error")
    assert said == {
        "level": "error",
        "logger": "scheduler.tests",
        "message": "It broke for ***23.",
        "lane": "ourvoice/shop",
        "run": 7,
        "job": 12345678901,
        "action": "broke",
        "who": None,
    }


def test_a_sentence_names_the_ids_too(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(verbose=False)
    assert not log_as_json()
    with log_ids(lane="ourvoice/shop"):
        logger.warning("It is about %s.", "+447700900123", extra={"action": "note"})
    logger.info("Not shown.")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("WARNING It is about ***23. lane=ourvoice/shop action=note")


def test_ids_of_the_caller_win_over_the_context(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(verbose=False, format="json")
    with log_ids(job=1):
        logger.error("Here.", extra={"job": 2})
    assert json.loads(capsys.readouterr().err)["job"] == 2


async def test_tasks_inherit_the_ids_and_keep_their_own_apart() -> None:
    seen = {}

    async def call(job: int) -> None:
        await asyncio.sleep(0)
        seen[job] = current_ids()

    with log_ids(lane="a/b"):
        tasks = []
        for job in (1, 2):
            with log_ids(job=job):
                tasks.append(asyncio.create_task(call(job)))
        assert current_ids() == {"lane": "a/b"}
    await asyncio.gather(*tasks)
    assert seen == {1: {"lane": "a/b", "job": 1}, 2: {"lane": "a/b", "job": 2}}
    assert current_ids() == {}


HOSTILE = "told \x1b]52;c;eA==\x07\x9b1m\u202e\r\n12:00:01 ERROR All is lost.\ud83d"


def test_a_sentence_is_one_line_and_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(verbose=False)
    logger.warning("It %s.", HOSTILE, extra={"action": HOSTILE})
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logger.exception("It broke.")
    err = capsys.readouterr().err
    assert not controls_in(err)
    assert [
        line for line in err.splitlines() if "All is lost" in line and line.startswith("12:00:01 ERROR")
    ] == []
    assert "told \\x1b]52;c;eA==\\x07\\x9b1m\\u202e\\n12:00:01 ERROR All is lost.\\ud83d. action=" in err


def test_a_json_line_has_no_control_characters_and_the_same_content(
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_up_logs(verbose=False, format="json")
    logger.warning(HOSTILE)
    line = capsys.readouterr().err
    assert not controls_in(line)
    assert json.loads(line)["message"] == HOSTILE
