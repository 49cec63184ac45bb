"""Decides once for recipients whom no rule tells apart: a million people are a few hundred kinds.

What only a date tells apart makes no kind of its own where the date does not matter: a window that is open past all
that was asked about, consent that stays fresh until then, earlier messages that hold nothing back any more. The answer
is that of deciding about each person alone.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from campaigns.money.markets import LONGEST_PREFIX
from campaigns.phones.user_ids import number_like
from campaigns.rules.decision import Facts, Send
from campaigns.rules.forms import MARGIN
from campaigns.rules.frequency_cap import frequency_cap
from campaigns.rules.holdout import is_held_out
from campaigns.rules.min_gap import min_gap
from campaigns.rules.pair_limit import pair_limit
from scheduler.forecast.expected import FAR, Expected, expect, facts_at
from scheduler.sending.facts import Claim, Known
from storage.sending.budgets import LearntPrices
from storage.views.estimates import Prospect

MOST: Final = 20_000
"""Kinds that are kept; each takes about a kilobyte."""
OF_HISTORY: Final = (frequency_cap, min_gap, pair_limit)
"""Rules about earlier messages: what they let go now they let go later too, as nothing is sent meanwhile."""
OPEN: Final = "open"
FRESH: Final = "fresh"


@dataclass(slots=True)
class Kind:
    expected: Expected
    people: int = 0


class Kinds:
    """The kinds of people of one run on one lane."""

    def __init__(self, claim: Claim, spare: timedelta, learnt: LearntPrices | None = None) -> None:
        self._claim = claim
        self._spare = spare
        self._learnt = learnt or {}
        self._kinds: dict[Hashable, Kind] = {}
        policy = claim.plan.policy
        self._consent = policy.consent if policy.category == "marketing" else None
        self._holdout = policy.holdout
        self._by_card = claim.plan.prices.by_card

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())

    @property
    def is_full(self) -> bool:
        return len(self._kinds) >= MOST

    def forget(self) -> None:
        self._kinds.clear()

    def of(self, known: Known, person: Prospect, due_at: datetime) -> Kind | None:
        """The kind of a person; None: to be decided about alone."""
        phone = person.phone
        if phone in known.history and not self._is_over(known, person):
            return None
        known_window = known.windows.get(phone)
        if known_window and known_window.free_until and known_window.free_until > known.now:
            return None
        window = self._window(known, person) if known_window or person.free_refused_at else None
        consent = self._consent_of(known, person)
        key = (
            due_at,
            person.region,
            number_like(phone)[: 1 + LONGEST_PREFIX] if self._by_card else None,
            known.zones(self._claim.plan, person),
            known.opted_out.get(phone),
            self._claim.variant_of(person),
            self._holdout is not None and is_held_out(self._holdout, phone),
            window,
            consent,
        )
        kind = self._kinds.get(key)
        if kind is None:
            facts = facts_at(known, self._claim, person.job, due_at)
            kind = Kind(self._expect(known, _as_kind(facts, known.now, window, consent)))
            self._kinds[key] = kind
        return kind if self._outlasts(known, person, kind.expected.last, window, consent) else None

    def alone(self, known: Known, person: Prospect, due_at: datetime) -> Expected:
        """What is expected of one person."""
        return self._expect(known, facts_at(known, self._claim, person.job, due_at))

    def _expect(self, known: Known, facts: Facts) -> Expected:
        return expect(self._claim, facts, known.now, self._spare, self._learnt)

    def _is_over(self, known: Known, person: Prospect) -> bool:
        """Whether no earlier message holds this one back."""
        facts = known.facts(self._claim, person.job)
        return all(isinstance(rule(facts), Send) for rule in OF_HISTORY)

    def _window(self, known: Known, person: Prospect) -> Hashable:
        state = known.window(person)
        if state.until is None:
            return state
        is_open = not state.refused_as_free and known.now < state.until - MARGIN
        return OPEN if is_open else "closed", state.may_ask, state.refused_as_free

    def _consent_of(self, known: Known, person: Prospect) -> Hashable:
        given_at, asked = person.consent_at, self._consent
        if asked is None:
            return None
        if given_at is None or given_at > known.now:
            return given_at or "none"
        if asked.max_age is None:
            return "given"
        return "old" if known.now - given_at > asked.max_age else FRESH

    def _outlasts(
        self, known: Known, person: Prospect, last: datetime, window: Hashable, consent: Hashable
    ) -> bool:
        """Whether what lapses one day does so after all that was asked about."""
        if consent == FRESH:
            asked, given_at = self._consent, person.consent_at
            if asked and asked.max_age and given_at and last - given_at > asked.max_age:
                return False
        if isinstance(window, tuple) and window[0] == OPEN:
            until = known.windows[person.phone].until
            return last + self._spare < until - MARGIN
        return True


def _as_kind(facts: Facts, now: datetime, window: Hashable, consent: Hashable) -> Facts:
    """The facts of a person who is like all of the kind: what lapses does so as late as can be."""
    if isinstance(window, tuple) and window[0] == OPEN:
        facts = replace(facts, window=replace(facts.window, until=FAR))
    if consent == FRESH:
        facts = replace(facts, consent_at=now)
    return replace(facts, history=(), last_message_at=None, pair_message_at=None)
