"""Reference pages made from the closed lists of the code: states, reasons and reject codes."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from enum import StrEnum
from itertools import groupby, pairwise
from typing import Final

import cures

from app.views.messages import ENDED, WAITS
from campaigns.outcomes import FailureKind
from campaigns.reject_codes import IntakeCode, RejectCode
from campaigns.rules.names import Rule, SkipReason
from campaigns.states import AWAITING_RECEIPT, FINAL, RANK, TRANSITIONS, CampaignState, JobState
from providers.meta.codes import CODES

R = RejectCode
C = IntakeCode

STATES_INTRO: Final = """\
# States

A job is one message to one person in one run. It moves only along these arrows; the same table defines
the database's checks, the condition of every update and this diagram.
"""

FIXES: Final[Mapping[RejectCode, str]] = {
    R.TOO_FEW_CELLS: "Add the missing cells, blank ones too, so that the row has as many as the header.",
    R.TOO_MANY_CELLS: 'Put the cell that holds a comma in quotes: `"Leeds, UK"`. Or export with another delimiter.',
    R.UNCLOSED_QUOTE: 'Close the quote in the same cell, or write it twice (`""`) where it belongs to the text.',
    R.MISPLACED_QUOTE: 'Write a quote inside a quoted cell twice: `"say ""hello"""`.',
    R.NUL: "Export the file again; the row is damaged.",
    R.CELL_TOO_LONG: "Shorten the cell. Often a quote was not closed, so that the cell contains the rows below.",
    R.BLANK_VARIABLE: "Fill the cell, or give the variable a value in `[content.defaults]`.",
    R.NOT_SENDABLE: "Shorten or complete the cells that the message is made of; the reason names the limit.",
    R.COUNTRY_INVALID: "Write the two letters of the country, such as `GB`, or its name, or `+44`; or leave it blank.",
    R.BAD_TIMEZONE: "Write a name such as `Europe/Paris`, or leave the cell blank.",
    R.BAD_SEND_AT: "Write it like `2026-12-01T09:00`; without an offset it needs a zone.",
    R.SEND_AT_PAST: "Correct it: year, month, day, in this order. Or leave the cell blank to send with the others.",
    R.SEND_AT_TOO_LATE: "Correct it, often its year. Or make `schedule.expires_after` or `ends_at` later.",
    R.USER_ID_INVALID: "Copy the id as the provider's webhook has it, or give the phone number.",
    R.USER_ID_UNSENDABLE: "Give the phone number, or send through an account at Meta or Kapso's current API.",
    R.BAD_CONSENT_AT: "Write it like `2026-12-01`, or set `date_format` in `[audience]`, or leave the cell blank.",
    R.BAD_ACTION: "Write `out` or `in`, or leave the cell blank. A column of other things: `--map action=other`.",
    R.BAD_SCOPE: "Write `marketing` or `all`, or leave the cell blank. A column of other things: `--map scope=other`.",
    R.BAD_AT: "Write it like `2026-06-05` or `2026-06-05T14:30+01:00`, or leave the cell blank.",
    R.DUPLICATE: (
        "Usually nothing: the person gets the message once. `--duplicates last` keeps the other row. "
        "After a change to the list: [An edited list](../how-to/fix-a-list.md#an-edited-list)."
    ),
    R.PHONE_MISSING: "Add the number, or remove the row.",
    R.PHONE_NOT_A_NUMBER: (
        "Leave one number in the cell, in any of these "
        "[spellings](../how-to/fix-a-list.md#spellings-of-a-number)."
    ),
    R.PHONE_SCIENTIFIC: "The digits are lost. Format the column as text in the spreadsheet and enter them again.",
    R.PHONE_NO_COUNTRY: "Write it with `+` and the country's code, or use `--default-country GB`.",
    R.PHONE_AMBIGUOUS: "Write it with its `+`.",
    R.PHONE_PLUS_MISSING: "Write it with its `+`, if you mean the other country.",
    R.PHONE_UNKNOWN_COUNTRY: "Look the number up; its country code does not exist.",
    R.PHONE_TOO_SHORT: "Look the number up; digits are missing.",
    R.PHONE_TOO_LONG: "Look the number up; it has too many digits, or two numbers are joined.",
    R.PHONE_INVALID: "Look the number up; it is not in use.",
    R.PHONE_EXTENSION: "Use a number without an extension.",
    R.PHONE_LANDLINE: "Use a mobile number. If the landline has WhatsApp: `--landlines accept`.",
    R.PHONE_VOIP: "Use a mobile number. If this one has WhatsApp: `--landlines accept`.",
    R.PHONE_PREMIUM_RATE: "Use the person's own number.",
    R.PHONE_TOLL_FREE: "Use the person's own number.",
    R.PHONE_SHARED_COST: "Use the person's own number.",
    R.PHONE_PERSONAL: "Use the number that it forwards to.",
    R.PHONE_PAGER: "Use the person's mobile number.",
    R.PHONE_COMPANY: "Use the person's own number.",
    R.PHONE_VOICEMAIL: "Use the number of the mailbox's owner.",
}

FILE_FIXES: Final[Mapping[IntakeCode, str]] = {
    C.FILE_NOT_FOUND: "Check the name. `audience.csv` is looked for beside the campaign file.",
    C.EMPTY: "Export the recipients again.",
    C.HEADER_ONLY: "Add a row for each recipient.",
    C.BINARY: "Open it in the spreadsheet program, and save it as .xlsx or CSV UTF-8.",
    C.PASSWORD_PROTECTED: "Save it without a password, or as CSV UTF-8.",
    C.SHEET_AMBIGUOUS: "Use `--sheet NAME`, or `sheet` in `[audience]`; the message lists the sheets.",
    C.SHEET_UNKNOWN: "Use one of the sheets that the message lists.",
    C.ENCODING_AMBIGUOUS: "Give the encoding that shows the cells right with `--encoding`, or save it as CSV UTF-8.",
    C.ENCODING_WRONG: "Leave `--encoding` out, or use the right one.",
    C.DELIMITER_AMBIGUOUS: "Set it: `--delimiter ';'`.",
    C.DELIMITER_WRONG: "One of `,` `;` `|` `tab`.",
    C.LINE_TOO_LONG: "Check that this is a table of recipients.",
    C.HEADER_MALFORMED: "Retype the first line.",
    C.COLUMN_DUPLICATE: "Rename or remove one of the two.",
    C.COLUMN_UNKNOWN: "Use a name of the file's first line.",
    C.PHONE_COLUMN_MISSING: "Use `--phone-column NAME`. The first line must be a header.",
    C.PHONE_COLUMN_AMBIGUOUS: (
        "Choose with `--phone-column NAME`: [The phone column](../how-to/fix-a-list.md#the-phone-column)."
    ),
    C.VARIABLE_MISSING: "Use `--map COLUMN=VARIABLE`, or give a value in `[content.defaults]`.",
    C.COUNTRY_UNKNOWN: "Write the two letters of the country, such as `GB`, or its name, or `+44`.",
    C.NO_ROW_CHOSEN: "Compare the cells of these columns with `where`: a cell must be exactly the same.",
    C.FILE_CHANGED: "Write the file under another name, and rename it once it is whole.",
    C.NOT_A_FILE: "Write the list to a regular file, and give its path.",
    C.NO_ANSWER: "Check that the program that writes to the pipe is running, and the disk or network folder responds.",
    C.TOO_LARGE: "Write it to a file, and check that it is a list of recipients.",
    C.TOO_MANY_COLUMNS: "Keep the columns that the message needs, and the phone numbers.",
    C.RETURNING_ROWS: "Fix the rows in the list itself: it is read as a whole.",
    C.TOO_MANY_REJECTS: "Fix the rows in the rejects file, or allow more with `--max-reject-percent`.",
}


def docs_of(members: type[StrEnum]) -> dict[str, str]:
    """The string below each member of the enum, by the member's value."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(members))).body[0]
    found = {}
    for statement, following in pairwise(tree.body if isinstance(tree, ast.ClassDef) else []):
        match statement, following:
            case ast.Assign(targets=[ast.Name(id=name)]), ast.Expr(value=ast.Constant(value=str(text))):
                found[members[name].value] = " ".join(text.split())
            case _:
                pass
    return found


def states_page() -> str:
    """The state machine, as a diagram and tables."""
    return "\n".join(
        [
            STATES_INTRO,
            _diagram(),
            "## Job states\n",
            "`final`: the outcome is known. `on its way`: the provider has it; its receipt has not arrived.\n",
            _table(
                ("state", "", "what it means"), [(f"`{s}`", _kind(s), docs_of(JobState)[s]) for s in JobState]
            ),
            "## What providers report\n",
            "From weakest to strongest: "
            + " < ".join(f"`{state}`" for state in sorted(RANK, key=RANK.__getitem__))
            + ". A report moves a job only upwards, so reports that are repeated, missing or out of order "
            "end in the same state. A delivery overrides a reported failure: it is the stronger fact.\n",
            "## Campaign states\n",
            _table(("state", "what it means"), [(f"`{k}`", v) for k, v in docs_of(CampaignState).items()]),
        ]
    )


def _diagram() -> str:
    arrows = [f"    {a} --> {b}" for a in JobState for b in JobState if b in TRANSITIONS[a]]
    ends = [f"    {state} --> [*]" for state in JobState if not TRANSITIONS[state]]
    return "\n".join(["```mermaid", "stateDiagram-v2", "    [*] --> pending", *arrows, *ends, "```", ""])


def _kind(state: JobState) -> str:
    if state in FINAL:
        return "final"
    return "on its way" if state in AWAITING_RECEIPT else ""


def reasons_page() -> str:
    """Why messages end or wait, what a failed call means, and what to do."""
    lacking = {*SkipReason} - {*ENDED} | {*Rule} - {*WAITS}
    if lacking:
        raise LookupError(f"app/views/messages.py has no text for {', '.join(sorted(lacking))}")
    return "\n".join(
        [
            "# Reasons\n",
            "## Why a message ended, or is in doubt\n",
            "`report failures`, `report recipients` and `why` show them. Beside the reason is the provider's own "
            "code, if there is one.\n",
            _table(
                ("reason", "what it means", "what to do"),
                [(f"`{k}`", v, cures.ENDED[k]) for k, v in ENDED.items()],
            ),
            "## Why a message waits\n",
            "`held by` in `drumbeat why`. Waiting uses no attempt.\n",
            _table(
                ("held by", "what it means", "what to do"),
                [(f"`{k}`", v, cures.WAITS[k]) for k, v in WAITS.items()],
            ),
            "## How a failed call is handled\n",
            "Every adapter turns every failure into one of these.\n",
            _table(
                ("kind", "what follows", "what to do"),
                [(f"`{k}`", v, cures.FAILURES[FailureKind(k)]) for k, v in docs_of(FailureKind).items()],
            ),
            "## Codes of Meta\n",
            "Meta's own, and those that other providers pass on from it. The kind is one of those above.\n",
            _table(("code", "what it means", "kind", "what to do"), _meta_codes()),
        ]
    )


def _meta_codes() -> list[tuple[str, ...]]:
    """By number; codes in a row that mean the same are one."""
    rows = []
    for meaning, group in groupby(sorted(CODES.items()), key=lambda one: one[1]):
        numbers = [number for number, _ in group]
        shown = f"`{numbers[0]}`" + (f" to `{numbers[-1]}`" if len(numbers) > 1 else "")
        rows.append((shown, meaning.note, f"`{meaning.kind}`", cures.FAILURES[meaning.kind]))
    return rows


def codes_page() -> str:
    """Every code of a list, and what to do about it."""
    return "\n".join(
        [
            "# What every code of a list means, and what to do\n",
            "Step by step: [Fix a list](../how-to/fix-a-list.md).\n",
            "## A row was rejected\n",
            "`drumbeat_code` in the rejects file.\n",
            _table(("code", "what is wrong", "what to do"), [(f"`{c}`", docs_of(R)[c], FIXES[c]) for c in R]),
            "## The whole file cannot be loaded\n",
            "Nothing was stored.\n",
            _table(
                ("code", "what is wrong", "what to do"), [(f"`{c}`", docs_of(C)[c], FILE_FIXES[c]) for c in C]
            ),
        ]
    )


def _table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [headings, ("---",) * len(headings), *rows]
    return (
        "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
        + "\n"
    )
