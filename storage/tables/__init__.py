"""Every table, one file for each subject, and the one metadata. No queries."""

from __future__ import annotations

from storage.tables.access import (
    api_answers,
    api_keys,
    audit,
    audit_outcomes,
    failed_logins,
    invitations,
    sessions,
    users,
)
from storage.tables.audience import (
    campaign_events,
    campaigns,
    imports,
    rate_cards,
    rates,
    recipients,
    rejects,
)
from storage.tables.contacts import inbound, optouts, pseudonym_keys, touches, user_ids, windows
from storage.tables.counts import cost_sums, job_counts, time_counts
from storage.tables.lanes import account_grants, daily_sends, lanes, tier_counts, unique_recipients, workers
from storage.tables.limits import sender_limits
from storage.tables.media import media_files, media_uploads
from storage.tables.money import budgets, learnt_prices, reservations
from storage.tables.notify import notify_deliveries, notify_events, notify_targets
from storage.tables.origin import origin
from storage.tables.receipts import not_understood, notices, unmatched_reports, webhook_refusals, webhooks
from storage.tables.retention import daily_duties, purged_jobs, purged_rejects
from storage.tables.runs import attempts, events, jobs, missed_runs, runs
from storage.tables.templates import template_lists, templates
from storage.tables.types import NOW, Id, Instant, Text, from_millis, metadata, to_millis

__all__ = [
    "NOW",
    "Id",
    "Instant",
    "Text",
    "account_grants",
    "api_answers",
    "api_keys",
    "attempts",
    "audit",
    "audit_outcomes",
    "budgets",
    "campaign_events",
    "campaigns",
    "cost_sums",
    "daily_duties",
    "daily_sends",
    "events",
    "failed_logins",
    "from_millis",
    "imports",
    "inbound",
    "invitations",
    "job_counts",
    "jobs",
    "lanes",
    "learnt_prices",
    "media_files",
    "media_uploads",
    "metadata",
    "missed_runs",
    "not_understood",
    "notices",
    "notify_deliveries",
    "notify_events",
    "notify_targets",
    "optouts",
    "origin",
    "pseudonym_keys",
    "purged_jobs",
    "purged_rejects",
    "rate_cards",
    "rates",
    "recipients",
    "rejects",
    "reservations",
    "runs",
    "sender_limits",
    "sessions",
    "template_lists",
    "templates",
    "tier_counts",
    "time_counts",
    "to_millis",
    "touches",
    "unique_recipients",
    "unmatched_reports",
    "user_ids",
    "users",
    "webhook_refusals",
    "webhooks",
    "windows",
    "workers",
]
