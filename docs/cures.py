"""What to do about each reason for which a message ended or waits, and each kind of failure: for the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from campaigns.outcomes import FailureKind

K = FailureKind

NOTHING: Final = "Nothing: it goes on by itself."
RETRY: Final = "`drumbeat campaign retry-failed NAME`"

ENDED: Final[Mapping[str, str]] = {
    "refused": "Look the code up [below](#codes-of-meta) or at the provider. Mostly the number is to be corrected.",
    "message_refused": f"Correct what the provider names: the template, a parameter, a medium. Then {RETRY}.",
    "provider_failed": (
        "Look the code up [below](#codes-of-meta) or at the provider. `Number is not on WhatsApp`: correct the number. "
        f"`Message expired`: the phone was off; {RETRY}."
    ),
    "retries_exhausted": f"Once the provider works again: {RETRY}.",
    "not_rendered": "Correct the row, and load it again.",
    "opted_out": "Nothing. If the person asks for messages again: `drumbeat contacts optin PHONE`.",
    "expired": f"Allow more time with `expires_after`. To send it all the same: {RETRY} with `--expired`.",
    "run_cancelled": "`drumbeat campaign clone` makes a new campaign; load it with those who were not reached.",
    "window_closed": 'Add a template, or `closed_window = "wait"`, so that it waits until the person writes.',
    "no_consent": "Ask for it, and give its time in `consent_at`. `max_age` in `[consent]` says how old it may be.",
    "holdout": "Nothing: it is what `[holdout]` asks for.",
    "same_person": "Nothing: the person has the run's other message.",
    "destination_blocked": "Send the person a message of another category, or by another channel.",
    "frequency_cap": 'Send less, allow more in `[[caps]]`, or let it wait: `on_cap = "wait"`.',
    "already_arrived": "Nothing: the person has it.",
    "too_late": "Start earlier, or allow a longer `catch_up`.",
    "no_run": "`drumbeat campaign next` lists missed runs; `drumbeat campaign clone` makes a new campaign of it.",
    "given_up": f"If it has not arrived after all: {RETRY} with `--given-up`.",
    "no_trusted_answer": "[Settle messages in doubt](../how-to/settle-doubts.md).",
    "interrupted": "[Settle messages in doubt](../how-to/settle-doubts.md).",
}

WAITS: Final[Mapping[str, str]] = {
    "pacing": "Nothing. If it is too slow: raise `rate`, or add senders.",
    "run_state": "`drumbeat campaign resume NAME`, once its reason is gone.",
    "retry": NOTHING,
    "alone": NOTHING,
    "lane_paused": "Do what its reason asks for, such as connecting the phone; then `drumbeat campaign resume NAME`.",
    "campaign_paused": "Correct the account or the message; then `drumbeat campaign resume NAME`.",
    "message_refused": "Correct the message if the campaign pauses.",
    "pair_limit": NOTHING,
    "spared_by_provider": NOTHING,
    "variant": "Nothing; or `drumbeat campaign winner NAME`.",
    "window": "Nothing; or add a template.",
    "frequency_cap": "Nothing; or allow more in `[[caps]]`.",
    "min_gap": NOTHING,
    "hours": "Nothing; or change `[hours]`.",
    "budget": "`drumbeat campaign budget NAME`; without a price, set `rates` or `price` of the account.",
    "tier": "Nothing: Meta raises a tier with use and quality. Spread the campaign over days, or over accounts.",
    "ramp": "Nothing; or allow more in `ramp`.",
    "window_unknown": NOTHING,
    "use_template": NOTHING,
    "own_time": NOTHING,
    "no_sender": "Add the account or sender to `drumbeat.toml`, and start the runner again.",
    "campaign_scheduled": "Nothing; or `drumbeat campaign start NAME --now`.",
    "campaign_draft": "`drumbeat campaign start NAME`",
    "template_mismatch": "Correct the campaign, or wait for the provider: `drumbeat template list ACCOUNT`.",
    "approval": "`drumbeat campaign approve NAME`",
}

FAILURES: Final[Mapping[FailureKind, str]] = {
    **dict.fromkeys((K.NOT_SENT, K.THROTTLED, K.PASSING, K.SPLIT, K.PAIR, K.LATER, K.USE_TEMPLATE), NOTHING),
    K.UNKNOWN: "[Settle messages in doubt](../how-to/settle-doubts.md), if Drumbeat cannot by itself.",
    K.OPTED_OUT: "Nothing: the person gets no more marketing.",
    K.RECIPIENT: "Correct the number if it is wrong; otherwise reach the person in another way.",
    K.MESSAGE: f"Correct the cell or the message; then {RETRY}.",
    K.LANE: "Correct it in the provider's account; then `drumbeat campaign resume NAME`.",
    K.CAMPAIGN: "Correct it in the provider's account or the campaign file; then `drumbeat campaign resume NAME`.",
}
