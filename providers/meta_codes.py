"""Meta's error codes and what each means for a send: shared by all who pass Meta's answers on.

From Meta's error code documentation as of 2025-11-19, with what operators and open-source clients report beside it. The
old On-Premises codes still surface through aggregators. A code that is not here is judged by its HTTP status alone.
"""

from __future__ import annotations

from typing import Final

from campaigns.outcomes import FailureKind, Refused

K = FailureKind

CODES: Final[dict[int, FailureKind]] = {
    # The account, its money, its permissions: nothing goes until a person has acted.
    **dict.fromkeys((0, 190), K.CAMPAIGN),  # token expired or wrong
    **dict.fromkeys((3, 10, *range(200, 300), 131005), K.CAMPAIGN),  # capability or permission
    **dict.fromkeys(
        (368, 131031, 131042, 131044, 131048, 131064, 134011), K.CAMPAIGN
    ),  # policy, lock, payment, spam
    # The number.
    **dict.fromkeys(
        (33, 131037, 131045, 133010), K.LANE
    ),  # deleted, not registered, display name, certificate
    **dict.fromkeys((133000, 133005, 133006, 133008, 133009, 133015, 133016), K.LANE),  # registration
    # Too fast: nothing was taken.
    **dict.fromkeys((4, 80007, 130429), K.THROTTLED),
    131056: K.PAIR,
    # Meta is not well: it says that it did not send.
    **dict.fromkeys((2, 131016, 133004, 131057), K.THROTTLED),
    **dict.fromkeys((1, 131000), K.UNKNOWN),  # "unknown error": it may have left
    # The person.
    131026: K.RECIPIENT,  # not on WhatsApp, or an old client
    131021: K.RECIPIENT,  # sender and recipient are the same
    130472: K.RECIPIENT,  # in an experiment that marketing spares
    130497: K.RECIPIENT,  # that country may not be messaged
    131049: K.LATER,  # Meta's own cap for this person
    131050: K.OPTED_OUT,
    131047: K.USE_TEMPLATE,
    **dict.fromkeys((131062, 137000), K.RECIPIENT),
    131063: K.CAMPAIGN,
    # The message.
    **dict.fromkeys((100, 131008, 131009, 131051, 131014, 135000), K.RECIPIENT),
    131053: K.RECIPIENT,  # the medium could not be fetched or used
    **dict.fromkeys((132005, 132008, 132012), K.RECIPIENT),  # a parameter of this recipient does not fit
    **dict.fromkeys(
        (132000, 132001, 132007, 132015, 132016, 132068, 132069), K.CAMPAIGN
    ),  # the template itself
    # On-Premises codes.
    470: K.USE_TEMPLATE,
    471: K.CAMPAIGN,
    472: K.RECIPIENT,
    1013: K.RECIPIENT,
    1026: K.RECIPIENT,
}


def kind_of(code: int | None) -> FailureKind | None:
    """What a code means for a send, or None where it is not known."""
    return CODES.get(code) if code is not None else None


def refusal(code: int | None, text: str, status: int, retry_after: float | None = None) -> Refused:
    """The refusal that an error answer is: by its code, else by its HTTP status."""
    kind = kind_of(code)
    if kind is None:
        kind = _by_status(status)
    return Refused(kind, str(code if code is not None else status), text, retry_after)


def _by_status(status: int) -> FailureKind:
    if status == 429:
        return K.THROTTLED
    if status in (401, 403):
        return K.CAMPAIGN
    return K.RECIPIENT if 400 <= status < 500 else K.UNKNOWN
