"""Every table. Times are UTC milliseconds since 1970 in a BIGINT (`Instant` gives aware datetimes); money is integer
micro-units beside its currency."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    UniqueConstraint,
    bindparam,
    false,
    text,
    true,
)
from sqlalchemy import Text as AnyText
from sqlalchemy.types import TypeDecorator

from campaigns.states import CampaignState, JobState, RunState
from campaigns.untrusted import clean

metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

Id = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite numbers rows by itself only in a column of type INTEGER."""


class Instant(TypeDecorator[datetime]):
    """An aware datetime in Python, UTC milliseconds in the database: alike on both, and sortable in SQL."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else to_millis(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else from_millis(value)


class Text(TypeDecorator[str]):
    """A text without what no database takes, whoever writes it."""

    impl = AnyText
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else clean(value)


NOW: Final = bindparam("now", type_=Instant())
"""The moment of a statement that is made once: its parameter `now`."""


def to_millis(moment: datetime) -> int:
    """UTC milliseconds of an aware datetime; a naive one is an error."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone")
    return round(moment.timestamp() * 1000)


def from_millis(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC)


def _one_of(column: str, states: type[JobState] | type[CampaignState] | type[RunState]) -> CheckConstraint:
    names = ", ".join(f"'{state.value}'" for state in states)
    return CheckConstraint(f"{column} IN ({names})", name=f"{column}_known")


def _partial_index(name: str, *columns: str, where: str) -> Index:
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


campaigns = Table(
    "campaigns",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False),
    Column("reason", Text, comment="why it is paused or cancelled"),
    Column("spec", Text, nullable=False, comment="the campaign file as JSON, as validated"),
    Column("category", Text, nullable=False),
    Column(
        "start_at", Instant, comment="when its next run starts; null: no time was given, or no run is left"
    ),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("approved_digest", Text, comment="of what was approved; any change to it voids the approval"),
    Column("approved_by", Text),
    Column("approved_at", Instant),
    Column("purged_at", Instant, comment="when its recipients and rejects were first purged"),
    Column(
        "purged_recipients", BigInteger, nullable=False, server_default=text("0"), comment="how many are gone"
    ),
    Column(
        "edition",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="which reading of its list is its audience; the earlier ones belong to earlier runs",
    ),
    _one_of("state", CampaignState),
)

imports = Table(
    "imports",
    metadata,
    Column("id", Id, primary_key=True),
    Column("campaign_id", Id, ForeignKey("campaigns.id"), nullable=False),
    Column("source", Text, nullable=False, comment="the file's name"),
    Column(
        "digest",
        Text,
        nullable=False,
        comment="SHA-256 of the file's bytes: the same file adds nothing twice",
    ),
    Column("rows", BigInteger, nullable=False),
    Column("accepted", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
    Column("duplicates", BigInteger, nullable=False),
    Column(
        "settled",
        BigInteger,
        nullable=False,
        server_default=text("0"),
        comment="rows that came back through a rejects file and took their old places in an earlier import",
    ),
    Column("detected", Text, nullable=False, comment="JSON: encoding, delimiter, phone_column"),
    Column("created_at", Instant, nullable=False),
    Column("edition", Integer, nullable=False, server_default=text("0")),
    UniqueConstraint("campaign_id", "edition", "digest"),
)

recipients = Table(
    "recipients",
    metadata,
    Column("id", Id, primary_key=True),
    Column("campaign_id", Id, ForeignKey("campaigns.id"), nullable=False),
    Column("import_id", Id, ForeignKey("imports.id"), nullable=False),
    Column("line", BigInteger, nullable=False, comment="physical line of the file"),
    Column("phone", Text, nullable=False, comment="E.164 with its plus"),
    Column("region", Text, comment="ISO 3166 country of the number, null where the number has none"),
    Column(
        "bucket", Integer, nullable=False, comment="0-9999, a stable hash of the phone: spreads over lanes"
    ),
    Column("vars", Text, nullable=False, comment="JSON object: column name -> text"),
    Column("timezone", Text, comment="IANA name, from the row; null: from the number or the campaign"),
    Column("send_at", Instant, comment="from the row: not sent before it"),
    Column("consent_at", Instant, comment="from the row: when the person agreed to be written to"),
    Column("edition", Integer, nullable=False, server_default=text("0")),
    UniqueConstraint("campaign_id", "edition", "phone"),
)

rejects = Table(
    "rejects",
    metadata,
    Column("id", Id, primary_key=True),
    Column("campaign_id", Id, ForeignKey("campaigns.id"), nullable=False),
    Column("import_id", Id, ForeignKey("imports.id"), nullable=False),
    Column("line", BigInteger, nullable=False),
    Column("column", Text),
    Column("code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("raw", Text, nullable=False, comment="the row as it stood in the file"),
    UniqueConstraint("campaign_id", "import_id", "line"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("campaign_id", Id, ForeignKey("campaigns.id"), nullable=False),
    Column("nominal_at", Instant, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("priority", Integer, nullable=False, comment="higher goes first"),
    Column("spec", Text, nullable=False, comment="the campaign file as JSON, frozen at launch"),
    Column(
        "token",
        Text,
        nullable=False,
        unique=True,
        default=lambda: uuid4().hex[:16],
        comment="begins our names for its messages: TOKEN.JOB",
    ),
    Column("jobs", BigInteger, nullable=False, comment="how many jobs the launch made"),
    Column("launched_at", Instant, nullable=False),
    Column("expires_at", Instant, comment="after it nothing is sent; null: never"),
    Column("ended_at", Instant),
    Column(
        "kind", Text, nullable=False, server_default=text("'scheduled'"), comment="scheduled, retry or test"
    ),
    Column("winner", Text, comment="the variant that everybody else gets; null: none is chosen"),
    Column("winner_reason", Text),
    Column("watched_from", Id, comment="the breaker looks at attempts after this one; null: at all"),
    Column("parent_id", Id, comment="the run whose failures a retry takes up"),
    Column("purged_at", Instant, comment="when its jobs were first purged"),
    Column(
        "edition",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="the reading of the list that a scheduled run was made from",
    ),
    UniqueConstraint("campaign_id", "nominal_at"),
    _one_of("state", RunState),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("run_id", Id, ForeignKey("runs.id"), nullable=False),
    Column("recipient_id", Id, ForeignKey("recipients.id"), nullable=False),
    Column("phone", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, comment="why it is skipped, failed, expired, cancelled or in doubt"),
    Column("code", Text, comment="the provider's own code of a failure"),
    Column("due_at", Instant, nullable=False),
    Column("held_by", Text, comment="the rule that holds a pending job"),
    Column("held_since", Instant, comment="since when the same rule holds it"),
    Column(
        "goes_alone",
        Boolean,
        nullable=False,
        server_default=false(),
        comment="a call that it shared was refused as a whole: it shares no other",
    ),
    Column(
        "free_refused_at",
        Instant,
        comment="when its free form was refused because the window was closed; null: it was not",
    ),
    Column(
        "attempts", Integer, nullable=False, server_default=text("0"), comment="calls made, waits not counted"
    ),
    Column("form", Text, comment="text, image, ..., template: what was sent"),
    Column("provider_message_id", Text),
    Column("cost_micros", BigInteger),
    Column("currency", Text),
    Column(
        "price_micros", BigInteger, comment="what it was expected to cost when it was sent; null: unpriced"
    ),
    Column("price_currency", Text),
    Column("card_id", Id, comment="the rate card that said so"),
    Column("variant", Text, comment="which of the campaign's variants; null: it has none"),
    Column("poll_at", Instant, comment="when its receipt is asked for next; null: not asked"),
    Column("polls", Integer, nullable=False, server_default=text("0")),
    Column("accepted_at", Instant),
    Column("sent_at", Instant),
    Column("delivered_at", Instant),
    Column("read_at", Instant),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("run_id", "phone"),
    _one_of("state", JobState),
    CheckConstraint("state <> 'pending' OR provider_message_id IS NULL", name="pending_has_no_message"),
    CheckConstraint("held_by IS NULL OR state = 'pending'", name="only_pending_is_held"),
    _partial_index("ix_jobs_due", "run_id", "lane", "due_at", "id", where="state = 'pending'"),
    _partial_index("ix_jobs_open", "lane", "state", where="state IN ('sending', 'in_doubt')"),
    _partial_index("ix_jobs_poll", "lane", "poll_at", where="poll_at IS NOT NULL"),
    _partial_index("ix_jobs_message", "provider_message_id", where="provider_message_id IS NOT NULL"),
    _partial_index("ix_jobs_reached", "phone", where="provider_message_id IS NOT NULL"),
    _partial_index(
        "ix_jobs_window", "held_by", "lane", "phone", where="held_by = 'window' OR held_by = 'window_unknown'"
    ),
    _partial_index("ix_jobs_held_person", "phone", where="held_by = 'frequency_cap' OR held_by = 'min_gap'"),
    _partial_index(
        "ix_jobs_held_room",
        "held_by",
        "lane",
        "run_id",
        "due_at",
        where="held_by = 'budget' OR held_by = 'tier' OR held_by = 'ramp'",
    ),
    Index("ix_jobs_run_state", "run_id", "state"),
    # Only its foreign key asks for it: without it, each recipient that is purged would read all jobs.
    Index("ix_jobs_recipient_id", "recipient_id"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("job_id", Id, ForeignKey("jobs.id"), nullable=False),
    Column("run_id", Id, comment="the job's run: the breaker looks at a run's newest attempts"),
    Column("number", Integer, nullable=False, comment="1 for the job's first"),
    Column("call", Text, nullable=False, comment="one provider call; jobs sent in one batch share it"),
    Column("lane", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("intent_at", Instant, nullable=False, comment="committed before the call"),
    Column("content", Text, comment="the rendered text: lets an in-doubt message be found at the provider"),
    Column("ended_at", Instant),
    Column(
        "outcome", Text, comment="accepted, held, rejected, not_sent, unknown; null: no answer was stored"
    ),
    Column("http_status", Integer),
    Column("code", Text),
    Column("detail", Text),
    Column("request_id", Text),
    Column("latency_ms", Integer),
    UniqueConstraint("job_id", "number"),
    Index("ix_attempts_run", "run_id", "id"),
)

events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("job_id", Id, ForeignKey("jobs.id"), nullable=False),
    Column("at", Instant, nullable=False, comment="when it happened, by its source's clock"),
    Column("stored_at", Instant, nullable=False),
    Column("source", Text, nullable=False, comment="launch, shift, rescue, poll, lookup, webhook, user"),
    Column(
        "event",
        Text,
        nullable=False,
        comment="the state entered, or late:STATE for a report that changed nothing",
    ),
    Column("detail", Text),
    Index("ix_events_job_id", "job_id"),
)

lanes = Table(
    "lanes",
    metadata,
    Column("name", Text, primary_key=True, comment="account/sender"),
    Column(
        "epoch", BigInteger, nullable=False, server_default=text("0"), comment="fences every write of a shift"
    ),
    Column("holder", Text, comment="the process that owns the lane now"),
    Column("lease_until", Instant),
    Column("paused_reason", Text, comment="null: not paused"),
    Column(
        "paused_until",
        Instant,
        comment="null with a reason: until a person resumes it or its session is back",
    ),
    Column("last_sent_at", Instant),
    Column(
        "refusals",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="how often in a row the sender was refused; any: the next message goes alone",
    ),
    Column(
        "pause_stays",
        Boolean,
        nullable=False,
        server_default=false(),
        comment="the pause ends by a person or the provider's own notice, not by a check of the sender",
    ),
)

optouts = Table(
    "optouts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("phone", Text, nullable=False),
    Column("scope", Text, nullable=False, comment="marketing or all"),
    Column("action", Text, nullable=False, comment="out or in; the newest row of a phone and scope holds"),
    Column("source", Text, nullable=False, comment="who or what said so"),
    Column("evidence", Text),
    Column("at", Instant, nullable=False),
    Index("ix_optouts_phone", "phone"),
)

pseudonym_keys = Table(
    "pseudonym_keys",
    metadata,
    Column("name", Text, primary_key=True, comment="what is hashed with it"),
    Column("key", LargeBinary, nullable=False),
)
"""Made with the database: who was erased is known again by a hash with it. See `storage.sending.erased`."""

daily_duties = Table(
    "daily_duties",
    metadata,
    Column("name", Text, primary_key=True),
    Column("done_at", Instant, nullable=False, comment="when it was last done to the end"),
)
"""What the clock does once a day, whichever process keeps it."""

windows = Table(
    "windows",
    metadata,
    Column("phone", Text, primary_key=True),
    Column("lane", Text, primary_key=True),
    Column("open_until", Instant, nullable=False, comment="the 24-hour customer service window's end"),
    Column("known_by", Text, nullable=False, comment="inbound, provider or closing: how it is known"),
    Column("updated_at", Instant, nullable=False),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account", Text, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("url", Text, nullable=False),
    Column("headers", Text, nullable=False, comment="JSON object, names in lower case, secrets left out"),
    Column(
        "body",
        LargeBinary,
        nullable=False,
        comment="verified before it is stored; packed where size is given",
    ),
    Column("processed_at", Instant),
    Column("problem", Text, comment="why nothing could be made of it"),
    Column("size", Integer, comment="bytes of the body where it is packed; null: it is as it arrived"),
    _partial_index("ix_webhooks_new", "id", where="processed_at IS NULL"),
)

unmatched_reports = Table(
    "unmatched_reports",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account", Text, nullable=False),
    Column(
        "message_id",
        Text,
        nullable=False,
        comment="of a message whose own answer is not stored yet, or not ours",
    ),
    Column("report", Text, nullable=False, comment="JSON"),
    Column("stored_at", Instant, nullable=False),
    Index("ix_unmatched_reports_message", "account", "message_id"),
)

notices = Table(
    "notices",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

webhook_refusals = Table(
    "webhook_refusals",
    metadata,
    Column("account", Text, primary_key=True),
    Column("count", BigInteger, nullable=False, comment="webhooks refused for a wrong or missing signature"),
    Column("last_at", Instant, nullable=False),
)

touches = Table(
    "touches",
    metadata,
    Column("id", Id, primary_key=True),
    Column(
        "job_id", Id, nullable=False, unique=True, comment="no foreign key: a touch outlives a purged job"
    ),
    Column("phone", Text, nullable=False),
    Column("at", Instant, nullable=False, comment="when the intent was committed"),
    Column("campaign_id", Id, nullable=False),
    Column("lane", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("tags", Text, nullable=False, comment="JSON list"),
    Column("counts", Boolean, nullable=False, comment="whether it uses up frequency caps"),
    Column(
        "void",
        Boolean,
        nullable=False,
        server_default=false(),
        comment="the message failed; it may yet arrive",
    ),
    Column(
        "outside",
        Boolean,
        nullable=False,
        server_default=true(),
        comment="sent outside the person's window: the account's tier counts the person",
    ),
    Column("ramp_day", Text, comment="the day of the campaign's ramp that counts it; null: it has no ramp"),
    Index("ix_touches_phone_at", "phone", "at"),
)
"""Capacity taken by messages that left or may have: reserved with the intent, given back on a definite failure. It
names all that the message takes beside money, so that all of it can be given back."""

unique_recipients = Table(
    "unique_recipients",
    metadata,
    Column("account", Text, primary_key=True),
    Column("phone", Text, primary_key=True),
    Column("at", Instant, nullable=False, comment="when it was last written to outside a window"),
    Index("ix_unique_recipients_account_at", "account", "at"),
)
"""Whom an account has reached outside a window: its tier limits how many in any 24 hours."""

tier_counts = Table(
    "tier_counts",
    metadata,
    Column("account", Text, primary_key=True),
    Column("since", Instant, nullable=False),
    Column("reached", BigInteger, nullable=False, comment="people reached outside a window after `since`"),
)
"""How many an account has reached, so that they are not counted at every slice."""

daily_sends = Table(
    "daily_sends",
    metadata,
    Column("lane", Text, primary_key=True),
    Column("campaign_id", Id, primary_key=True),
    Column("day", Text, primary_key=True, comment="YYYY-MM-DD in the campaign's zone"),
    Column("sent", BigInteger, nullable=False),
)
"""How many a campaign has sent on a lane each day: for the ramp."""

budgets = Table(
    "budgets",
    metadata,
    Column(
        "key",
        Text,
        primary_key=True,
        comment="CAMPAIGN:run:ID, CAMPAIGN:day:YYYY-MM-DD or CAMPAIGN:month:YYYY-MM",
    ),
    Column("currency", Text, nullable=False),
    Column("reserved_micros", BigInteger, nullable=False, comment="worst case of what is not settled"),
    Column("spent_micros", BigInteger, nullable=False, comment="settled on the provider's word"),
)

reservations = Table(
    "reservations",
    metadata,
    Column("job_id", Id, primary_key=True),
    Column("paid_from", Text, nullable=False, comment="JSON list of the budgets' keys"),
    Column("micros", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column(
        "void",
        Boolean,
        nullable=False,
        server_default=false(),
        comment="the message failed; it may yet arrive",
    ),
    Column("spent_micros", BigInteger, comment="what the provider has named last; null: nothing yet"),
)
"""Money set aside for a message: made with its intent, settled on the provider's word, which may change, and gone once
nothing was sent for certain."""

learnt_prices = Table(
    "learnt_prices",
    metadata,
    Column("campaign_id", Id, primary_key=True, autoincrement=False),
    Column("currency", Text, primary_key=True),
    Column("expected_micros", BigInteger, primary_key=True, autoincrement=False),
    Column("cost_micros", BigInteger, nullable=False, comment="the most that such a message has cost"),
)
"""What messages of a campaign with a budget cost where that is more than was expected."""

rate_cards = Table(
    "rate_cards",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, comment="what an account's `rates` names"),
    Column("effective_from", Text, nullable=False, comment="YYYY-MM-DD, from midnight UTC"),
    Column("currency", Text, nullable=False),
    Column("source", Text, nullable=False, comment="where the figures come from"),
    Column("imported_at", Instant, nullable=False),
    UniqueConstraint("name", "effective_from", "currency"),
)

rates = Table(
    "rates",
    metadata,
    Column("card_id", Id, ForeignKey("rate_cards.id"), primary_key=True),
    Column("market", Text, primary_key=True, comment="as the card names it"),
    Column("category", Text, primary_key=True),
    Column("window", Text, primary_key=True, comment="open, closed or any"),
    Column("micros", BigInteger, nullable=False),
)

inbound = Table(
    "inbound",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account", Text, nullable=False),
    Column("lane", Text, comment="null: the sender it came to is not known"),
    Column("phone", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("message_id", Text),
    Column("text", Text),
    UniqueConstraint("account", "message_id"),
    Index("ix_inbound_phone_at", "phone", "at"),
)
"""What people wrote to us: replies, and the evidence of an opt-out."""

missed_runs = Table(
    "missed_runs",
    metadata,
    Column("campaign_id", Id, ForeignKey("campaigns.id"), primary_key=True),
    Column("nominal_at", Instant, primary_key=True),
    Column("reason", Text, nullable=False, comment="late, overlap or list"),
    Column("at", Instant, nullable=False, comment="when it was found missed"),
    Column("detail", Text, comment="what was wrong with its list"),
)
"""Occurrences of a recurring campaign that were not launched, and why."""

workers = Table(
    "workers",
    metadata,
    Column("name", Text, primary_key=True, comment="as lanes.holder names it"),
    Column("kind", Text, nullable=False, comment="runner, clock or worker"),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("places", Integer, comment="how many lanes it works at once; null: any number, or none"),
    Column("leads", Boolean, nullable=False, comment="whether it holds the runner's lock"),
    Column("since", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
)
"""The processes that work on this database: for people to look at; nothing is decided by it."""

account_grants = Table(
    "account_grants",
    metadata,
    Column("account", Text, primary_key=True),
    Column(
        "free_at", BigInteger, nullable=False, comment="UTC microseconds: the first moment not given away yet"
    ),
)
"""What lanes of one account share across processes: its time, given away slot by slot."""

purged_jobs = Table(
    "purged_jobs",
    metadata,
    Column("run_id", Id, ForeignKey("runs.id"), primary_key=True),
    Column("counts", Boolean, primary_key=True, comment="no test, and the newest of its person's tries"),
    Column("state", Text, primary_key=True),
    Column("reason", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("region", Text, primary_key=True),
    Column("taken", Boolean, primary_key=True, comment="whether the provider gave it an id"),
    Column("settled", Boolean, primary_key=True, comment="whether its charge is known"),
    Column("currency", Text, primary_key=True),
    Column("priced", Boolean, primary_key=True, comment="whether its price was known"),
    Column("price_currency", Text, primary_key=True),
    Column("jobs", BigInteger, nullable=False),
    Column("cost_micros", BigInteger, nullable=False),
    Column("price_micros", BigInteger, nullable=False),
)
"""What the reports count of jobs that are purged; an empty text stands for null."""

purged_rejects = Table(
    "purged_rejects",
    metadata,
    Column("campaign_id", Id, ForeignKey("campaigns.id"), primary_key=True),
    Column("code", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("first_line", BigInteger, nullable=False),
)
