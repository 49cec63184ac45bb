"""The texts that reports and the reference use for why a message ended or waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from app.actions.testing import TestResult

ENDED: Final = {
    "refused": "The provider refused this recipient; see its code and text.",
    "message_refused": "The provider refused the message as it is written; see its code and text.",
    "provider_failed": "The provider accepted the message and later reported that it failed; the code is its reason.",
    "retries_exhausted": "The provider did not accept the message after the maximum number of calls.",
    "not_rendered": "The message could not be filled from the recipient's row.",
    "opted_out": "The recipient has asked for no more messages of this kind.",
    "expired": "`expires_after` or `ends_at` passed before the message could be sent.",
    "run_cancelled": "The campaign was cancelled before the message's turn came.",
    "window_closed": "The person's 24-hour window is closed and the campaign has no template to send instead.",
    "same_person": "The list has the person twice; they get the run's other message.",
    "no_consent": "The campaign requires consent, and the row has none, or one that is too old.",
    "holdout": "The person is in the holdout group, which gets nothing so that the campaign can be measured.",
    "destination_blocked": "Messages of this kind may not be sent to this country.",
    "frequency_cap": "The person has received as many messages as a cap allows.",
    "already_arrived": "It was retried, and then the first message turned out to have arrived.",
    "too_late": "At the launch, the run's time of day had passed in the person's zone by more than `catch_up`.",
    "no_run": "The campaign is over, and no run of it was for this person: each was missed or came before their row.",
    "given_up": "It was in doubt, and somebody gave it up.",
    "no_trusted_answer": "The call was sent and no reliable answer came: the message may have arrived.",
    "interrupted": "The runner was killed during the call: the message may have arrived.",
}
"""Reason of a job that failed, was skipped, expired, was cancelled or is in doubt."""

WAITS: Final = {
    "pacing": "It is not its turn yet: the pace allows no more now.",
    "run_state": "The campaign is paused.",
    "retry": "The call did not go out, or the provider was busy or could not fetch the file; it is tried again.",
    "alone": "The provider refused the call that it shared with other messages; it is sent alone next.",
    "lane_paused": "Its sender is paused; the reason beside the sender says why and what to do.",
    "campaign_paused": "The provider refused the account or the content, so the campaign is paused; see its reason.",
    "message_refused": "The provider refused the message as it is written, as all so far; soon the campaign is paused.",
    "pair_limit": "The person got several messages in a short time; it is sent a little later, others do not wait.",
    "spared_by_provider": "The provider limits messages to this person for now, for at least a day.",
    "variant": "The person is not in the variant test; it is sent once the winner is chosen.",
    "window": "The person's 24-hour window is closed; it is sent when the person writes.",
    "frequency_cap": "The person has received as many messages as a cap allows; it is sent when the cap allows more.",
    "min_gap": "The person got a message a short time ago, and `contact_gap` has not passed.",
    "hours": "It is outside the allowed hours in the person's time zone.",
    "budget": "The budget has no room for it, or it has no known price in the budget's currency.",
    "tier": "The account has reached as many people in 24 hours as its tier allows.",
    "ramp": "This sender has sent as many messages of the campaign today as the ramp allows.",
    "window_unknown": "The provider is being asked whether the person's 24-hour window is open.",
    "use_template": "The person's window is closed; it is sent as a template next.",
    "own_time": "Its own time has not come: the row's `send_at`, or the run's time of day in the person's time zone.",
    "no_sender": "Its account or sender is not in drumbeat.toml; it is not sent until you add it.",
    "campaign_scheduled": "The run has not started; it starts at its scheduled time.",
    "campaign_draft": "The campaign is a draft without a time; use `drumbeat campaign start`.",
    "template_mismatch": "Its template does not fit the campaign, or may not be sent now; it starts once it fits.",
    "approval": "The campaign needs an approval before it starts.",
}
"""What each `held_by` of a pending job means."""
FORESEEN: Final = {
    **WAITS,
    "budget": "No price of it is known in its budget's currency: import a rate card, or set the account's price.",
}
"""The same in an estimate, where only a missing price makes a budget hold a message."""

ASSUMES: Final = {
    "runner": "`drumbeat run` is running then, and the campaign is not paused.",
    "no_news": "Nothing else is sent to the person first, and they neither write nor opt out.",
    "pace": "The messages ahead are sent at the pace shown here, and no campaign of higher priority starts meanwhile.",
    "shared_rate": "The account's other senders use only their share of the account's rate.",
    "back_off": "The sender works again when its pause ends.",
    "winner": "The winning variant is chosen when the test ends.",
    "room_for_all": "Once the limit allows more, it allows enough for the messages ahead too; otherwise it is later.",
}
"""The assumptions behind an estimated send time in `why`."""

FORMS: Final = {
    "no_windows": "the provider has no 24-hour windows",
    "only_form": "the campaign has no other form",
    "open": "the person's 24-hour window was known to be open until {until}",
    "closed": "the person's 24-hour window was closed at {until}",
    "unknown": "no open 24-hour window of the person was known",
    "refused": "the provider had refused the free form: the window is closed",
    "cheaper": "the person's 24-hour window was open until {until}, and the template was the cheaper form",
}
"""Why a message is, or was, sent in its form."""

SOURCES: Final = {
    "shift": "by the runner",
    "poll": "reported by the provider",
    "lookup": "looked up",
    "webhook": "reported by the provider",
    "clock": "by the runner",
    "launch": "at the launch",
    "user": "by a person",
}
"""Where an event of a message comes from."""


def outcome_of_test(found: TestResult) -> str:
    """What became of a test to one number, in a sentence."""
    [message] = found.messages
    why = " ".join(filter(None, (message.code, message.detail)))
    why = why or WAITS.get(message.held_by or "") or ENDED.get(message.reason or "") or message.reason or ""
    if found.all_accepted:
        return f"Sent to {message.phone}, filled from line {found.run.line}."
    if found.waiting and not message.run_paused:
        later = "It is sent by the runner as soon as it can be, within an hour."
        return f"Not sent to {message.phone} yet. {why} {later}".replace("  ", " ")
    return f"Not sent to {message.phone}. {why}".strip()
