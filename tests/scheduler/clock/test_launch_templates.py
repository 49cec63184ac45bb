"""A run is compared with the stored templates when it is launched, days after it was loaded: what does not fit is not
sent, and goes on by itself once it fits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from campaigns.errors import InvalidInput
from campaigns.intake.model import UserIds
from campaigns.message.provider_templates import HeaderPart, ProviderTemplate, TemplateParts
from campaigns.states import CampaignState
from providers.registry import open_adapter
from scheduler.actions.retrying import retry_failed
from scheduler.actions.templates import keep_templates
from scheduler.audience.sendability import Refuse, refuse_unsendable_variants, user_ids_of
from scheduler.clock.backfill import backfill
from scheduler.clock.launch import launch_due
from storage.audience.campaigns import require
from storage.database.engine import Engine, reading, writing
from storage.runs.runs import complete_runs
from storage.views.reports import reject_groups
from tests.support.accounts import account_at
from tests.support.campaigns import EPOCH, job_rows, later, spec, store_campaign

NAME = "shop"
SALE = {"name": "sale", "language": "en", "parameters": ["{{ first_name }}"]}
DAY = timedelta(days=1)


def listed(name: str = "sale", language: str = "en", **parts: Any) -> ProviderTemplate:
    plain = {key: parts.pop(key) for key in ("status", "category") if key in parts}
    return ProviderTemplate(
        name,
        language,
        plain.get("status", "APPROVED"),
        plain.get("category", "marketing"),
        TemplateParts(**{"body": "Hi {{1}}!", **parts}),
    )


def campaign(**tables: Any) -> Any:
    return spec(provider=NAME, content={"template": SALE}, **tables)


async def known(engine: Engine, *templates: ProviderTemplate, seconds: float = 0) -> None:
    await keep_templates(engine, NAME, templates, later(seconds))


async def state(engine: Engine) -> tuple[str, str]:
    async with reading(engine) as connection:
        found = await require(connection, "spring")
    return found.state, found.reason or ""


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        (listed(status="PAUSED"), "content.template.name: sale (en) is paused for its quality"),
        (listed(category="utility"), "category: the campaign is marketing, but sale (en) is utility"),
        (listed(body="Hi {{1}}, {{2}}!"), "content.template.parameters: there are 1, but sale (en) needs 2"),
        (listed(header=HeaderPart("image")), "content.template.header: it is missing"),
        (listed(language="fr"), "content.template.language: sale is not there in en, only in fr."),
    ],
)
async def test_what_does_not_fit_is_not_launched_and_goes_on_when_it_fits(
    engine: Engine, template: ProviderTemplate, problem: str
) -> None:
    await store_campaign(engine, campaign(), 2)
    await known(engine, template)
    assert await launch_due(engine, now=lambda: later(1)) == []
    found, reason = await state(engine)
    assert (found, reason.startswith(f"template_mismatch: {problem}")) == (CampaignState.PAUSED, True), reason
    await known(engine, template, seconds=2)
    assert (await state(engine))[0] == CampaignState.PAUSED
    await known(engine, listed(), seconds=3)
    assert await state(engine) == (CampaignState.SCHEDULED, "")
    assert await launch_due(engine, now=lambda: later(4)) == ["spring"]
    assert len(await job_rows(engine)) == 2


async def test_templates_that_are_not_known_refuse_nothing(engine: Engine) -> None:
    await store_campaign(engine, campaign(), 2)
    assert await launch_due(engine, now=lambda: later(1)) == ["spring"]


async def test_a_list_of_days_ago_refuses_nothing(engine: Engine) -> None:
    await store_campaign(engine, campaign(), 2, start_at=EPOCH + 2 * DAY)
    await known(engine, listed(status="PAUSED"))
    assert await launch_due(engine, now=lambda: EPOCH + 2 * DAY) == ["spring"]


async def test_missed_runs_and_retries_are_compared_too(sqlite_engine: Engine) -> None:
    engine = sqlite_engine
    await store_campaign(engine, campaign(schedule={"every": "1d", "starts_at": EPOCH}), 2)
    at = EPOCH + 2 * DAY + timedelta(hours=20)
    assert await launch_due(engine, now=lambda: at) == []
    await keep_templates(engine, NAME, [listed(status="PAUSED")], at)
    with pytest.raises(InvalidInput, match=r"template_mismatch: content\.template\.name"):
        await backfill(engine, "spring", EPOCH + DAY, EPOCH + DAY, now=lambda: at)
    assert await job_rows(engine) == []


async def test_who_failed_is_not_tried_again_with_a_template_that_does_not_fit(sqlite_engine: Engine) -> None:
    engine = sqlite_engine
    await store_campaign(engine, campaign(), 0)
    await launch_due(engine, now=lambda: later(1))
    async with writing(engine) as connection:
        await complete_runs(connection, later(2))
    await known(engine, listed(status="PAUSED"), seconds=3)
    with pytest.raises(InvalidInput, match="template_mismatch"):
        await retry_failed(engine, "spring", now=lambda: later(4))


# Lists that each run reads again


class List:
    """A daily campaign whose rows name the language of their template."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.file = engine, folder / "people.csv"
        self.adapter = open_adapter(account_at("meta", folder / "key"))

    def check(
        self, wanted: Any, templates: Sequence[ProviderTemplate] | None
    ) -> tuple[Refuse | None, UserIds]:
        refuse = refuse_unsendable_variants(wanted.contents, self.adapter, templates)
        return refuse, user_ids_of(wanted, self.adapter)

    async def launch(self, content: dict[str, Any], *rows: str) -> dict[str, str]:
        """Launch a run of these rows; why each number was rejected."""
        self.file.write_text("\n".join(["phone,first_name,lang", *rows]) + "\n")
        audience = {"csv": self.file, "refresh": "each_run", "max_reject_percent": 100}
        wanted = spec(provider=NAME, content=content, audience=audience)
        await store_campaign(self.engine, wanted, 0)
        assert await launch_due(self.engine, check=self.check, now=lambda: later(1)) == ["spring"]
        async with reading(self.engine) as connection:
            groups = await reject_groups(connection, await require(connection, "spring"))
        return {group.code: group.reason for group in groups}


async def test_a_row_that_its_template_has_no_room_for_is_rejected_at_each_run(
    engine: Engine, tmp_path: Path
) -> None:
    await known(engine, listed(footer="Stop"))
    rejected = await List(engine, tmp_path).launch(
        {"template": SALE}, "+447700900001,Ada,en", f"+447700900002,{'x' * 1025},en"
    )
    assert [row.phone for row in await job_rows(engine)] == ["+447700900001"]
    assert list(rejected) == ["not_sendable"]
    assert rejected["not_sendable"].startswith(
        "content.template.parameters[0] (number 1) has 1,025 characters"
    )


BY_LANGUAGE = {"template": {**SALE, "language": "{{ lang }}"}}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("pt", "content.template.language: sale is not there in pt, only in en, fr, it."),
        ("fr", "content.template.name: sale (fr) was rejected: its status is REJECTED."),
        ("it", "content.template.parameters: there are 1, but sale (it) needs {{1}}, {{2}}."),
    ],
)
async def test_a_row_whose_own_template_does_not_fit_is_rejected(
    sqlite_engine: Engine, tmp_path: Path, row: str, reason: str
) -> None:
    templates = [
        listed(),
        listed(language="fr", status="REJECTED"),
        listed(language="it", body="Ciao {{1}} {{2}}"),
    ]
    await known(sqlite_engine, *templates)
    rejected = await List(sqlite_engine, tmp_path).launch(
        BY_LANGUAGE, "+447700900001,Ada,en", f"+447700900002,Bo,{row}"
    )
    assert rejected == {"not_sendable": reason}
    assert [row.phone for row in await job_rows(sqlite_engine)] == ["+447700900001"]


async def test_without_a_list_of_templates_no_row_is_rejected(sqlite_engine: Engine, tmp_path: Path) -> None:
    rejected = await List(sqlite_engine, tmp_path).launch(BY_LANGUAGE, "+447700900001,Ada,pt")
    assert rejected == {}
