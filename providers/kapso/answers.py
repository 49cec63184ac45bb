"""What an answer to a send means in both of Kapso's APIs: by Meta's code, then by HTTP status."""

from __future__ import annotations

import re
from typing import Any, Final

from campaigns.outcomes import FailureKind, Refused
from providers.http.client import Answer
from providers.http.failures import REFUSALS as COMMON_REFUSALS
from providers.http.failures import general_refusal
from providers.meta.answers import error_code, error_text
from providers.meta.codes import kind_of, refusal
from providers.values import table

REFUSALS: Final = {**COMMON_REFUSALS, 404: FailureKind.LANE}
_CODE_IN_TEXT: Final = re.compile(r"\(#(\d{1,6})\)")


def refusal_in(answer: Answer) -> Refused | None:
    """The refusal in an answer without a message; None for a 4xx that only its text explains."""
    code = _code_in(answer)
    known = kind_of(code) is not None and not answer.ok and answer.status != 429
    general = None if known else general_refusal(answer)
    if general is not None:
        return general
    if answer.ok:
        return Refused(FailureKind.UNKNOWN, str(answer.status), "The answer has no message id.")
    if code is not None:
        text = error_text(_error_in(answer)) or answer.text
        return refusal(code, text, answer.status, answer.retry_after)
    return None


def _code_in(answer: Answer) -> int | None:
    """Meta's code: `error.code` in Meta's body, or `(#131047)` in Kapso's text."""
    code = error_code(_error_in(answer))
    if code is not None:
        return code
    found = _CODE_IN_TEXT.search(answer.text)
    return int(found[1]) if found else None


def _error_in(answer: Answer) -> dict[str, Any]:
    return table(table(answer.json()).get("error"))
