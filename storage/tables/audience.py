"""Campaigns, their lists and people, and rate cards: what is there before a run."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    text,
)

from campaigns.states import CampaignState
from storage.tables.types import Id, Instant, Text, metadata, one_of

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
    Column(
        "recipients",
        BigInteger,
        nullable=False,
        server_default=text("0"),
        comment="people of its audience, those purged among them: counted when it became the audience",
    ),
    one_of("state", CampaignState),
)

campaign_events = Table(
    "campaign_events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("campaign_id", Id, ForeignKey("campaigns.id"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("event", Text, nullable=False, comment="budget, list, or a state: of a pause and its end"),
    Column("detail", Text, nullable=False),
    Index("ix_campaign_events_campaign_id", "campaign_id"),
)
"""What people changed about a campaign after it was loaded, and when it was paused and went on."""

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
