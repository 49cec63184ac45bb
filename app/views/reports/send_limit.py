"""How many messages a second a campaign may send at most: the limits that its settings and its file set."""

from __future__ import annotations

from app.wiring.settings import Settings
from campaigns.spec.campaign_spec import CampaignSpec
from providers.registry import capabilities_of


def send_limit(spec: CampaignSpec, settings: Settings) -> float | None:
    """Of all its senders together; None: no rate is set, or its account is not in the settings."""
    account = settings.accounts.get(spec.provider)
    if account is None:
        return None
    gap = spec.pace.gap
    if gap is None:
        gap = capabilities_of(account.adapter).delay_between
    own = [spec.pace.rate.per_second] if spec.pace.rate else []
    own += [1 / gap.total_seconds()] if gap else []
    of_lanes = [
        min([*own, *([sender.rate.per_second] if sender.rate else [])], default=None)
        for sender in account.senders
        if sender.name in spec.senders
    ]
    together = None if None in of_lanes else sum(filter(None, of_lanes))
    whole = account.rate.per_second if account.rate else None
    return min(filter(None, (together, whole)), default=None)
