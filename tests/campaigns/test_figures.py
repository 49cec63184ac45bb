"""Numbers as people read them."""

from __future__ import annotations

from campaigns.figures import percent, share_of


def test_less_than_all_is_not_shown_as_all() -> None:
    parts = (0, 1, 2999, 3000)
    assert [percent(part / 3000) for part in parts] == ["0.0%", "0.1%", "99.9%", "100.0%"]
    assert [share_of(part, 100_000) for part in (0, 1, 99_999, 100_000)] == [0, 0.0001, 0.9999, 1]
    assert (percent(-1 / 3000), share_of(1, 0)) == ("-0.1%", None)
