"""Variants: who gets which, who wins, and what the campaign file may say about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.errors import SpecError
from campaigns.message.content import Content
from campaigns.message.templates import Renderer, needed_variables
from campaigns.phones.phone import bucket
from campaigns.proportions import p_value
from campaigns.rules.decision import Holdout, Send, Wait
from campaigns.rules.holdout import is_held_out
from campaigns.rules.names import Rule
from campaigns.rules.variant import variant
from campaigns.spec.campaign_spec import CampaignSpec, load_spec
from campaigns.variants import WHOLE, Measure, Split, Tally, pick_winner
from providers.adapter import AdapterDefaults
from scheduler.actions.testing import spec_for_test
from scheduler.audience.sendability import refuse_unsendable_variants
from tests.support.campaigns import spec
from tests.support.examples import share
from tests.support.facts import HOUR, NOW, facts

PEOPLE = [f"+4477009{number:05d}" for number in range(20_000)]
HALVES = (("a", 5000), ("b", 5000))


class Short(AdapterDefaults):
    """A provider whose texts have at most 1,000 characters."""

    def unsendable(self, content: Content) -> str | None:
        return "content.text has more than 1000 characters." if len(content.text or "") > 1000 else None


HEAD = 'name = "spring"\nprovider = "p"\nsenders = ["s"]\n'
TWO = '[[variants]]\nname = "a"\nshare = 50\n[[variants]]\nname = "b"\nshare = 50\n[variants.content]\n'


@st.composite
def splits(draw: st.DrawFn) -> Split:
    cuts = draw(st.sets(st.integers(1, WHOLE - 1), min_size=1, max_size=4))
    edges = [0, *sorted(cuts), WHOLE]
    sizes = [later - sooner for sooner, later in pairwise(edges)]
    shares = tuple((f"v{place}", size) for place, size in enumerate(sizes))
    return Split(draw(st.text(max_size=10)), shares, draw(st.integers(1, WHOLE)))


def near(count: int, of: int, share: int) -> bool:
    """Within five standard deviations."""
    p = share / WHOLE
    return abs(count - of * p) <= 5 * (of * p * (1 - p)) ** 0.5 + 1


@share(0.3)
@given(splits())
def test_the_shares_are_met(split: Split) -> None:
    tested = [phone for phone in PEOPLE if split.in_test(phone)]
    assert near(len(tested), len(PEOPLE), split.test)
    counts = Counter(split.variant_of(phone) for phone in tested)
    assert all(near(counts[name], len(tested), share) for name, share in split.shares)


@given(splits(), st.lists(st.sampled_from(PEOPLE), min_size=1, unique=True), st.randoms())
def test_nobody_changes_with_the_order_or_with_who_is_added(
    split: Split, people: list[str], dice: Any
) -> None:
    before = {phone: (split.in_test(phone), split.variant_of(phone)) for phone in people}
    shuffled = list(split.shares)
    dice.shuffle(shuffled)
    again = Split(split.salt, tuple(shuffled), split.test)
    after = {
        phone: (again.in_test(phone), again.variant_of(phone)) for phone in reversed([*PEOPLE[:50], *people])
    }
    assert before.items() <= after.items()


@given(st.integers(1, WHOLE - 1), st.sampled_from(PEOPLE))
def test_a_larger_test_includes_the_smaller(test: int, phone: str) -> None:
    smaller, larger = Split("s", HALVES, test), Split("s", HALVES, test + 1)
    assert larger.in_test(phone) or not smaller.in_test(phone)


def independent(first: Iterable[bool], second: Iterable[bool]) -> bool:
    counts = Counter(zip(first, second, strict=True))
    of = counts[True, True] + counts[True, False], counts[False, True] + counts[False, False]
    p = p_value(counts[True, True], of[0], counts[False, True], of[1])
    return p is not None and p > 0.001


def test_the_variant_has_nothing_to_do_with_the_test_the_lane_or_the_holdout() -> None:
    split, held = Split("spring", HALVES, 2000), Holdout(20, "spring")
    gets_a = [split.variant_of(phone) == "a" for phone in PEOPLE]
    tested = [split.in_test(phone) for phone in PEOPLE]
    for beside in (
        tested,
        [bucket(phone) % 2 == 0 for phone in PEOPLE],
        [is_held_out(held, phone) for phone in PEOPLE],
        [Split("autumn", HALVES).variant_of(phone) == "a" for phone in PEOPLE],
    ):
        assert independent(gets_a, beside)
    assert independent(tested, [is_held_out(held, phone) for phone in PEOPLE])


def test_recipients_outside_the_test_wait_until_it_ends_and_then_for_the_choice() -> None:
    known: dict[str, Any] = {"awaits_winner": True, "test_ends_at": NOW + HOUR}
    assert variant(facts(**known)) == Wait(NOW + HOUR, Rule.VARIANT)
    assert variant(facts(**known, now=NOW + HOUR)) == Wait(None, Rule.VARIANT)
    assert variant(facts(awaits_winner=True)) == Wait(None, Rule.VARIANT)
    assert variant(facts()) == Send()


@pytest.mark.parametrize(
    ("a", "b", "tie", "winner", "reason"),
    [
        ((120, 40), (110, 60), "first", "b", "most read: a 40 of 120, b 60 of 110"),
        ((200, 50), (100, 30), "hand", "b", "most read: a 50 of 200, b 30 of 100"),
        (
            (200, 50),
            (100, 25),
            "first",
            "a",
            "a and b are equal (read: a 50 of 200, b 25 of 100); a is the first",
        ),
        (
            (100, 0),
            (100, 0),
            "hand",
            None,
            "a and b are equal (read: a 0 of 100, b 0 of 100); a person decides",
        ),
        (
            (99, 1),
            (100, 99),
            "first",
            "a",
            "fewer than 100 messages of a (read: a 1 of 99, b 99 of 100); a is the first",
        ),
        (
            (100, 1),
            (0, 0),
            "hand",
            None,
            "fewer than 100 messages of b (read: a 1 of 100, b 0 of 0); a person decides",
        ),
    ],
)
def test_the_highest_rate_wins_or_the_configured_rule_decides(
    a: tuple[int, int], b: tuple[int, int], tie: Any, winner: str | None, reason: str
) -> None:
    found = {name: Tally(sent, read=read) for name, (sent, read) in (("a", a), ("b", b))}
    verdict = pick_winner(found, Measure.READ, minimum=100, tie=tie)
    assert (verdict.winner, verdict.reason) == (winner, reason)


COUNTS = st.integers(0, 50).flatmap(
    lambda sent: st.builds(lambda read: Tally(sent, read=read), st.integers(0, sent))
)


@given(st.dictionaries(st.sampled_from("abcd"), COUNTS, min_size=2), st.integers(1, 20))
def test_a_winner_by_numbers_is_better_than_all_others(found: dict[str, Tally], minimum: int) -> None:
    verdict = pick_winner(found, Measure.READ, minimum=minimum, tie="hand")
    rates = {name: tally.read / tally.sent if tally.sent else 0 for name, tally in found.items()}
    leaders = [name for name, rate in rates.items() if rate == max(rates.values())]
    is_clear = len(leaders) == 1 and all(tally.sent >= minimum for tally in found.values())
    assert verdict.winner == (leaders[0] if is_clear else None)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((5, 83, 12, 99), 0.159181),  # the example of statsmodels' proportions_ztest
        ((45, 100, 30, 100), 0.028460),
        ((520, 1000, 480, 1000), 0.073638),
        ((50, 100, 50, 100), 1.0),
        ((900, 1000, 100, 1000), 2.5e-280),
    ],
)
def test_the_two_proportion_test_gives_the_known_values(counts: tuple[int, ...], expected: float) -> None:
    assert p_value(*counts) == pytest.approx(expected, abs=5e-7)


@pytest.mark.parametrize("counts", [(0, 0, 5, 10), (0, 100, 0, 100), (100, 100, 100, 100), (3, 20, 1, 20)])
def test_too_few_messages_prove_nothing(counts: tuple[int, ...]) -> None:
    assert p_value(*counts) is None


def loaded(folder: Path, text: str) -> CampaignSpec:
    path = folder / "spring.toml"
    path.write_text(HEAD + text, encoding="utf-8")
    return load_spec(path)


def test_a_variant_overrides_the_shared_content(tmp_path: Path) -> None:
    shared = '[content]\ntext = "Hi {{ who }}"\n[content.template]\nname = "t"\nlanguage = "en"\n'
    found = loaded(tmp_path, f'{shared}[content.defaults]\nwho = "you"\n{TWO}text = "Hello"\n')
    contents = found.contents
    assert [(name, content.text) for name, content in contents.items()] == [
        ("a", "Hi {{ who }}"),
        ("b", "Hello"),
    ]
    assert all(content.template and content.template.name == "t" for content in contents.values())
    assert found.content == contents["a"]
    assert found.split == Split("spring", HALVES)
    assert needed_variables(contents) == frozenset()
    assert CampaignSpec.from_json(found.to_json()) == found


def test_without_content_each_variant_has_its_own(tmp_path: Path) -> None:
    text = '[[variants]]\nname = "a"\nshare = 33.33\n[variants.content]\ntext = "One"\n'
    text += '[[variants]]\nname = "b"\nshare = 66.67\n[[variants.content.images]]\nurl = "https://x/y"\n'
    found = loaded(tmp_path, text)
    assert found.contents["b"].text is None
    assert found.split == Split("spring", (("a", 3333), ("b", 6667)))


def test_how_the_winner_is_chosen_is_configured(tmp_path: Path) -> None:
    winner = '[winner]\nby = "read"\nafter = "4h"\ntest_percent = 20\nminimum = 50\ntie = "hand"\n'
    found = loaded(tmp_path, f'[content]\ntext = "One"\n{TWO}text = "Two"\n{winner}')
    asked = found.winner
    assert asked
    assert (asked.measure, asked.after, asked.minimum, asked.tie) == (
        Measure.READ,
        timedelta(hours=4),
        50,
        "hand",
    )
    assert found.split == Split("spring", HALVES, 2000)


WINNER = '[winner]\nby = "read"\nafter = "4h"\ntest_percent = 20\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f'[content]\ntext = "A"\n{TWO}txt = "B"\n', "line 13: variants[1].content.txt is not known"),
        (f'[content]\ntext = "A"\ntxet = "A"\n{TWO}text = "B"\n', "line 6: content.txet is not known"),
        (
            f'[content]\ntext = "A"\n{TWO}text = ""\n',
            "line 12: variants[1].content: there is nothing to send",
        ),
        (
            f'[content]\ntext = "A"\n{TWO.replace("50", "45")}text = "B"\n',
            "line 6: variants: the shares of the variants add up to 90, not to 100",
        ),
        (
            f'[content]\ntext = "A"\n{TWO.replace("share = 50", "share = 50.001", 1)}',
            "at most two decimal places",
        ),
        (
            f'[content]\ntext = "A"\n{TWO.replace(chr(34) + "b", chr(34) + "a")}',
            "two variants have the same name",
        ),
        (
            '[content]\ntext = "A"\n[[variants]]\nname = "a"\nshare = 100\n',
            "a test needs at least two variants",
        ),
        (f'[content]\ntext = "A"\n{WINNER}', "line 6: winner: there is nothing to choose from"),
        (f'[content]\ntext = "A"\n{TWO}[winner]\nby = "read"\n', 'time of the choice, such as after = "4h"'),
        (f'[content]\ntext = "A"\n{TWO}[winner]\nby = "hand"\nafter = "4h"\n', 'by = "hand" has no after'),
        (
            f'[content]\ntext = "A"\n{TWO}[winner]\nby = "red"\n',
            "winner.by: input should be 'delivered', 'read'",
        ),
        (f'[content]\ntext = "A"\n{TWO}{WINNER}[schedule]\nexpires_after = "4h"\n', "or the rest expires"),
        (
            f'[content]\ntext = "A"\n{TWO}{WINNER}[schedule]\nat = 2026-12-01T09:00:00Z\n'
            "ends_at = 2026-12-01T13:00:00Z\n",
            "named after schedule.ends_at",
        ),
        (
            f'[content]\ntext = "A"\n{TWO}{WINNER}[schedule]\nat = 2026-12-01T09:00:00\ntimezone = "Africa/Lagos"\n'
            "recipient_local_time = true\n",
            "set test_percent to 100",
        ),
    ],
)
def test_invalid_settings_are_refused_with_their_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SpecError) as refused:
        loaded(tmp_path, text)
    assert says in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def two(a: dict[str, Any], b: dict[str, Any]) -> CampaignSpec:
    return spec(variants=[{"name": "a", "share": 50, "content": a}, {"name": "b", "share": 50, "content": b}])


def test_every_recipient_needs_what_any_variant_uses() -> None:
    contents = two(
        {"text": "{{ one }}"}, {"text": "{{ two }} {{ three }}", "defaults": {"three": "3"}}
    ).contents
    assert needed_variables(contents) == {"one", "two"}


def test_a_default_must_be_of_use_to_one_variant() -> None:
    with pytest.raises(SpecError, match="no text uses"):
        needed_variables(two({"text": "A", "defaults": {"x": "1"}}, {"text": "B"}).contents)


def test_a_fault_names_its_variant() -> None:
    with pytest.raises(SpecError, match=r"^Variant b: content\.text, line 1"):
        needed_variables(two({"text": "A"}, {"text": "{{ oops"}).contents)
    with pytest.raises(SpecError, match=r"^Variant b: "):
        refuse_unsendable_variants(two({"text": "A"}, {"text": "x" * 5000}).contents, Short())  # type: ignore[arg-type]


def test_a_row_must_do_for_every_variant() -> None:
    refuse = refuse_unsendable_variants(two({"text": "A"}, {"text": "Hi {{ name }}"}).contents, Short())  # type: ignore[arg-type]
    assert refuse is not None
    assert refuse('{"name": "Ada"}') is None
    assert str(refuse('{"name": "%s"}' % ("x" * 5000))).startswith("variant b: ")


def test_a_test_message_is_of_one_variant() -> None:
    wanted = two({"text": "A", "defaults": {"x": "1"}}, {"text": "{{ x }}"})
    assert spec_for_test(wanted).contents == {None: wanted.contents["a"]}
    only = spec_for_test(wanted, "b")
    assert (only.contents, only.split) == ({None: wanted.contents["b"]}, None)
    assert Renderer(only.content, shares_defaults=True).render({"x": "2"}).text == "2"
