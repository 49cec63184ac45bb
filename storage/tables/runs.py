"""Runs, the messages in them, the calls that were made for each, and what happened to it."""

from __future__ import annotations

from uuid import uuid4

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    false,
    text,
)

from campaigns.states import JobState, RunState
from storage.tables.types import Id, Instant, Text, kept_by_locks, metadata, one_of, partial_index

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
    one_of("state", RunState),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("run_id", Id, kept_by_locks("runs.id"), nullable=False),
    Column("recipient_id", Id, kept_by_locks("recipients.id"), nullable=False),
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
    Column("category", Text, comment="what it was sent as; null: the campaign's"),
    Column("provider_message_id", Text),
    Column("cost_micros", BigInteger),
    Column("currency", Text),
    Column(
        "price_micros", BigInteger, comment="what it was expected to cost when it was sent; null: unpriced"
    ),
    Column("price_currency", Text),
    Column("card_id", Id, comment="the rate card that said so"),
    Column("variant", Text, comment="which of the campaign's variants; null: it has none"),
    Column(
        "outside_test",
        Boolean,
        nullable=False,
        server_default=false(),
        comment="its person is outside the variant test: it is the winner",
    ),
    Column("poll_at", Instant, comment="when its receipt is asked for next; null: not asked"),
    Column("polls", Integer, nullable=False, server_default=text("0")),
    Column("accepted_at", Instant),
    Column("sent_at", Instant),
    Column("delivered_at", Instant),
    Column("read_at", Instant),
    Column("updated_at", Instant, nullable=False),
    Column(
        "answered_at",
        Instant,
        comment="when its person last wrote to the account that sent it, as far as that was counted",
    ),
    Column(
        "tried_again",
        Boolean,
        nullable=False,
        server_default=false(),
        comment="a retry has come in its place: reports count that one",
    ),
    UniqueConstraint("run_id", "phone"),
    one_of("state", JobState),
    CheckConstraint("state <> 'pending' OR provider_message_id IS NULL", name="pending_has_no_message"),
    CheckConstraint("held_by IS NULL OR state = 'pending'", name="only_pending_is_held"),
    partial_index("ix_jobs_due", "run_id", "lane", "due_at", "id", where="state = 'pending'"),
    partial_index("ix_jobs_open", "lane", "state", where="state IN ('sending', 'in_doubt')"),
    partial_index("ix_jobs_poll", "lane", "poll_at", where="poll_at IS NOT NULL"),
    partial_index("ix_jobs_message", "provider_message_id", where="provider_message_id IS NOT NULL"),
    partial_index("ix_jobs_reached", "phone", where="provider_message_id IS NOT NULL"),
    partial_index(
        "ix_jobs_window", "held_by", "lane", "phone", where="held_by = 'window' OR held_by = 'window_unknown'"
    ),
    partial_index("ix_jobs_held_person", "phone", where="held_by = 'frequency_cap' OR held_by = 'min_gap'"),
    partial_index(
        "ix_jobs_held_room",
        "held_by",
        "lane",
        "run_id",
        "due_at",
        where="held_by = 'budget' OR held_by = 'tier' OR held_by = 'ramp'",
    ),
    # What a campaign's page counts again and again while others hold a million messages.
    partial_index("ix_jobs_held", "run_id", "held_by", "lane", "due_at", where="held_by IS NOT NULL"),
    # With the id, so that a page of a state is read in its order.
    Index("ix_jobs_run_state", "run_id", "state", "id"),
    partial_index("ix_jobs_run_held", "run_id", "held_by", "id", where="held_by IS NOT NULL"),
    partial_index("ix_jobs_run_code", "run_id", "code", "id", where="code IS NOT NULL"),
    partial_index("ix_jobs_run_reason", "run_id", "reason", "id", where="reason IS NOT NULL"),
    # To purge a recipient asks for it: without it, each would read all jobs.
    Index("ix_jobs_recipient_id", "recipient_id"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("job_id", Id, kept_by_locks("jobs.id"), nullable=False),
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
    Column("job_id", Id, kept_by_locks("jobs.id"), nullable=False),
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
