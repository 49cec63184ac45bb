"""The summary report: one campaign's result with everything that explains it, worth sending on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, tzinfo
from importlib.metadata import version
from typing import Any, ClassVar, Final

from app.views.messages import ENDED
from app.views.reports.advice import REJECTED, advice_on, advice_on_rejects
from app.views.reports.cost_report import make_cost_report
from app.views.reports.funnel import STEPS, Funnel, make_funnel
from app.views.reports.parts import Asked, Report, Row, Table, find_asked, purged_remarks
from app.views.reports.reports import FORMULAS, delivery_json
from app.views.reports.send_limit import send_limit
from app.views.reports.variants import variants_report
from app.views.reports.verdict import verdict_on
from app.wiring.rights import Actor
from app.wiring.settings import Settings
from campaigns.errors import InvalidInput
from campaigns.frozen import frozen
from campaigns.time.period import ALWAYS, Period
from storage.audience.campaigns import ImportLine, list_imports
from storage.audience.rates import CardLine, list_cards
from storage.database.engine import Connection
from storage.retention.purged_totals import purged_since
from storage.runs.campaign_events import Pause, list_pauses
from storage.views import reports
from storage.views.costs import read_costs
from storage.views.live import newest_run
from storage.views.recipient_rows import stream_recipients
from storage.views.report_scope import scope_of
from storage.views.reports import Delivery, Failure, RejectGroup
from storage.views.time_line import TimeLine, time_line

PEOPLE: Final = 1_000
"""The most of those who were not reached that are listed."""


@frozen
class Reason:
    """Messages that did not arrive, or rows that were rejected, for one reason."""

    outcome: str
    """How it ended: a state of a message, or rejected."""
    code: str | None
    """The provider's code, the reason, or the code of the list reference; null: none is known."""
    means: str | None
    """What that means; null: not known."""
    provider_text: str | None
    """The provider's own text; None: it gave none."""
    count: int
    """Messages, or rows."""
    example: str | None
    """A number, or a line of the list; null: the details are deleted."""
    advice: str
    """What to do about it."""
    command: str | None
    """What does it on the command line; None: nothing does."""
    act: str | None
    """The same as one of the campaign's acts, retry or resolve; None: nothing does."""


@frozen
class Provenance:
    """What the report was made from, and by what."""

    files: Sequence[ImportLine]
    rate_cards: Sequence[CardLine]
    timezone: str
    version: str
    made_at: datetime

    @property
    def json(self) -> dict[str, Any]:
        return {
            "files": [
                {
                    "source": file.source,
                    "sha256": file.digest,
                    "rows": file.rows,
                    "loaded_at": file.created_at,
                }
                for file in self.files
            ],
            "rate_cards": [
                {
                    "name": card.name,
                    "effective_from": card.effective_from.isoformat(),
                    "currency": card.currency,
                    "source": card.source,
                }
                for card in self.rate_cards
            ],
            "timezone": self.timezone,
            "version": self.version,
            "made_at": self.made_at,
        }

    def facts(self) -> Iterator[Row]:
        for file in self.files:
            yield f"file {file.source}", f"{file.rows:,} rows, SHA-256 {file.digest}"
        for card in self.rate_cards:
            yield (
                "rate card",
                f"{card.name} from {card.effective_from}, {card.currency}, source: {card.source}",
            )
        yield "time zone", self.timezone
        yield "made by", f"drumbeat {self.version}"
        yield "made at", self.made_at


@frozen
class Summary:
    """One campaign, all of it read in one snapshot."""

    asked: Asked
    verdict: str
    delivery: Delivery
    funnel: Funnel
    cost: Report
    reasons: Sequence[Reason]
    line: TimeLine | None
    """None: nothing was sent."""
    pauses: Sequence[Pause]
    limit: float | None
    """Messages per second at most; None: no limit is known."""
    variants: Report | None
    """Of the newest run; None: it is not asked for, has no variants, or their messages are purged."""
    people: Sequence[dict[str, Any]] | None
    """The first of those who were not reached; None: whoever asks may have no list of them."""
    provenance: Provenance
    purged_at: datetime | None

    @property
    def name(self) -> str:
        return self.asked.campaign.name

    usual_advice: ClassVar[str] = REJECTED

    @property
    def lost(self) -> list[Reason]:
        """Of messages."""
        return [one for one in self.reasons if one.outcome != "rejected"]

    @property
    def rejected(self) -> list[Reason]:
        """Of rows."""
        return [one for one in self.reasons if one.outcome == "rejected"]

    @property
    def totals(self) -> Sequence[dict[str, Any]]:
        """What it cost, a total per currency."""
        return self.cost.json.get("totals") or [self.cost.json]

    @property
    def formulas(self) -> dict[str, str]:
        of_variants = self.variants.formulas if self.variants else {}
        return {**FORMULAS, **self.cost.formulas, **of_variants, **STEPS}

    @property
    def json(self) -> dict[str, Any]:
        return {
            "campaign": self.name,
            "state": self.asked.campaign.state,
            **self.asked.json,
            "verdict": self.verdict,
            "delivery": delivery_json(self.asked.campaign, self.delivery),
            "funnel": self.funnel.json,
            "cost": {
                name: value
                for name, value in self.cost.json.items()
                if name not in ("campaign", "formulas", "run")
            },
            "failures": self.reasons,
            "time_line": self._line_json,
            "variants": self.variants.json if self.variants else None,
            "not_reached": {
                "listed": len(self.people or ()),
                "people": self.people or [],
                **({"withheld": True} if self.people is None else {}),
            },
            "provenance": self.provenance.json,
            "purged_at": self.purged_at,
            "formulas": self.formulas,
        }

    def as_file_for(self, actor: Actor) -> Summary:
        """Without the people where the actor may not download a list of them."""
        return self if actor.may("people.export") else replace(self, people=None)

    @property
    def _line_json(self) -> dict[str, Any] | None:
        if self.line is None:
            return None
        return {
            "each_seconds": self.line.each.total_seconds(),
            "limit_per_second": self.limit,
            "stretches": self.line.stretches,
            "receipts_later": self.line.later,
            "pauses": self.pauses,
        }

    @property
    def report(self) -> Report:
        """The same as tables."""
        return Report(
            self.json,
            [
                self.funnel.table,
                *self.cost.tables,
                self.failures_table,
                *([self.line_table] if self.line else []),
                *(self.variants.tables if self.variants else []),
                Table("Where this comes from", ("what", "value"), list(self.provenance.facts())),
            ],
            Table(None, ("section", "name", "code", "value"), list(self._csv())),
            self.remarks,
            self.formulas,
            self.verdict,
        )

    @property
    def remarks(self) -> list[str]:
        variants = self.variants.remarks if self.variants else ()
        return [*self.funnel.remarks, *self.cost.remarks, *variants, *purged_remarks(self.purged_at)]

    @property
    def failures_table(self) -> Table:
        headings = (
            "outcome",
            "code",
            ">count",
            "what it means",
            "the provider's words",
            "what to do",
            "?example",
        )
        rows = [
            (
                one.outcome,
                one.code,
                one.count,
                one.means,
                one.provider_text,
                " ".join(filter(None, (one.advice, one.command))),
                one.example,
            )
            for one in self.reasons
        ]
        return Table("Not reached, by reason", headings, rows)

    @property
    def line_table(self) -> Table:
        stretches = self.line.stretches if self.line else ()
        rows = [(each.at, each.sent, each.received) for each in stretches if each.sent or each.received]
        return Table("Over time", ("from", ">sent", ">delivered"), rows)

    @property
    def people_table(self) -> Table:
        rows = [
            (person["line"], person["phone"], person["state"], person["code"], person["reason"])
            for person in self.people or ()
        ]
        return Table("Who was not reached", (">line", "phone", "outcome", "code", "reason"), rows)

    def _csv(self) -> Iterator[Row]:
        yield "verdict", self.verdict, None, None
        for step in self.funnel.steps:
            yield "funnel", step.name, None, step.count
            yield from (
                ("lost before", f"{step.name}: {one.name}", one.code, one.count) for one in step.losses
            )
        for group, name, currency, *amounts in self.cost.csv.rows:
            for column, amount in zip(self.cost.csv.headings[3:], amounts, strict=True):
                yield f"cost by {group}: {column}", name, currency, amount
        yield from (("not reached", one.outcome, one.code, one.count) for one in self.reasons)


async def read_summary(
    connection: Connection,
    settings: Settings,
    name: str,
    now: datetime,
    run_id: int | None = None,
    period: Period = ALWAYS,
    zone: tzinfo | None = None,
) -> Summary:
    """Everything about a campaign, or some of its runs, as one report. Raises NotFound."""
    asked = await find_asked(connection, name, run_id, period)
    campaign, spec = asked.campaign, asked.campaign.spec
    of = (connection, campaign, asked.runs)
    delivery, failures = await reports.delivery(*of), await reports.failures(*of)
    rejected = await reports.reject_groups(*of)
    costs = await read_costs(connection, campaign.id, asked.run_ids)
    purged_at = await purged_since(connection, campaign.id)
    has_template = any(content.template for content in spec.contents.values())
    people = stream_recipients(*of, not_reached=True, limit=PEOPLE)
    cards = await list_cards(connection) if costs.card_ids else []
    return Summary(
        asked,
        verdict_on(asked, delivery),
        delivery,
        make_funnel(delivery, failures, rejected, await reports.count_replies(*of)),
        make_cost_report(asked, costs, purged_at),
        [*(reason_of(name, one, has_template) for one in failures), *map(_rejected, rejected)],
        await time_line(connection, await scope_of(*of)),
        await list_pauses(connection, campaign.id),
        send_limit(spec, settings),
        await _variants(connection, asked),
        [_person(row) async for row in people],
        Provenance(
            await list_imports(connection, campaign.id),
            [card for card in cards if card.id in costs.card_ids],
            str(zone or now.astimezone().tzname()),
            version("drumbeat"),
            now,
        ),
        purged_at,
    )


async def _variants(connection: Connection, asked: Asked) -> Report | None:
    newest = await newest_run(connection, asked.campaign.id)
    if not asked.campaign.spec.variants or (asked.runs is not None and newest not in asked.runs):
        return None
    try:
        return await variants_report(connection, asked.campaign.name)
    except InvalidInput:  # never sent, or purged
        return None


def reason_of(name: str, failure: Failure, has_template: bool) -> Reason:
    advice = advice_on(failure, has_template=has_template)
    return Reason(
        failure.state.value,
        failure.code or failure.reason,
        ENDED.get(failure.reason or "", failure.reason),
        failure.text,
        failure.count,
        failure.example,
        advice.text,
        advice.command(name),
        advice.act,
    )


def _rejected(group: RejectGroup) -> Reason:
    example, advice = f"line {group.first_line}", advice_on_rejects(group.code)
    return Reason(
        "rejected", group.code, group.reason, None, group.count, example, advice.text, None, advice.act
    )


def _person(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("line", "phone", "state", "reason", "code", "run")}
