"""A campaign's lanes, to plan and estimate with: they send nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from campaigns.errors import NotFound
from campaigns.frozen import frozen
from campaigns.rules.caps import Cap
from campaigns.spec.campaign_spec import CampaignSpec
from providers.registry import capabilities_of
from providers.settings import AccountSettings
from scheduler.sending.lanes import Account, Lane
from scheduler.sending.pacing import Pacer

if TYPE_CHECKING:
    from providers.adapter import Adapter
    from providers.capabilities import Capabilities
    from providers.http.client import Http


@frozen
class _Able:
    """In place of an adapter, which loads the HTTP client: an estimate asks it only what it can do."""

    capabilities: Capabilities


def planning_lanes(
    spec: CampaignSpec, settings: AccountSettings, default_caps: tuple[Cap, ...]
) -> dict[str, Lane]:
    """The campaign's lanes, to estimate with: without the secrets and the HTTP client that sending needs."""
    able = cast("Adapter", _Able(settings.narrow(capabilities_of(settings.adapter))))
    account = Account(spec.provider, settings, able, cast("Http", None), None, default_caps)
    senders = {f"{spec.provider}/{sender.name}": sender for sender in settings.senders}
    if missing := [name for name in spec.lanes if name not in senders]:
        raise NotFound(
            f"There is no sender {missing[0]}.", hint=f"Known are {', '.join(sorted(senders)) or 'none'}."
        )
    return {name: Lane(name, account, sender, Pacer([])) for name, sender in senders.items()}
