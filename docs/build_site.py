"""The documentation as a site of files: `make docs`. It needs no network, and its pages fetch nothing from one.

The index, docs/README.md, is the navigation. Links between pages stay as they are; a file of the project that a page
links to is copied beside them.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

os.environ["NO_MKDOCS_2_WARNING"] = "1"  # read when the theme is imported

from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

ROOT: Final = Path(__file__).parents[1]
CONFIG: Final = ROOT / "docs" / "mkdocs.yml"
INDEX: Final = ROOT / "docs" / "README.md"
LINK: Final = re.compile(r"\[([^\]]*)\]\(([^)\s#]+)[^)]*\)")
BLOCK: Final = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
BESIDE: Final = {
    "site.css": ROOT / "docs" / "site.css",
    "inter.woff2": ROOT / "web" / "look" / "assets" / "inter.woff2",
    "icon.svg": ROOT / "web" / "look" / "assets" / "icon.svg",
}
"""What the pages look like, by its name in the site."""
FETCHED: Final = re.compile(r"<(?:script|link|img|iframe)\b[^>]*?\b(?:src|href)=[\"']?(https?:[^\"' >]+)")


def main(site: Path) -> None:
    """Build the site. A link that leads nowhere, or a page outside the navigation, ends with an error."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    with tempfile.TemporaryDirectory() as folder:
        pages = [page.relative_to(ROOT) for page in every_page()]
        gather(pages, Path(folder))
        config = load_config(str(CONFIG), docs_dir=folder, site_dir=str(site.absolute()), nav=navigation())
        try:
            build(config)
        except Abort as error:
            sys.exit(str(error))
    if outside := fetched(site):
        sys.exit(f"The pages fetch from the network: {', '.join(sorted(outside))}")
    print(f"Ready: {site}/index.html. With its search: python3 -m http.server --directory {site}")


def every_page() -> list[Path]:
    own = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")]
    return [*own, *sorted(ROOT.glob("sample_data/*.md")), *sorted(ROOT.glob("docs/**/*.md"))]


def gather(pages: list[Path], folder: Path) -> None:
    """Copy the pages, and each file of the project that one of them links to."""
    for name, place in BESIDE.items():
        shutil.copyfile(place, folder / name)
    for page in pages:
        text = BLOCK.sub("", (ROOT / page).read_text(encoding="utf-8"))
        linked = [(ROOT / page.parent / target).resolve() for _, target in LINK.findall(text)]
        for place in [ROOT / page, *(each for each in linked if each.is_file() and ROOT in each.parents)]:
            copy = folder / place.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(place, copy)


def navigation() -> list[dict[str, Any]]:
    """The parts of the index with their pages, and what is beside them."""
    parts = re.split(r"^\*\*([\w -]+)\*\*", INDEX.read_text(encoding="utf-8"), flags=re.MULTILINE)
    sections: list[dict[str, Any]] = [
        {"Drumbeat": [{"What it is": "README.md"}, {"All pages": "docs/README.md"}]}
    ]
    for title, text in zip(parts[1::2], parts[2::2], strict=True):
        pages = [{name: f"docs/{place}"} for name, place in LINK.findall(text) if place.endswith(".md")]
        sections.append({title: pages})
    more = {
        "Sample lists": "sample_data/README.md",
        "What changed": "CHANGELOG.md",
        "Contributing": "CONTRIBUTING.md",
    }
    return [*sections, {"More": [{title: page} for title, page in more.items()]}]


def fetched(site: Path) -> set[str]:
    """Addresses outside from which a page would fetch something."""
    return {
        found for page in site.rglob("*.html") for found in FETCHED.findall(page.read_text(encoding="utf-8"))
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
