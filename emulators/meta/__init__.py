"""Meta's Cloud API, under `/meta/v24.0` (any version of that form).

Built from Meta's documentation as of late 2025. The message object is read by the strict reader of
`emulators.cloud_api`, because Kapso passes Meta's body on unchanged. Where the documentation leaves a choice:

- what is refused for the recipient's sake (window closed, marketing stopped, not to be reached) is refused in the
  answer; after the control call `late` it is taken and then reported as failed, as Meta often does;
- a person who wrote in the last 24 hours has an open window; a call is not emulated;
- more than 45 messages to one person at once, or then more than one in 6 seconds, are refused with 131056.
"""

from __future__ import annotations

from emulators.meta.api import Meta

__all__ = ["Meta"]
