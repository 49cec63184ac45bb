"""Who may use the pages, and who did what."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table

from storage.tables.types import Id, Instant, Text, metadata

users = Table(
    "users",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True, comment="what is typed to log in, in lower case"),
    Column("role", Text, nullable=False, comment="viewer, editor, sender or admin"),
    Column("password", Text, nullable=False, comment="an argon2 hash"),
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant, comment="since when it cannot log in; null: it can"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", Text, primary_key=True, comment="SHA-256 of the token that the browser keeps"),
    Column("user_id", Id, ForeignKey("users.id"), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("address", Text, nullable=False),
    Index("ix_sessions_user_id", "user_id"),
)

invitations = Table(
    "invitations",
    metadata,
    Column("digest", Text, primary_key=True, comment="SHA-256 of the token in the link"),
    Column("role", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
)
"""Links by which one new user each chooses a name and a password."""

failed_logins = Table(
    "failed_logins",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Index("ix_failed_logins_name_at", "name", "at"),
    Index("ix_failed_logins_address_at", "address", "at"),
    Index("ix_failed_logins_at", "at"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("via", Text, nullable=False, comment="command line, browser or API"),
    Column("act", Text, nullable=False),
    Column("subject", Text, comment="the campaign, user or account that it is about"),
    Column("given", Text, nullable=False, comment="JSON: what was asked for"),
    Column("before", Text, comment="JSON: the subject's state before"),
    Index("ix_audit_subject_id", "subject", "id"),
    Index("ix_audit_actor_id", "actor", "id"),
)
"""Written before the act; rows are only added."""

audit_outcomes = Table(
    "audit_outcomes",
    metadata,
    Column("audit_id", Id, ForeignKey("audit.id"), primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("outcome", Text, nullable=False, comment="done or refused"),
    Column("reason", Text, comment="why it was refused"),
    Column("after", Text, comment="JSON: the subject's state after"),
)
"""Written after the act; an act without one was interrupted."""

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False, comment="the beginning of the key, by which people know it"),
    Column("digest", Text, nullable=False, unique=True, comment="SHA-256 of the key"),
    Column("scope", Text, nullable=False, comment="read, manage, send or admin"),
    Column("created_at", Instant, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", Instant),
    Column("last_used_at", Instant),
    Column("revoked_at", Instant),
)

api_answers = Table(
    "api_answers",
    metadata,
    Column("key_id", Id, ForeignKey("api_keys.id"), primary_key=True),
    Column("idempotency_key", Text, primary_key=True),
    Column("request", Text, nullable=False, comment="SHA-256 of method, path and body"),
    Column("begun_at", Instant, nullable=False),
    Column("asked_at", Instant, comment="when it was asked for first; null: when it was begun"),
    Column("done_at", Instant, comment="when its change was committed; null: it has changed nothing yet"),
    Column("status", Integer, comment="null: the call has no answer yet"),
    Column("body", Text),
    Index("ix_api_answers_begun_at", "begun_at"),
)
"""Answers to calls with an Idempotency-Key, kept for a day: the same call again gets the same answer."""
