"""The page of the rules is about all of them, in their order, and its examples are accepted."""

from __future__ import annotations

import re
import tomllib

from campaigns.rules.decide import FIRST, LAST
from campaigns.rules.hours import describe_hours
from campaigns.rules.hours_presets import PRESETS
from campaigns.rules.names import Rule, SkipReason
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.spec.rules_spec import HoursSpec
from tests.support.cases import each
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "reference" / "rules.md"
TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", TEXT, flags=re.DOTALL)
LEAST = {"name": "a", "provider": "p", "senders": ["s"], "content": {"text": "Hi"}}
SHOWN = re.findall(r"Shown as: ([^.]*)\.", TEXT, flags=re.DOTALL)


def test_each_rule_has_its_section_in_their_order() -> None:
    titles = re.findall(r"^## (\d+)\. (.*)$", TEXT, flags=re.MULTILINE)
    assert [int(number) for number, _ in titles] == list(range(1, 16))
    names = [rule.__name__ for rule in FIRST] + ["window", "budget"] + [rule.__name__ for rule in LAST]
    as_titled = {"optout": "Opt-out", "min_gap": "Least gap", "window": "Window and form"}
    assert [title for _, title in titles] == [
        as_titled.get(name, name.replace("_", " ").capitalize()) for name in names
    ]


def test_each_rule_documents_how_it_is_shown() -> None:
    held = {name for shown in SHOWN for name in re.findall(r"held by `(\w+)`", shown)}
    reasons = {name for shown in SHOWN for name in re.findall(r"for `(\w+)`", shown)}
    assert len(SHOWN) == 15
    assert held == set(Rule)
    assert reasons == set(SkipReason)


@each("name", PRESETS)
def test_each_preset_stands_with_its_hours_source_and_date(name: str) -> None:
    hours, table = HoursSpec(preset=name).hours, PRESETS[name]
    assert f"| `{name}` | {describe_hours(hours)} | {table.source} | {table.read_on} |" in TEXT


@each("example", EXAMPLES)
def test_each_example_is_a_part_of_a_campaign_file(example: str) -> None:
    CampaignSpec.model_validate(LEAST | tomllib.loads(example))
