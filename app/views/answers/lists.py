"""A campaign's file and its list: what a check or a load found, and previews."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NotRequired

from typing_extensions import TypedDict

from app.views.answers.campaigns import CostRange, Done
from campaigns.frozen import frozen
from campaigns.message.content import (
    Button,
    Catalog,
    Contact,
    Flow,
    Location,
    Media,
    Menu,
    MessageType,
    Product,
    Products,
    Reaction,
    Template,
)
from campaigns.states import CampaignState


class ProblemPlace(TypedDict):
    detail: str
    """What is wrong there."""
    pointer: NotRequired[str]
    """A JSON pointer into the body or the campaign file."""
    parameter: NotRequired[str]
    """The parameter of the address."""
    code: NotRequired[str]
    """Why the list cannot be read, as a code of the list reference."""
    line: NotRequired[int]
    """The line of the list."""
    column: NotRequired[int | str]
    """The column of the list, by its number or its name."""


@frozen
class FileProblem:
    """What is wrong with a campaign file, or missing."""

    detail: str
    """What is wrong, as a sentence."""
    hint: str
    """What to do about it; empty: nothing is known."""
    errors: Sequence[ProblemPlace]
    """Each place that is wrong."""


@frozen
class StoredFile(Done):
    etag: str
    """Give it as If-Match to replace the file only as it is now."""
    complete: bool
    """Whether the campaign could be loaded from it."""
    problem: FileProblem | None
    """What keeps it from that; null: nothing."""


class DetectedFile(TypedDict):
    encoding: str
    """Such as utf-8; of a workbook xlsx, xls or ods."""
    sheet: NotRequired[str]
    """The sheet of a workbook."""
    delimiter: str
    """What separates its cells."""
    phone_column: str
    """The column of the numbers, as the file spells it."""
    phone_columns: Sequence[str]
    """That column and those that are used where it has no usable number."""


class EarlierFile(TypedDict):
    file: str
    """The file's name."""
    loaded_at: datetime
    """When it was loaded."""
    rows: int
    """Rows of this list whose people the campaign has from that one."""


class CheckedTemplates(TypedDict):
    checked: bool
    """Whether the message was compared with the account's templates."""
    fetched_at: datetime | None
    """When they were read from the provider; null: never."""
    problem: str | None
    """Why they are not known, or not as they are now; null: they are."""


class CountedList(TypedDict):
    rows: int
    """Rows of the list: accepted and rejected."""
    accepted: int
    """Rows that become recipients."""
    rejected: int
    """Rows that do not."""
    duplicates: int
    """Those of the rejected whose number is there already."""
    rejects_file: str | None
    """The address of the rejected rows as CSV; null: there are none."""
    detected: DetectedFile
    """How the list was read."""
    reasons: Mapping[str, int]
    """Rejected rows by code, the most frequent first."""
    left_out: int
    """Rows that `audience.where` leaves out; they are not among `rows`."""
    respelt: int
    """Rows whose number is in a former or another spelling."""
    already_loaded: bool
    """Whether the same file was loaded before, so that nothing was added."""
    already_in: Sequence[EarlierFile]
    """Earlier lists that have people of this one."""


class LoadedList(CountedList):
    """What was understood of a list."""

    campaign: str | None
    """Its name; null: nothing was loaded."""
    state: CampaignState | None
    """The campaign's state now; null: nothing was loaded."""
    start_at: datetime | None
    """When it starts; null: no time is given."""
    held: str | None
    """Why it needs an approval to start; null: it needs none, or nothing was loaded."""
    templates: CheckedTemplates | None
    """Whether its templates were compared with the provider's; null: it sends none."""
    categories: Sequence[str]
    """What `category = "auto"` means by its templates; empty: the file names the category."""


class UsedColumns(TypedDict):
    used: Sequence[str]
    """Columns that the message or Drumbeat uses, the number first."""
    unused: Sequence[str]
    """All others."""


class Expected(TypedDict):
    messages: int
    """Messages that are expected to be sent."""
    skips: Mapping[str, int]
    """Messages that are not sent, by reason."""
    waits: Mapping[str, int]
    """Messages that go only once something else happens, by the rule that holds them."""
    held_back: Mapping[str, int]
    """Messages that go later than their turn, by the first rule that holds them."""
    cost: Sequence[CostRange]
    """What they may cost, one range for each currency; empty: no price is known."""
    unpriced: int
    """Messages without a known price."""
    warnings: Sequence[str]
    """Why these numbers may be wrong."""
    duration_seconds: float
    """How long sending takes."""
    ends_at: datetime
    """When the last message is sent."""


class MessageParts(TypedDict, total=False):
    """What a message consists of; what it has not is left out."""

    text: str
    """The text, or the caption of its files."""
    media: Sequence[Media]
    """Its files."""
    buttons: Sequence[Button]
    """Its buttons."""
    location: Location
    """The place that it shows."""
    contacts: Sequence[Contact]
    """The contacts that it holds."""
    reaction: Reaction
    """The reaction to another message."""
    menu: Menu
    """Its list of options."""
    flow: Flow
    """The form that its button opens."""
    product: Product
    """The product that it shows."""
    products: Products
    """The products that it shows."""
    catalog: Catalog
    """The catalog that it opens."""
    template: Template
    """The approved template, and what it is filled with."""
    preview_url: bool
    """Whether the first address of the text is shown as a preview."""
    reply_to: str
    """The provider's id of the message that it replies to."""
    header: str
    """The line above the text."""
    footer: str
    """The line below the text."""
    template_text: str
    """The template's text, filled in; left out where it is not known."""


class PreviewedMessage(MessageParts):
    """A message as one recipient would get it."""

    line: int
    """Their line in the list."""
    phone: str
    """Their number."""
    length: int
    """Characters of the longest form."""
    blank: Sequence[str]
    """Variables whose cells are blank, so that a default is used."""
    variant: NotRequired[str]
    """The variant; left out where there are none."""
    type: MessageType
    """What kind of message it is."""


class Previews(TypedDict):
    """Messages as they would arrive."""

    campaign: str
    """Its name."""
    messages: Sequence[PreviewedMessage]
    """One for each recipient, variant and form."""
    templates_not_shown: str | None
    """Why the text of templates is missing; null: it is not."""


class CheckedCampaign(LoadedList):
    """What a load would do, and what would be sent."""

    next_runs: Sequence[datetime]
    """Its first runs, at most 3; empty: no time is given."""
    hours: str | None
    """When its messages may arrive; null: at any time."""
    columns: UsedColumns
    """The columns of the list."""
    expected: Expected | None
    """The forecast; null: the account is not in the settings, or there are too many recipients for a check."""
    preview: Sequence[PreviewedMessage]
    """Its first messages."""
    not_looked_up: str | None
    """Why opt-outs, earlier messages and rate cards were not looked up; null: they were."""
    needs_approval: str | None
    """Why it will need an approval; null: it will not, or that is not known."""
