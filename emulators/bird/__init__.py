"""Bird: one WhatsApp channel of one workspace, under `/bird/workspaces/{id}/channels/{id}`.

Built from Bird's OpenAPI description of sending messages and its pages on statuses, failures and webhooks:

- a message is taken with 202 and fails later, if it fails: outside the 24-hour window free form ends in
  `sending_failed` with WhatsApp's code 131047; the window opens when a person writes (a control call);
- having read is no status but an event, `whatsapp.interaction`;
- errors are `{"code", "message", "details"}`; what the description does not allow is refused with 422.

Where it is silent: lists are `{"results", "nextPageToken"}`, newest first, `limit` at most 100.
"""

from __future__ import annotations

from emulators.bird.api import Bird

__all__ = ["Bird"]
