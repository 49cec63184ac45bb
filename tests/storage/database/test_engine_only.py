"""The engine without the ORM, and whatever a release of SQLAlchemy has moved."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from storage.database import engine_only

WHOLE = """
AsyncConnection = AsyncEngine = create_async_engine = "of the whole"
AsyncSession = "of the whole"
"""


def imported(folder: Path, monkeypatch: pytest.MonkeyPatch, engine: str) -> ModuleType:
    """A package like SQLAlchemy's, imported as the finder does it."""
    (folder / "__init__.py").write_text(WHOLE, encoding="utf-8")
    (folder / "engine.py").write_text(engine, encoding="utf-8")
    monkeypatch.setattr(engine_only, "PACKAGE", "alike")
    spec = spec_from_file_location("alike", folder / "__init__.py", submodule_search_locations=[str(folder)])
    assert spec is not None
    assert spec.loader is not None
    loader = engine_only._EngineFirst(spec.loader)
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "alike", module)
    monkeypatch.delitem(sys.modules, "alike.engine", raising=False)
    loader.exec_module(module)
    return module


def test_the_engine_comes_alone_and_the_whole_when_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = " = ".join(engine_only.USED)
    module = imported(tmp_path, monkeypatch, f"{names} = 'of the engine'")
    assert module.create_async_engine == "of the engine"
    assert "AsyncSession" not in vars(module)
    assert module.AsyncSession == "of the whole"


@pytest.mark.parametrize("engine", ["", "import alike.no_such_module"])
def test_a_release_that_keeps_the_engine_elsewhere_is_loaded_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    assert imported(tmp_path, monkeypatch, engine).create_async_engine == "of the whole"
