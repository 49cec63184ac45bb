"""Meta's error codes and what each means for a send: shared by all providers that pass on Meta's answers.

From Meta's error code documentation as of 2026-11-29, with reports of operators and open-source clients. The
old On-Premises codes still surface through aggregators. A code that is not listed is classified by its HTTP status.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from campaigns.outcomes import FailureKind, Refused

K = FailureKind


class Meaning(NamedTuple):
    kind: FailureKind
    note: str
    """A sentence about the code, used if Meta's answer has no text."""
    wait: float | None = None
    """Earliest retry in seconds, if Meta's page gives one."""


NO_MEDIA: Final = "media attachment ID"
"""In the text of a refusal because the id of an uploaded file has expired or is not known."""
CODES: Final[dict[int, Meaning]] = {
    # The account, its payments, its permissions: nothing can be sent until a person acts.
    0: Meaning(K.CAMPAIGN, "The access token is wrong."),
    104: Meaning(K.CAMPAIGN, "The access token is missing."),
    190: Meaning(K.CAMPAIGN, "The access token has expired."),
    3: Meaning(K.CAMPAIGN, "The app lacks a capability."),
    10: Meaning(K.CAMPAIGN, "The app lacks a permission."),
    **dict.fromkeys(range(200, 300), Meaning(K.CAMPAIGN, "The app lacks a permission.")),
    131005: Meaning(K.CAMPAIGN, "Access is denied: a permission was not given or taken back."),
    368: Meaning(K.CAMPAIGN, "The account is blocked for a while for breaking a policy."),
    131031: Meaning(K.CAMPAIGN, "The account is locked."),
    131042: Meaning(K.CAMPAIGN, "The account has a payment problem."),
    131044: Meaning(K.CAMPAIGN, "The account has a payment problem with calls."),
    131064: Meaning(K.CAMPAIGN, "Templates were given a wrong category: Meta limits what may be sent."),
    134011: Meaning(K.CAMPAIGN, "The terms of payments were not accepted."),
    131061: Meaning(
        K.CAMPAIGN, "The template has a maximum price: only the Marketing Messages API may send it."
    ),
    131055: Meaning(K.CAMPAIGN, "The Marketing Messages API does not send this."),
    134100: Meaning(K.CAMPAIGN, "The Marketing Messages API sends marketing templates only."),
    134101: Meaning(K.CAMPAIGN, "The template is not ready for the Marketing Messages API yet."),
    134102: Meaning(K.CAMPAIGN, "The template cannot be sent by the Marketing Messages API."),
    131063: Meaning(K.CAMPAIGN, "Marketing is switched off for this API."),
    # The number.
    33: Meaning(K.LANE, "The business number was deleted."),
    131037: Meaning(K.LANE, "The number's display name is not approved."),
    131048: Meaning(K.LANE, "People block or report the number: Meta limits what it may send."),
    131045: Meaning(K.LANE, "The number's certificate or registration is wrong."),
    133000: Meaning(K.LANE, "An earlier deregistration of the number did not finish."),
    133005: Meaning(K.LANE, "The number's PIN is wrong."),
    133006: Meaning(K.LANE, "The number must be verified again."),
    133008: Meaning(K.LANE, "The number's PIN was wrong too often."),
    133009: Meaning(K.LANE, "The number's PIN was entered too fast."),
    133010: Meaning(K.LANE, "The number is not registered."),
    133015: Meaning(K.LANE, "The number was deleted just now: five minutes must pass."),
    133016: Meaning(K.LANE, "The number was registered or deregistered too often."),
    # Rate limits: nothing was accepted.
    4: Meaning(K.THROTTLED, "The app has made too many calls."),
    17: Meaning(K.THROTTLED, "The user has made too many calls."),
    341: Meaning(K.THROTTLED, "The app has reached a limit of its calls."),
    613: Meaning(K.THROTTLED, "More calls were made than their limit allows."),
    80007: Meaning(K.THROTTLED, "The WhatsApp business account has made too many calls."),
    130429: Meaning(K.THROTTLED, "The number sends faster than it may."),
    131056: Meaning(K.PAIR, "Too many messages to this person in a short while."),
    # Faults at Meta. Only if the service was unavailable is it certain that nothing was accepted.
    2: Meaning(K.THROTTLED, "The service is down for a moment."),
    131016: Meaning(K.THROTTLED, "The service is not available for a moment."),
    133004: Meaning(K.THROTTLED, "The server is not available for a moment."),
    131057: Meaning(K.THROTTLED, "The account is in maintenance, such as an upgrade of its throughput.", 60),
    1: Meaning(K.UNKNOWN, "Meta does not know what went wrong."),
    131000: Meaning(K.UNKNOWN, "Meta does not know what went wrong."),
    # The person.
    131026: Meaning(K.RECIPIENT, "Not on WhatsApp, or with an old app, or without Meta's terms accepted."),
    131021: Meaning(K.RECIPIENT, "The recipient is the sender."),
    130403: Meaning(K.RECIPIENT, "You have blocked this person."),
    130472: Meaning(K.RECIPIENT, "Meta spares this person marketing for an experiment; it is not charged."),
    130497: Meaning(K.RECIPIENT, "The account may not message this country."),
    131062: Meaning(K.RECIPIENT, "This message cannot go to a user id."),
    137000: Meaning(K.RECIPIENT, "The person's identity has changed."),
    131049: Meaning(K.LATER, "This person has had enough marketing for now."),
    131050: Meaning(K.OPTED_OUT, "This person has stopped your marketing."),
    131047: Meaning(K.USE_TEMPLATE, "More than 24 hours have passed since the person wrote."),
    # The message.
    100: Meaning(K.MESSAGE, "A parameter is wrong or not known."),
    131008: Meaning(K.MESSAGE, "A parameter is missing."),
    131009: Meaning(K.MESSAGE, "The value of a parameter is wrong."),
    135000: Meaning(K.MESSAGE, "A parameter of the message is wrong."),
    131014: Meaning(K.MESSAGE, "The media file's URL does not work."),
    131051: Meaning(K.MESSAGE, "This type of message is not supported."),
    131052: Meaning(K.RECIPIENT, "A media file that a person sent could not be fetched."),
    131053: Meaning(K.PASSING, "The media file could not be fetched or used."),
    132005: Meaning(K.MESSAGE, "The template is too long with this person's values."),
    132008: Meaning(K.MESSAGE, "A value does not fit the template."),
    132012: Meaning(K.MESSAGE, "A value has the wrong format for the template."),
    132018: Meaning(K.MESSAGE, "A value breaks the rules for template parameters."),
    # The template itself.
    132000: Meaning(K.CAMPAIGN, "The template has another number of parameters."),
    132001: Meaning(K.CAMPAIGN, "The template does not exist in this language, or is not approved."),
    132007: Meaning(K.CAMPAIGN, "The template breaks a policy."),
    132015: Meaning(K.CAMPAIGN, "The template is paused for its low quality."),
    132016: Meaning(K.CAMPAIGN, "The template is disabled for good for its low quality."),
    132068: Meaning(K.CAMPAIGN, "The flow is blocked."),
    132069: Meaning(K.CAMPAIGN, "The flow is limited to ten messages an hour."),
    # On-Premises codes.
    470: Meaning(K.USE_TEMPLATE, "More than 24 hours have passed since the person wrote."),
    471: Meaning(K.LANE, "People block or report the number: Meta limits what it may send."),
    472: Meaning(K.RECIPIENT, "Meta spares this person marketing for an experiment; it is not charged."),
    1013: Meaning(K.RECIPIENT, "Not on WhatsApp."),
    1026: Meaning(K.RECIPIENT, "The person's app cannot receive this message."),
}


def kind_of(code: int | None) -> FailureKind | None:
    """What a code means for a send; None if it is unknown."""
    meaning = CODES.get(code) if code is not None else None
    return meaning.kind if meaning else None


def kind_of_reported(code: str) -> FailureKind | None:
    """The same for a code in a report."""
    return kind_of(int(code)) if code.isascii() and code.isdigit() else None


def note_of(code: int | None) -> str:
    """Our sentence about a code; empty if it is unknown."""
    meaning = CODES.get(code) if code is not None else None
    return meaning.note if meaning else ""


def refusal(code: int | None, text: str, status: int, retry_after: float | None = None) -> Refused:
    """The refusal in an error answer, by its code, else by its HTTP status."""
    meaning = CODES.get(code) if code is not None else None
    if meaning is not None and meaning.kind is K.MESSAGE and NO_MEDIA in text:
        return Refused(K.PASSING, str(code), text, retry_after)
    if meaning is None:
        return Refused(_by_status(status), str(code if code is not None else status), text, retry_after)
    wait = max(filter(None, (meaning.wait, retry_after)), default=None)
    return Refused(meaning.kind, str(code), text or meaning.note, wait)


def _by_status(status: int) -> FailureKind:
    if status == 429:
        return K.THROTTLED
    if status in (401, 403):
        return K.CAMPAIGN
    return K.MESSAGE if 400 <= status < 500 else K.UNKNOWN
