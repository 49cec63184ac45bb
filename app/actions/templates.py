"""An account's message templates as its provider lists them: asked for on demand, and compared with a campaign."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from app.wiring.databases import opened
from app.wiring.probes import connected
from app.wiring.rights import act
from app.wiring.settings import Settings
from campaigns.errors import DrumbeatError, SpecError
from campaigns.frozen import frozen
from campaigns.message.provider_templates import ProviderTemplate
from campaigns.message.template_match import Mismatch, contents_mismatches, used_templates
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.spec.toml_files import TomlFile, loc_of, read_toml
from campaigns.time.clock import Now, utc_now
from providers.registry import open_adapter
from scheduler.actions.template_checks import STALE
from scheduler.actions.templates import fetch_templates, sync_templates
from storage.audience.templates import find_list, find_templates
from storage.database.engine import Engine, by_itself, reading

FRESH: Final = timedelta(minutes=5)
"""A list that was read so recently is not asked for again before a campaign is checked."""


@frozen
class Catalogue:
    """An account's templates as far as they are known."""

    account: str
    templates: Sequence[ProviderTemplate] | None = None
    """None: they are not known."""
    fetched_at: datetime | None = None
    problem: str | None = None
    """Why they are not known, or not as they are now."""

    @property
    def json(self) -> dict[str, Any]:
        known = self.templates is not None
        return {"checked": known, "fetched_at": self.fetched_at, "problem": self.problem}

    def used_by(self, spec: CampaignSpec) -> Sequence[ProviderTemplate]:
        """Those that the campaign is made from."""
        return used_templates(self.templates or (), spec.contents.values())


@act("template.sync")
async def sync_account(
    engine: Engine, settings: Settings, name: str, *, now: Now = utc_now
) -> Sequence[ProviderTemplate]:
    """Ask the provider for the account's templates and store them. Raises NotFound without such an account, UsageError
    where it has no list, Unavailable, AccountError."""
    async with connected(settings, name) as account:
        return await sync_templates(engine, account, now())


async def current_catalogue(
    engine: Engine, settings: Settings, name: str, *, now: Now = utc_now
) -> Catalogue:
    """The account's templates: as stored if that was minutes ago, else asked for and stored. Where the provider cannot
    be asked, as stored within a day. Never raises for the provider's answer."""
    moment = now()
    async with reading(engine) as connection:
        known = await find_list(connection, name)
    problem = None
    if known.is_due(FRESH, moment):
        try:
            with by_itself():
                found = await sync_account(engine, settings, name, now=now)
            return Catalogue(name, found, moment)
        except DrumbeatError as error:
            problem = _plainly(error)
    if not known.is_within(STALE, moment):
        return Catalogue(name, problem=problem)
    async with reading(engine) as connection:
        return Catalogue(name, await find_templates(connection, name), known.fetched_at, problem)


async def known_templates(
    settings: Settings, spec: CampaignSpec, engine: Engine | None = None, *, now: Now = utc_now
) -> Catalogue | None:
    """The templates of the campaign's account; None where it sends none or there is no such account. Without `engine`
    in the project's database, if there is one."""
    account, name = settings.accounts.get(spec.provider), spec.provider
    if account is None or not spec.has_templates:
        return None
    if (unlisted := open_adapter(account).templates_unlisted()) is not None:
        return Catalogue(name, problem=unlisted)
    if engine is not None:
        return await current_catalogue(engine, settings, name, now=now)
    return await _catalogue_without_storing(settings, name, now)


async def refuse_stored(engine: Engine, settings: Settings, spec: CampaignSpec) -> None:
    """Raise SpecError if the templates do not fit a stored campaign any more."""
    refuse_mismatched(spec, await known_templates(settings, spec, engine))


async def _catalogue_without_storing(settings: Settings, name: str, now: Now) -> Catalogue:
    """For a check, which needs no database and makes none."""
    try:
        async with opened(settings, create=False) as engine:
            return await current_catalogue(engine, settings, name, now=now)
    except DrumbeatError:  # the check itself says why the database cannot be asked
        pass
    try:
        async with connected(settings, name) as account:
            return Catalogue(name, await fetch_templates(account), now())
    except DrumbeatError as error:
        return Catalogue(name, problem=_plainly(error))


def _plainly(error: DrumbeatError) -> str:
    return str(error).split("\n")[0]


def refuse_mismatched(spec: CampaignSpec, catalogue: Catalogue | None, path: Path | None = None) -> None:
    """Raise SpecError with each way in which the campaign does not fit its templates; `path`: the campaign file, of
    which the lines are named. Templates that are not known refuse nothing."""
    if catalogue is None or catalogue.templates is None:
        return
    file = read_toml(path) if path is not None else None
    found = list(contents_mismatches(spec.contents, spec.category, catalogue.templates))
    if not found:
        return
    lines = [_line(spec, file, variant, each) for variant, each in found]
    if catalogue.problem and catalogue.fetched_at:
        at = f"{catalogue.fetched_at:%Y-%m-%d %H:%M} UTC"
        lines.append(
            f"This is by the list of templates of {at}. It cannot be read again: {catalogue.problem}"
        )
    hints = [each.hint for _, each in found if each.hint]
    shown = f"drumbeat template list {catalogue.account}"
    raise SpecError(
        "\n".join(dict.fromkeys(lines)), hint=hints[0] if len(found) == len(hints) == 1 else shown
    )


def _line(spec: CampaignSpec, file: TomlFile | None, variant: str | None, found: Mismatch) -> str:
    loc = loc_of(found.key)
    if variant is not None and loc[0] == "content":
        loc = ("variants", list(spec.contents).index(variant), *loc)
    place = "" if file is None else f"{file.place(loc)}: "
    about = "" if variant is None else f"variant {variant}, "
    hint = f" {found.hint}" if found.hint else ""
    return f"{place}{about}{found.key}: {found.text}{hint}"
