"""What a reply means whoever the provider is: the part of every error map that HTTP itself settles."""

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
"""By status where neither code nor text tells; an adapter adds what others mean to its provider. Any other 4xx is a
request that can never work: the campaign."""


def unanswered(reply: NotSent | Unknown) -> Refused:
    """What it means that no answer came."""
    kind = FailureKind.NOT_SENT if isinstance(reply, NotSent) else FailureKind.UNKNOWN
    return Refused(kind, reply.code, reply.text)


def general_refusal(answer: Answer) -> Refused | None:
    """The refusal that holds for any provider, or None where the adapter must look at the answer itself.

    A 5xx may come after the message was taken (a gateway that gave up waiting), so it is doubt, no retry.
    """
    match answer.status:
        case 429:
            return Refused(FailureKind.THROTTLED, "429", answer.text, retry_after=answer.retry_after)
        case 401 | 403 as status:
            return Refused(FailureKind.CAMPAIGN, str(status), answer.text)
        case status if 300 <= status < 400:
            return Refused(FailureKind.CAMPAIGN, str(status), "The provider redirects: check base_url.")
        case status if status < 200 or status == 408 or status >= 500:
            return Refused(FailureKind.UNKNOWN, str(status), answer.text)
    return None
