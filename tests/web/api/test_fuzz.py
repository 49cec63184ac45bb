"""Every operation is called with what its schema allows and with what it does not: the answers are those of the schema,
and nothing is a fault of ours. The library that makes the calls takes long to load: what needs it imports it."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.stateful import run_state_machine_as_test
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from app.actions.api_keys import Scope
from storage.database.engine import open_engine
from tests.web.api.world import World, settings_in, without_network
from web.api import quota
from web.api.app import PREFIX, api_app
from web.api.openapi import document

NAMES = {
    "name": ("draft", "running", "abtest", "paused", "scheduled", "budget", "missing", "fresh", "listed"),
    "phone": ("+447700900003", "+447700900001", "07700900010", "abc"),
    "account": ("meta", "ourvoice"),
    "id": ("s1",),
}
"""Values of path parameters that exist, used in place of every other one."""


@pytest.fixture
def app(filled_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Starlette, str]:
    """The API with its document, and a key."""
    folder = tmp_path / "world"
    shutil.copytree(filled_folder, folder)
    url = f"sqlite:///{folder / 'drumbeat.db'}"
    without_network(monkeypatch, [])
    monkeypatch.setattr(quota, "CALLS", 1_000_000)

    async def make_key() -> str:
        world = World(open_engine(url), settings_in(folder, url))
        key = await world.key(Scope.ADMIN)
        await world.engine.dispose()
        return key

    key = asyncio.run(make_key())
    api = api_app(open_engine(url), settings_in(folder, url))
    routes = [Route("/openapi.json", lambda _: JSONResponse(document())), Mount(PREFIX, api)]
    return Starlette(routes=routes, exception_handlers=api.exception_handlers), key


def excluded_checks(case: Any, answer: Any) -> list[Any]:
    """A campaign's state, a phone or a time may refuse what the schema allows."""
    from schemathesis.specs.openapi import checks

    bare = [checks.negative_data_rejection] if is_bare(case, answer) else []
    return [checks.positive_data_acceptance, checks.ensure_resource_availability, *bare]


def existing(case: Any) -> None:
    """Every other path names something that exists."""
    for name, values in NAMES.items():
        given = case.path_parameters.get(name)
        if given is not None and hash(given) % 2:
            case.path_parameters[name] = values[hash(given) // 2 % len(values)]


def is_bare(case: Any, answer: Any) -> bool:
    """Whether nothing of what is wrong could be put into the call: an extra parameter without a value is none."""
    return "?" not in answer.request.url and "requestBody" not in case.operation.definition.raw


def quiet(examples: int) -> settings:
    """So many examples, of which none is kept or made smaller."""
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        stateful_step_count=8,
    )


def fuzz(app: Starlette, key: str, examples: int) -> tuple[int, list[str]]:
    """How many calls were made, and what is wrong."""
    import schemathesis

    wrong: list[str] = []
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    made = 0

    def run(strategy: Any, count: int) -> None:
        @given(case=strategy)
        @quiet(count)
        def call(case: Any) -> None:
            nonlocal made
            made += 1
            existing(case)
            headers = {"Authorization": f"Bearer {key}"}
            answer = case.call(headers=headers)
            case.validate_response(answer, excluded_checks=excluded_checks(case, answer), headers=headers)

        call()

    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in schemathesis.GenerationMode:
            try:
                run(operation.as_strategy(generation_mode=mode), examples)
            except (schemathesis.errors.SchemathesisError, BaseExceptionGroup) as error:
                wrong.append(f"{operation.label}, {mode.value}: {told(error)}")
    return made, wrong


def told(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(map(told, error.exceptions))
    if type(error).__name__ == "_WrappedBaseException" and error.__cause__ is not None:
        error = (
            error.__cause__
        )  # such as the failure of a test that took too long, which no replay meets again
    return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize(
    "examples", [pytest.param(1, marks=pytest.mark.large), pytest.param(20, marks=pytest.mark.soak)]
)
def test_no_call_is_a_fault_or_answered_unlike_the_document(
    app: tuple[Starlette, str], examples: int
) -> None:
    made, wrong = fuzz(*app, examples)
    assert not wrong, "\n".join(wrong)
    assert made >= 60 * examples
    print(f"{made} calls")


@pytest.mark.soak
def test_calls_in_a_row_that_use_what_others_answered(app: tuple[Starlette, str]) -> None:
    import schemathesis

    api, key = app
    schema = schemathesis.openapi.from_asgi("/openapi.json", api)
    headers = {"Authorization": f"Bearer {key}"}

    class Calls(schema.as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, _case: Any) -> dict[str, Any]:
            return {"headers": headers}

        def validate_response(self, response: Any, case: Any, *_: Any, **__: Any) -> None:
            excluded = excluded_checks(case, response)
            case.validate_response(response, excluded_checks=excluded, headers=headers)

    run_state_machine_as_test(Calls, settings=quiet(15))
