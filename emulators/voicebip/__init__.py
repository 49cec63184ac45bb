"""Voicebip: WhatsApp messages, templates and usage under `/voicebip/v1`, with signed webhooks.

Built from the provider's pages. Where they are silent:

- a taken message is answered 200 with the keys of the SMS answer, without its `segments`;
- `interactive` is Meta's object, of type `button` (replies only) or `list`;
- a closed window is refused 422 CONVERSATION_WINDOW_EXPIRED, a person who opted out 422 RECIPIENT_OPTED_OUT, and what
  is not documented for a request 400 INVALID_ARGUMENT;
- every event has the envelope of `message.received`: `number` is ours, `from` the person's.
"""

from __future__ import annotations

from emulators.voicebip.api import Voicebip

__all__ = ["Voicebip"]
