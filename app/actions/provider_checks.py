"""Whether the account and the senders of a campaign exist and can send what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from app.actions.templates import Catalogue, refuse_mismatched
from app.wiring.settings import Settings
from campaigns.errors import NotFound, SpecError
from campaigns.intake.model import UserIds
from campaigns.message.content import Addition, MessageType
from campaigns.message.content_spec import ContentSpec
from campaigns.message.template_category import AUTO
from campaigns.message.templates import about_variant
from campaigns.nearest import nearest
from campaigns.spec.campaign_spec import CampaignSpec
from campaigns.spec.toml_files import loc_of, placed, read_toml
from providers.registry import can_send, open_adapter, providers_that_send
from providers.settings import AccountSettings
from scheduler.audience.sendability import Refuse, refuse_unsendable_variants, user_ids_of

_KEY: Final = re.compile(r"\bcontent(?:\.\w+|\[\d+\])+|\bschedule\.\w+")


def check_provider(
    settings: Settings, spec: CampaignSpec, path: Path | None = None, templates: Catalogue | None = None
) -> Refuse | None:
    """Raise NotFound or SpecError if the account or a sender does not exist, or cannot send the content, or its
    templates do not fit; `path`: the campaign file; `templates`: those of the account.

    Returns the check that each row's own message needs.
    """
    with placed(path, "provider"):
        account = settings.account(spec.provider)
    with placed(path, "senders"):
        refuse_unknown_senders(spec, account)
    for variant, content in spec.contents.items():
        with placed(path, "content"), about_variant(variant):
            _refuse_impossible(account.adapter, content)
    with placed(path, "category"):
        _refuse_unlisted_category(spec, account)
    with placed(path, "marketing_messages"):
        _refuse_marketing_messages(spec, account)
    refuse_mismatched(spec, templates, path)
    with placed_by_message(path):
        used = templates.used_by(spec) if templates and templates.templates is not None else None
        return refuse_unsendable_variants(spec.contents, open_adapter(account), used)


def read_user_ids(settings: Settings, spec: CampaignSpec) -> UserIds:
    """How the campaign's list names people by the provider's user id; without the account, any id may be sent to."""
    account = settings.accounts.get(spec.provider)
    return user_ids_of(spec, open_adapter(account)) if account is not None else UserIds(spec.provider)


@contextmanager
def placed_by_message(path: Path | None) -> Iterator[None]:
    """Adds the file and line to errors that name a key of [content] or [schedule]."""
    try:
        yield
    except SpecError as error:
        key = _KEY.search(str(error))
        if path is None or key is None:
            raise
        place = read_toml(path).place(loc_of(key[0]))
        raise SpecError(f"{place}: {error}", hint=error.hint, faults=error.faults) from error


def refuse_unknown_senders(spec: CampaignSpec, account: AccountSettings) -> None:
    """Raise NotFound if the account lacks a sender of the campaign."""
    names = [sender.name for sender in account.senders]
    for sender in spec.senders:
        if sender not in names:
            guess = nearest(sender.lower(), names)
            raise NotFound(
                f"{spec.provider} has no sender {sender!r}.",
                hint=f"Did you mean {guess}?" if guess else f"Its senders: {', '.join(names) or 'none'}.",
            )


def _refuse_impossible(adapter: str, content: ContentSpec) -> None:
    types: Iterator[tuple[MessageType | Addition, str]] = ((kind, str(kind)) for kind in content.types)
    for kind, name in (*types, *content.additions.items()):
        if not can_send(adapter, kind):
            able = ", ".join(providers_that_send(kind)) or "none yet"
            raise SpecError(f"{adapter} cannot send {name}.", hint=f"Providers that can: {able}.")


def _refuse_marketing_messages(spec: CampaignSpec, account: AccountSettings) -> None:
    given = spec.marketing_messages
    if given is None or given.policy == "off" or open_adapter(account).capabilities.marketing_messages:
        return
    raise SpecError(
        f"{account.adapter} does not document Meta's Marketing Messages API.",
        hint="Remove [marketing_messages], or send through an account at meta.",
    )


def _refuse_unlisted_category(spec: CampaignSpec, account: AccountSettings) -> None:
    if spec.category == AUTO and (why := open_adapter(account).templates_unlisted()) is not None:
        raise SpecError(
            f'category = "auto" needs the account\'s list of templates. {why}',
            hint="Write marketing, utility, authentication or service.",
        )
