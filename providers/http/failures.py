"""What a reply means for every provider: the part of each error map that HTTP itself defines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from campaigns.outcomes import FailureKind, Refused
from providers.http.client import Answer, NotSent, Unknown

REFUSALS: Final[Mapping[int, FailureKind]] = {
    400: FailureKind.MESSAGE,
    402: FailureKind.CAMPAIGN,
    413: FailureKind.MESSAGE,
    422: FailureKind.MESSAGE,
}
"""By HTTP status if neither code nor text decides; adapters add their provider's other statuses. Any other 4xx is a
request that can never succeed, so it pauses the campaign."""


def unanswered(reply: NotSent | Unknown) -> Refused:
    """The refusal for a call without an answer."""
    kind = FailureKind.NOT_SENT if isinstance(reply, NotSent) else FailureKind.UNKNOWN
    return Refused(kind, reply.code, reply.text)


def general_refusal(answer: Answer) -> Refused | None:
    """The refusal that applies to every provider; None if the adapter must read the answer.

    A 5xx may come after the message was accepted (a gateway timeout), so the message is in doubt, not retried.
    """
    match answer.status:
        case 429:
            return Refused(FailureKind.THROTTLED, "429", answer.text, retry_after=answer.retry_after)
        case 401 | 403 as status:
            return Refused(FailureKind.CAMPAIGN, str(status), answer.text)
        case status if 300 <= status < 400:
            return Refused(
                FailureKind.CAMPAIGN, str(status), "The provider answers with a redirect: check base_url."
            )
        case status if status < 200 or status == 408 or status >= 500:
            return Refused(FailureKind.UNKNOWN, str(status), answer.text)
    return None
