"""Rule 6: templates are not sent to countries where their category is not delivered. A free-form message in an open
window may be sent, and one that waits for its window goes on waiting."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from campaigns.frozen import frozen
from campaigns.rules.decision import SEND, Decision, Facts, Skip
from campaigns.rules.forms import may_be_free, must_ask_window
from campaigns.rules.names import Form, SkipReason


@frozen
class Block:
    """Templates of `category` are not delivered to numbers of the ISO 3166 country `region`."""

    region: str
    category: str
    since: datetime
    until: datetime | None
    """None: no end is announced."""


BLOCKS: Final = (
    # Meta, "Per-user marketing template message limits": paused for numbers with +1 and an area code of the United
    # States, until further notice. Puerto Rico and the other islands under +1 are countries of their own here.
    Block("US", "marketing", datetime(2025, 4, 1, tzinfo=UTC), None),
)


def destination(facts: Facts) -> Decision:
    if Form.TEMPLATE not in facts.policy.forms or not template_blocked(facts) or may_be_free(facts):
        return SEND
    if must_ask_window(facts) or (Form.FREE in facts.policy.forms and facts.policy.waits_for_window):
        return SEND
    return Skip(SkipReason.DESTINATION_BLOCKED)


def template_blocked(facts: Facts) -> bool:
    """Whether templates of the campaign's category are not delivered in the recipient's country now."""
    return any(
        block.region == facts.region
        and block.category == facts.policy.category
        and block.since <= facts.now
        and (block.until is None or facts.now < block.until)
        for block in BLOCKS
    )
