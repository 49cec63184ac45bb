"""What Cloud API answers to a send: every documented code, and what each means."""

from __future__ import annotations

from typing import Any

from campaigns.outcomes import Accepted, FailureKind, Refused
from campaigns.states import JobState
from tests.providers.contract import Reads

K = FailureKind
TO = ("+16505551234",)
WAMID = "wamid.HBgLMTY1MDU1NTEyMzQVAgARGBI5QTNDQTVCM0Q0Q0Q2RTY3RTcA"

DOCUMENTED = {
    K.CAMPAIGN: [
        *(0, 104, 190, 3, 10, 200, 299, 131005, 368, 131031, 131042, 131044, 131061, 131063, 131064, 134011),
        *(131055, 134100, 134101, 134102),
        *(132000, 132001, 132007, 132015, 132016, 132068, 132069),
    ],
    K.LANE: [33, 471, 131037, 131048, 131045, 133000, 133005, 133006, 133008, 133009, 133010, 133015, 133016],
    K.THROTTLED: [4, 17, 341, 613, 80007, 130429, 2, 131016, 131057, 133004],
    K.PAIR: [131056],
    K.PASSING: [131053],
    K.UNKNOWN: [1, 131000],
    K.LATER: [131049],
    K.OPTED_OUT: [131050],
    K.USE_TEMPLATE: [131047, 470],
    K.MESSAGE: [100, 131008, 131009, 131014, 131051, 135000, 132005, 132008, 132012, 132018],
    K.RECIPIENT: [
        *(131052, 131021, 131026, 131062, 130403, 130472, 130497, 137000, 472, 1013, 1026),
    ],
}


CAMPAIGNS_FAULT = [132000, 132001, 132005, 132007, 132012, 132018, 131008, 131009, 135000]
"""Codes for which the message or its template is at fault, and hardly ever the person."""

WAITS = {131057: 60.0}
"""Seconds that Meta's page on error codes asks to wait."""


def error(code: int) -> dict[str, Any]:
    return {
        "error": {
            "message": f"(#{code}) Something",
            "type": "OAuthException",
            "code": code,
            "error_data": {"messaging_product": "whatsapp", "details": "What it was"},
            "fbtrace_id": "Az8or2yhqkZfEZ-_4Qn_Bam",
        }
    }


def took(**message: str) -> dict[str, Any]:
    return {
        "messaging_product": "whatsapp",
        "contacts": [{"input": "+16505551234", "wa_id": "16505551234"}],
        "messages": [{"id": WAMID, **message}],
    }


READS = [
    Reads("accepted", 200, took(), [Accepted(WAMID)], TO),
    Reads(
        "the person is known by another number",
        200,
        took() | {"contacts": [{"input": "+34612345678", "wa_id": "34700000001"}]},
        [Accepted(WAMID, number="+34700000001")],
        TO,
    ),
    Reads(
        "another spelling of the same number, and the user id",
        200,
        took() | {"contacts": [{"input": "+5531988887777", "wa_id": "553188887777", "user_id": "BR.77"}]},
        [Accepted(WAMID, user_id="BR.77")],
        TO,
    ),
    Reads(
        "sent to a user id: no number",
        200,
        took() | {"contacts": [{"input": "BR.77", "wa_id": "", "user_id": "BR.77"}]},
        [Accepted(WAMID, user_id="BR.77")],
        TO,
    ),
    Reads("accepted template", 200, took(message_status="accepted"), [Accepted(WAMID)], TO),
    Reads(
        "held for quality assessment",
        200,
        took(message_status="held_for_quality_assessment"),
        [Accepted(WAMID, JobState.HELD)],
        TO,
    ),
    Reads(
        "no id",
        200,
        {"messages": []},
        [Refused(K.UNKNOWN, "unreadable", "The answer has no message id.")],
        TO,
    ),
    *(
        Reads(
            f"error {code}",
            400,
            error(code),
            [Refused(kind, str(code), f"(#{code}) Something: What it was", WAITS.get(code))],
            TO,
        )
        for kind, codes in DOCUMENTED.items()
        for code in codes
    ),
    Reads(
        "a number that does not exist",
        400,
        {
            "error": {
                "message": "Unsupported post request. Object with ID '1' does not exist",
                "type": "GraphMethodException",
                "code": 100,
                "error_subcode": 33,
                "fbtrace_id": "A1",
            }
        },
        [Refused(K.LANE, "33", "Unsupported post request. Object with ID '1' does not exist")],
        TO,
    ),
    Reads(
        "a code without a text",
        400,
        {"error": {"code": 470}},
        [Refused(K.USE_TEMPLATE, "470", "More than 24 hours have passed since the person wrote.")],
        TO,
    ),
    Reads(
        "a server error without a code of Meta's",
        502,
        {"error": {"message": "Bad gateway"}},
        [Refused(K.UNKNOWN, "502", "Bad gateway")],
        TO,
    ),
    Reads(
        "the token has expired",
        401,
        error(190),
        [Refused(K.CAMPAIGN, "190", "(#190) Something: What it was")],
        TO,
    ),
    Reads(
        "too fast, and how long to wait",
        429,
        error(80007),
        [Refused(K.THROTTLED, "80007", "(#80007) Something: What it was", 30.0)],
        TO,
        {"retry-after": "30"},
    ),
    Reads(
        "a code that nobody knows",
        400,
        error(999999),
        [Refused(K.MESSAGE, "999999", "(#999999) Something: What it was")],
        TO,
    ),
]
