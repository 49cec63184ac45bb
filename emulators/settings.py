"""What can be set when the emulator starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Settings:
    """Options of one emulator; every provider it serves uses the same ones.

    Money is in the account's own unit, as the provider prints it. The `…_after` latencies are seconds from
    the moment that a message leaves, and must not decrease from one status to the next.
    """

    api_key: str = "test-key"
    balance: int = 10_000_000
    price: int = 10
    sent_after: float = 0.1
    delivered_after: float = 0.5
    read_after: float = 1.5
    read_percent: int = 35
    faults: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.sent_after <= self.delivered_after <= self.read_after:
            raise ValueError("sent_after, delivered_after and read_after must not be negative or decrease")
        if not 0 <= self.read_percent <= 100:
            raise ValueError("read_percent must be from 0 to 100")

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Self:
        """Settings from plain values, as read from JSON. Raises ValueError for a wrong name or value."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(options) - known):
            raise ValueError(
                f"unknown emulator option {unknown[0]!r}; the options are {', '.join(sorted(known))}"
            )
        values = dict(options)
        values["faults"] = tuple(values.get("faults", ()))
        try:
            return cls(**values)
        except TypeError as error:
            raise ValueError(f"an emulator option has the wrong type: {error}") from None
