"""The result of a check or a load, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from terminal.output import near, print_facts, print_table, print_text, shown_time

if TYPE_CHECKING:
    from app.actions.loading import Loaded
    from app.actions.templates import Catalogue


def _todo(loaded: Loaded) -> str:
    if loaded.report.known == loaded.report.rejected:
        return ""
    where = "in the list itself" if loaded.each_run else "there and load it again"
    return f" (fix them {where})"


def _templates(known: Catalogue | None) -> str | None:
    if known is None:
        return None
    if known.fetched_at is None:
        return f"not checked: {known.problem}"
    trouble = f", which cannot be read again now: {known.problem}" if known.problem else ""
    return f"fit the account's list of {shown_time(known.fetched_at)}{trouble}"


def _category_source(known: Catalogue | None) -> str:
    return "as the template now has" if known and known.fetched_at else "because the templates are not known"


def print_load(loaded: Loaded) -> None:
    """Print what was found and the result."""
    print_facts(loaded.campaign or "The list", load_facts(loaded))
    print_text()
    print_reasons(loaded)


def print_reasons(loaded: Loaded, most: int | None = None) -> None:
    """Why rows were rejected; only the `most` frequent codes, if that is given."""
    reasons = sorted(loaded.report.reasons.items(), key=lambda reason: (-reason[1], reason[0]))
    shown = reasons[:most]
    others = sum(rows for _, rows in reasons[len(shown) :])
    if others:
        shown.append((f"{len(reasons) - len(shown)} other codes", others))
    if shown:
        print_table("Why rows were rejected", ("code", ">rows"), shown)


def load_facts(loaded: Loaded) -> list[tuple[str, Any]]:
    """Names and values: how the list was read, and what became of its rows."""
    report = loaded.report
    facts: list[tuple[str, Any]] = [
        ("read as", report.detected.summary()),
        ("rows", report.rows),
        ("accepted", report.accepted),
        ("rejected", report.rejected),
    ]
    if report.left_out:
        count = "1 row" if report.left_out == 1 else f"{report.left_out:,} rows"
        facts.append(("left out", f"{count}, by where"))
    if report.rejects_file:
        facts.append(("rejected rows", f"{near(report.rejects_file)}{_todo(loaded)}"))
    facts += [("loaded before", f"{rows:,} rows, from {source}") for source, rows in report.earlier.items()]
    if report.respelt_example is not None:
        cell, number = report.respelt_example
        count = "1 number has" if report.respelt == 1 else f"{report.respelt:,} numbers have"
        note = f"{count} a former or another spelling, such as {cell[:40]!r}, read as {number}"
        facts.append(("note", note))
    if report.known:
        note = "they keep the values loaded first; to replace them with this list's, use --duplicates last"
        facts.append(("note", note))
    if (templates := _templates(loaded.templates)) is not None:
        facts.append(("templates", templates))
    if loaded.categories:
        facts.append(("category", f"{' and '.join(loaded.categories)}, {_category_source(loaded.templates)}"))
    if loaded.each_run:
        facts.append(("list", f"{near(loaded.each_run)}, read again for each run"))
    if report.loaded_before:
        facts.append(("note", f"this same file is {report.loaded_before}; nothing was added"))
    if report.replaced:
        back = "to restore them, add an empty line to the list and use --duplicates last"
        facts.append(("replaced since", f"{report.replaced:,} of its rows, by a later list ({back})"))
    if loaded.state is not None:
        when = f", starts at {shown_time(loaded.start_at)}" if loaded.start_at else ", no time given yet"
        facts.append(("state", loaded.state.value + when))
    if loaded.held:
        facts.append(("approval", loaded.held))
    return facts
