"""What each recipient received, with exact times: the truth to check the product's reports against."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One accepted message. Times are unix seconds; `call` is shared by the messages of one HTTP request.

    `digest` identifies the content (type, text and media together); `outcome` is the name from
    `emulators.outcomes`; `request` is the number of the HTTP request among all that this emulator has seen.
    """

    id: str
    provider: str
    account: str
    session: str
    to: str
    type: str
    content: str | None
    media_url: str | None
    digest: str
    accepted_at: float
    left_at: float
    call: str
    request: int
    outcome: str


def digest(*parts: str | None) -> str:
    """A short name for a message's content, equal exactly when the content is."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest()


class Ledger:
    """Every accepted message, in the order of acceptance."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything, the count of requests included."""
        self.requests = 0
        self._entries: list[Entry] = []
        self._by_number: defaultdict[str, list[Entry]] = defaultdict(list)

    def count_request(self) -> int:
        """The number of a request that came in just now."""
        self.requests += 1
        return self.requests

    def record(self, entries: Iterable[Entry]) -> None:
        """Note messages that were accepted."""
        for entry in entries:
            self._entries.append(entry)
            self._by_number[entry.to].append(entry)

    def entries(self, to: str | None = None, provider: str | None = None) -> list[Entry]:
        """The accepted messages, all or those of one recipient (digits only) or one provider."""
        found = self._entries if to is None else self._by_number.get(to, [])
        return found if provider is None else [entry for entry in found if entry.provider == provider]

    def summary(self) -> dict[str, Any]:
        """Totals, how many recipients received 1, 2, 3… messages, and who received the same content again."""
        per_recipient = Counter(len(entries) for entries in self._by_number.values())
        return {
            "total": len(self._entries),
            "calls": len({entry.call for entry in self._entries}),
            "requests": self.requests,
            "recipients": len(self._by_number),
            "messages_per_recipient": {str(n): per_recipient[n] for n in sorted(per_recipient)},
            "outcomes": dict(sorted(Counter(entry.outcome for entry in self._entries).items())),
            "repeated": [repeat for number in self._by_number for repeat in self._repeats(number)],
        }

    def _repeats(self, number: str) -> list[dict[str, Any]]:
        ids: defaultdict[str, list[str]] = defaultdict(list)
        for entry in self._by_number[number]:
            ids[entry.digest].append(entry.id)
        return [
            {"to": number, "digest": content, "count": len(same), "ids": same}
            for content, same in ids.items()
            if len(same) > 1
        ]
