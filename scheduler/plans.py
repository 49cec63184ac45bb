"""What a run sends and how fast, as frozen at its launch: read once for each run, then kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from campaigns.pace import Rate
from campaigns.rules import Form, Policy
from campaigns.spec import CampaignSpec
from campaigns.templates import Renderer
from providers.base import Capabilities
from storage.engine import Connection
from storage.runs import run_spec


@dataclass(frozen=True, slots=True)
class Plan:
    renderer: Renderer
    policy: Policy
    gap: timedelta
    """The least time between two sends of the campaign on a lane."""
    rate: Rate | None


class Plans:
    """The plans of the runs that one lane has met."""

    def __init__(self, capabilities: Capabilities) -> None:
        self._capabilities = capabilities
        self._known: dict[int, Plan] = {}

    async def of(self, connection: Connection, run_id: int) -> Plan:
        if run_id not in self._known:
            self._known[run_id] = self._plan(CampaignSpec.from_json(await run_spec(connection, run_id)))
        return self._known[run_id]

    def keep(self, run_ids: Iterable[int]) -> None:
        """Forget the runs that are not among `run_ids`."""
        self._known = {run_id: self._known[run_id] for run_id in run_ids if run_id in self._known}

    def _plan(self, spec: CampaignSpec) -> Plan:
        gap, renderer = spec.pace.gap, Renderer(spec.content)
        return Plan(
            renderer=renderer,
            policy=_policy(spec, renderer, self._capabilities),
            gap=self._capabilities.delay_between if gap is None else gap,
            rate=spec.pace.rate,
        )


def _policy(spec: CampaignSpec, renderer: Renderer, capabilities: Capabilities) -> Policy:
    given = ((Form.FREE, renderer.has_free_form), (Form.TEMPLATE, renderer.has_template))
    return Policy(
        category=spec.category.value,
        tags=frozenset(spec.tags),
        account=spec.provider,
        forms=frozenset(form for form, is_given in given if is_given),
        prefers_cheapest=spec.content.prefer == "cheapest",
        waits_for_window=spec.content.closed_window == "wait",
        consent=spec.consent.consent if spec.consent else None,
        holdout=spec.holdout.holdout(spec.name) if spec.holdout else None,
        caps=tuple(cap.cap for cap in spec.caps) if spec.obeys_caps else (),
        min_gap=spec.pace.contact_gap or timedelta(),
        hours=spec.hours.hours if spec.hours else None,
        pair_gap=capabilities.pair_gap,
    )
