"""A recipient's timeline: launches, calls with their answers, receipts, waits, replies and opt-outs, oldest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from app.views.messages import FORMS, WAITS
from campaigns.frozen import frozen
from campaigns.money.costs import Money, plain
from campaigns.outcomes import FailureKind
from campaigns.rules.decision import Facts
from campaigns.rules.forms import MARGIN, in_window
from campaigns.rules.names import Form
from campaigns.states import JobState
from campaigns.visible_text import one_line
from providers.registry import capabilities_of
from providers.settings import AccountSettings
from providers.values import WINDOW
from storage.audience.contacts import WroteMessage, messages_from
from storage.database.engine import Connection
from storage.sending.optouts import LogEntry, log_of
from storage.sending.windows import Window, open_windows
from storage.views.timelines import AttemptHistory, JobHistory, Moment, attempts_of, events_of

if TYPE_CHECKING:
    from campaigns.spec.campaign_spec import CampaignSpec

NEWEST: Final = 100
"""How many of their messages are shown."""
TEMPLATE: Final = "template"


@frozen
class TimelineBuilder:
    """What is known besides the jobs: replies, opt-outs, and whether the account has windows."""

    spec: CampaignSpec
    account: AccountSettings | None
    """None: it is no longer in the settings."""
    wrote: Sequence[WroteMessage]
    preferences: Sequence[LogEntry]

    async def timeline(self, connection: Connection, phone: str, jobs: Sequence[JobHistory]) -> list[Moment]:
        """Everything that happened to these jobs and their person, the oldest first."""
        moments: list[Moment] = []
        for job in jobs:
            known = (await open_windows(connection, job.lane, [phone])).get(phone)
            moments.append(_launch(job))
            moments += self._calls(job, await attempts_of(connection, job.id), known)
            moments += [
                Moment(at, event, f"{source}: {detail}" if detail else source, job.nominal_at)
                for at, event, source, detail in await events_of(connection, job.id)
            ]
            moments += _wait(job)
        begin = min((job.launched_at for job in jobs), default=None)
        moments += [_reply(one) for one in self.wrote if begin is not None and one.at >= begin]
        return sorted([*moments, *map(_preference, self.preferences)], key=lambda moment: moment.at)

    def _calls(
        self, job: JobHistory, calls: Sequence[AttemptHistory], known: Window | None
    ) -> Iterator[Moment]:
        refused = False
        for call in calls:
            form = self._form(job, call, known, refused=refused)
            yield Moment(call.intent_at, f"attempt {call.number}", form, job.nominal_at)
            if call.ended_at is not None:
                answer = _answer(call, job if call is calls[-1] else None)
                yield Moment(call.ended_at, f"answer {call.number}", answer, job.nominal_at)
            refused = call.outcome == FailureKind.USE_TEMPLATE

    def _form(self, job: JobHistory, call: AttemptHistory, known: Window | None, *, refused: bool) -> str:
        """The form in which it was sent, and why."""
        called = "the provider is called"
        if call.form is None or self.account is None:
            return called
        content = self.spec.contents.get(job.variant, self.spec.content)
        if not capabilities_of(self.account.adapter).windows:
            return f"{called} with the {call.form}"
        until = self._window_at(call.intent_at, known)
        key = _why_form(
            True,
            content.free_form is not None and content.template is not None,
            is_open=call.intent_at < until - MARGIN if until else None,
            refused=refused,
            template=call.form == TEMPLATE,
        )
        return f"{called} with the {call.form}: {_form_text(key, until)}"

    def _window_at(self, at: datetime, known: Window | None) -> datetime | None:
        """The end of the window, as known at that time."""
        ends = [one.at + WINDOW for one in self.wrote if one.at <= at]
        if known is not None and known.known_at <= at:
            ends.append(known.until)
        return max(ends, default=None)


async def timeline_builder(
    connection: Connection, phone: str, spec: CampaignSpec, account: AccountSettings | None
) -> TimelineBuilder:
    wrote = [one for one in await messages_from(connection, phone, NEWEST) if one.account == spec.provider]
    return TimelineBuilder(spec, account, wrote, await log_of(connection, phone))


def form_of(form: Form, facts: Facts) -> str:
    """Why a message would be sent in that form."""
    key = _why_form(
        facts.window.applies,
        len(facts.policy.forms) > 1,
        is_open=in_window(facts) if facts.window.until else None,
        refused=facts.window.refused_as_free,
        template=form is Form.TEMPLATE,
    )
    return _form_text(key, facts.window.until)


def _why_form(
    has_windows: bool, has_both: bool, *, is_open: bool | None, refused: bool, template: bool
) -> str:
    if not has_windows:
        return "no_windows"
    if refused:
        return "refused"
    if template and not has_both:
        return "only_form"
    if is_open is None:
        return "unknown"
    if not is_open:
        return "closed"
    return "cheaper" if template else "open"


def _form_text(key: str, until: datetime | None) -> str:
    return FORMS[key].format(until=f"{until:%Y-%m-%d %H:%M:%S %Z}" if until else "")


def _launch(job: JobHistory) -> Moment:
    beside = "" if job.run_kind == "scheduled" else f" as a {job.run_kind}"
    variant = f", variant {job.variant}" if job.variant else ""
    return Moment(job.launched_at, f"launched{beside}", f"for sender {job.lane}{variant}", job.nominal_at)


def _wait(job: JobHistory) -> Iterator[Moment]:
    """What delays it now; past waits are not stored."""
    if job.state is JobState.PENDING and job.held_by and job.held_since:
        meaning = WAITS.get(job.held_by, "")
        yield Moment(job.held_since, "waiting", f"{job.held_by}: {meaning}", job.nominal_at)


def _answer(call: AttemptHistory, last_of: JobHistory | None) -> str:
    """The provider's answer. The job knows only the price of its newest call."""
    parts = (
        call.outcome,
        f"HTTP {call.http_status}" if call.http_status else None,
        f"code {call.code}" if call.code else None,
        call.detail,
        f"{call.latency_ms} ms" if call.latency_ms is not None else None,
        f"request {call.request_id}" if call.request_id else None,
        _price(last_of) if last_of and call.outcome == "accepted" else None,
    )
    return ", ".join(part for part in parts if part)


def _price(job: JobHistory) -> str | None:
    if job.cost is not None:
        return f"costs {amount(job.cost)}"
    return f"expected to cost {amount(job.price)}" if job.price else None


def amount(money: Money) -> str:
    return f"{plain(money.amount)} {money.currency}".strip()


def _reply(one: WroteMessage) -> Moment:
    return Moment(one.at, "reply", one_line(one.shown or "without a text"))


def _preference(entry: LogEntry) -> Moment:
    evidence = f": {entry.evidence}" if entry.evidence else ""
    return Moment(entry.at, f"opted {entry.action}", one_line(f"{entry.scope}, {entry.source}{evidence}"))
