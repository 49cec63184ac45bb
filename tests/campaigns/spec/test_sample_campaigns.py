"""Every campaign of sample_data passes `drumbeat campaign check` against the settings beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.project import invoke

SAMPLES = ROOT / "sample_data"
CAMPAIGNS = sorted(path.name for path in SAMPLES.glob("*.toml") if path.name != "drumbeat.toml")
WITH_BAD_ROWS = {"nasty.toml", "spring_sale.toml", "spring_variants.toml"}
SOME_REJECTED = 3


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_a_sample_passes_the_check(name: str, tmp_path: Path) -> None:
    settings = ("--config", str(SAMPLES / "drumbeat.toml"), "--database", f"sqlite:///{tmp_path / 'none.db'}")
    rejects = ("--rejects", str(tmp_path / "rejects.csv"))
    done = invoke(
        tmp_path, *settings, "campaign", "check", str(SAMPLES / name), *rejects, META_API_KEY="test-key"
    )
    assert (done.code, done.err) == (SOME_REJECTED if name in WITH_BAD_ROWS else 0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["rejects.csv"] * (name in WITH_BAD_ROWS)


def test_every_sample_campaign_is_described() -> None:
    told = (SAMPLES / "README.md").read_text("utf-8")
    assert CAMPAIGNS
    assert [name for name in CAMPAIGNS if f"`{name}`" not in told] == []
