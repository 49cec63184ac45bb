"""What CONTRIBUTING and the architecture page name is there: each file, and each function or class in it."""

from __future__ import annotations

import ast
import re

import pytest

from tests.support.paths import ROOT

PAGES = ["CONTRIBUTING.md", "docs/explanation/architecture.md"]
PLACE = re.compile(r"`((?:[a-z_]+/)+[a-z_]+\.py|cli\.py)`(?:, `(\w+)`)?")
ROOM_PACKAGES = ("campaigns", "providers", "storage", "scheduler", "app", "terminal", "web")


def named(page: str) -> list[tuple[str, str]]:
    return PLACE.findall((ROOT / page).read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES)
def test_every_place_named_exists(page: str) -> None:
    places = named(page)
    assert places, "the pattern finds nothing any more"
    for file, name in places:
        assert (ROOT / file).is_file(), file
        assert not name or name in defined_in(file), f"{file} has no {name}"


def defined_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    names = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    for node in tree.body:
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def test_every_package_docstring_describes_its_content() -> None:
    for package in ROOM_PACKAGES:
        for init in (ROOT / package).rglob("__init__.py"):
            docstring = ast.get_docstring(ast.parse(init.read_text(encoding="utf-8")))
            assert docstring, f"{init.relative_to(ROOT)} says nothing"
