"""Meta's refusals: the body, and the status and title of each code that the emulator gives by itself or on demand."""

from __future__ import annotations

from typing import Any

from emulators.cloud_values import MetaRefusal

TITLES: dict[int, tuple[int, str]] = {
    0: (401, "AuthException"),
    190: (401, "Invalid OAuth access token - Cannot parse access token"),
    3: (500, "Capability or permissions issue"),
    10: (403, "Permission denied"),
    200: (403, "API Permission"),
    368: (403, "Temporarily blocked for policies violations"),
    4: (400, "API Too Many Calls"),
    17: (400, "User request limit reached"),
    104: (401, "Access token is required"),
    341: (400, "Application limit reached"),
    613: (400, "Calls to this API have exceeded the rate limit"),
    80007: (400, "Rate limit issues"),
    130429: (400, "Rate limit hit"),
    131048: (400, "Spam rate limit hit"),
    131056: (400, "(Business Account, Consumer Account) pair rate limit hit"),
    131031: (403, "Account has been locked"),
    130497: (403, "Business account is restricted from messaging users in this country"),
    1: (400, "API Unknown"),
    2: (503, "API Service"),
    33: (400, "Parameter value is not valid"),
    100: (400, "Invalid parameter"),
    130472: (400, "User's number is part of an experiment"),
    131000: (500, "Something went wrong"),
    131005: (403, "Access denied"),
    131008: (400, "Required parameter is missing"),
    131009: (400, "Parameter value is not valid"),
    131016: (500, "Service unavailable"),
    131021: (400, "Recipient cannot be sender"),
    131026: (400, "Message undeliverable"),
    131062: (400, "Business-scoped User ID recipients are not supported for this message."),
    131037: (400, "Display name approval is required"),
    131042: (400, "Business eligibility payment issue"),
    131045: (500, "Incorrect certificate"),
    131047: (400, "Re-engagement message"),
    131049: (400, "This message was not delivered to maintain healthy ecosystem engagement."),
    131050: (400, "User has stopped marketing messages"),
    131051: (400, "Unsupported message type"),
    131053: (400, "Media upload error"),
    131057: (500, "Account in maintenance mode"),
    134100: (400, "Only marketing messages supported"),
    132000: (400, "Template param count mismatch"),
    132001: (404, "Template does not exist"),
    132005: (400, "Template hydrated text too long"),
    132007: (400, "Template format character policy violated"),
    132012: (400, "Template parameter format mismatch"),
    132015: (400, "Template is paused"),
    132016: (400, "Template is disabled"),
    132018: (400, "There's an issue with the parameters in your template"),
    133010: (400, "Phone number not registered"),
}


def refused(code: int, details: str = "") -> MetaRefusal:
    """The refusal of that code, with its documented title and status."""
    status, title = TITLES[code]
    return MetaRefusal(code, title, details, status)


def error_object(code: int, details: str = "") -> dict[str, Any]:
    """The error as a webhook shows it."""
    title = TITLES[code][1]
    shown: dict[str, Any] = {"code": code, "title": title, "message": title}
    if details:
        shown["error_data"] = {"details": details}
    return {**shown, "href": "/documentation/business-messaging/whatsapp/support/error-codes"}
