"""Each JSON example of the documents: a request is made by a campaign file, an answer is read."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from campaigns.message.templates import Renderer
from campaigns.spec.campaign_spec import CampaignSpec, load_spec
from providers.registry import ADAPTERS
from tests.providers.cases import kapso
from tests.providers.cases.answers import ANSWERS, Answered
from tests.providers.cases.examples import DOCUMENTS
from tests.providers.contract import Example, Table, http_for, table_of
from tests.support.cases import each

TABLES = {name: table_of(name) for name in ADAPTERS}
EXAMPLES = [(table, example) for table in TABLES.values() for example in table.examples]


def campaign_of(example: Example, folder: Path) -> CampaignSpec:
    """The campaign whose file holds the example's [content] and [pace], read as any campaign file is."""
    content = re.sub(r"(?m)^\s*(\[\[?)(?=\w)", r"\1content.", example.content)
    head = 'name = "example"\nprovider = "account"\nsenders = ["shop"]\n'
    file = folder / "campaign.toml"
    file.write_text(f"{head}[pace]\n{example.pace}\n[content]\n{content}\n", encoding="utf-8")
    return load_spec(file)


@each(("table", "example"), EXAMPLES, ids=[example.why for _, example in EXAMPLES])
def test_a_request_is_made_by_a_campaign_file(table: Table, example: Example, tmp_path: Path) -> None:
    spec, adapter = campaign_of(example, tmp_path), table.adapter()
    content = Renderer(spec.content).render(example.vars, template=example.template)
    assert adapter.unsendable(content) is None
    gap = adapter.capabilities.delay_between if spec.pace.gap is None else spec.pace.gap
    call = table.call(example.to or (table.to,), content, gap=gap, category=spec.category, **example.more)
    part: Any = json.loads(adapter.build(call).content)
    for step in filter(None, example.at.split(".")):
        part = part[step]
    assert part == example.json


@pytest.mark.parametrize("row", ANSWERS, ids=[f"{row.document}: {row.heading}" for row in ANSWERS])
async def test_an_answer_is_read(row: Answered) -> None:
    def provider(request: httpx.Request) -> httpx.Response:
        for end, body in row.first.items():
            if request.url.path.endswith(end):
                return httpx.Response(200, json=body)
        return httpx.Response(row.status, json=row.json)

    table = TABLES[row.provider]
    http = http_for(table.adapter(), table.settings(), provider)
    assert await row.ask(table, http) == row.means


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_example_of_a_document_is_left_out(document: str) -> None:
    """The listed ones are those that are tested, neither more nor fewer."""
    listed = {(each.kind, each.heading) for each in DOCUMENTS[document]}
    assert len(listed) == len(DOCUMENTS[document])
    requests = {("request", example.heading) for _, example in EXAMPLES if example.document == document}
    answers = {("answer", row.heading) for row in ANSWERS if row.document == document}
    heard = {row.why for table in TABLES.values() for row in table.webhooks}
    webhooks = {("webhook", each.heading) for each in DOCUMENTS[document] if each.heading in heard}
    assert requests | answers | webhooks == listed


def test_every_field_of_kapso_s_one_example_is_sent_by_some_type() -> None:
    sent = {field for each in kapso.EXAMPLES for field in each.json}
    assert sent == set(kapso.FIELDS.split())


def test_each_example_is_tested_once() -> None:
    names = Counter([example.why for _, example in EXAMPLES])
    assert [name for name, count in names.items() if count > 1] == []
