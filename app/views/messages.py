"""The words that reports and the reference use for why a message ended or waits."""

from __future__ import annotations

from typing import Final

ENDED: Final = {
    "refused": "The provider refused this recipient; its code and text say why.",
    "message_refused": "The provider refused the message as it is written; its code and text say why.",
    "provider_failed": "The provider took the message and said later that it failed; the code is its reason.",
    "retries_exhausted": "The provider never held the message, after as many calls as are made.",
    "not_rendered": "The message could not be made from the recipient's cells.",
    "opted_out": "The recipient has asked for no more messages of this kind.",
    "expired": "`expires_after` or `ends_at` passed before the message could be sent.",
    "run_cancelled": "The campaign was cancelled before the message's turn came.",
    "window_closed": "The person's 24-hour window is closed and the campaign has no template to send instead.",
    "no_consent": "The campaign asks for consent, and the row shows none, or one that is too old.",
    "holdout": "The person is in the group that gets nothing, to measure the campaign against.",
    "destination_blocked": "Messages of this kind may not be sent to this country.",
    "frequency_cap": "The person has had as many messages as a cap allows.",
    "already_arrived": "It was tried again, and the first message turned out to have arrived.",
    "too_late": "The run's time of day had passed where the person lives, by more than `catch_up`, at its launch.",
    "given_up": "It was in doubt, and a person gave it up.",
    "no_trusted_answer": "The call left and no answer came that can be trusted: it may have arrived.",
    "interrupted": "The runner was killed in the middle of the call: it may have arrived.",
}
"""Reason of a job that failed, was skipped, expired, was cancelled or is in doubt."""

WAITS: Final = {
    "pacing": "Its turn has not come: the pace allows no more now.",
    "run_state": "The campaign is paused.",
    "retry": "The last call did not leave, or the provider was too busy or could not fetch a medium; it is made again.",
    "alone": "The call that it shared with others was refused as a whole; it goes alone next.",
    "lane_paused": "The sender cannot send now; the reason stands beside it.",
    "campaign_paused": "The provider refused the account or the content; the campaign is paused.",
    "message_refused": "The message was refused as it is written, as are all so far; the campaign pauses after a few.",
    "pair_limit": "This person got too many messages in a short while; nobody else waits.",
    "spared_by_provider": "The provider spares this person for now: a day at least.",
    "variant": "The person is not in the test of the variants; it goes once the winner is named.",
    "window": "The person's 24-hour window is closed; it is sent when the person writes.",
    "frequency_cap": "The person has had as many messages as a cap allows; it goes when there is room.",
    "min_gap": "The person was written to a short while ago, and `contact_gap` has not passed.",
    "hours": "It is outside the allowed hours where the person lives.",
    "budget": "The day's or month's budget is used up; or the run's, or it has no price, and the run is paused.",
    "tier": "The account has reached as many people in 24 hours as its tier allows.",
    "ramp": "The campaign has sent as many on this sender today as its ramp allows.",
    "window_unknown": "The provider is being asked whether the person's 24-hour window is open.",
    "use_template": "The person's window is closed; it goes as a template next.",
    "own_time": "Its own time has not come: the row's `send_at`, or the run's time of day where the person lives.",
    "no_sender": "Its account or sender is not in drumbeat.toml; nothing sends it until it is.",
    "campaign_scheduled": "The campaign has not started; it starts at its time.",
    "campaign_draft": "The campaign is a draft without a time; `drumbeat campaign start` gives it one.",
    "approval": "The campaign is not launched before somebody approves it.",
}
"""What `held_by` of a pending job says."""

ASSUMES: Final = {
    "runner": "`drumbeat run` is at work then, and nobody pauses the campaign.",
    "no_news": "Nothing else is sent to the person first, and they neither write nor opt out.",
    "pace": "Those before it go at the pace named here, and no campaign of higher priority comes in between.",
    "shared_rate": "The account's other senders leave it its share of the account's rate.",
    "back_off": "The sender is well again when its pause ends.",
    "winner": "The winner of the variants is named when the test ends.",
    "room_for_all": "The limit has room for those before it as well once it has room again; else it is later.",
}
"""What an estimated send time of `why` takes for granted."""

FORMS: Final = {
    "no_windows": "the provider keeps no 24-hour windows",
    "only_form": "the campaign has no other form",
    "open": "the person's 24-hour window was known to be open until {until}",
    "closed": "the person's 24-hour window was closed at {until}",
    "unknown": "no open 24-hour window of the person was known",
    "refused": "the provider had refused the free form: the window is closed",
    "cheaper": "the person's 24-hour window was open until {until}, and the template was the cheaper form",
}
"""Why a message goes, or went, in its form."""
