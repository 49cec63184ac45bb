"""Our Voice: WhatsApp through sessions that were connected by scanning a QR code.

Built from the provider's document: sessions and messages under `/ourvoice/v1/whatsapp`. Where it is silent:

- lists and single objects come as `{"success": true, "data": …}`; `page` goes beside `limit` (at most 1000);
- newest first; ranges of time include both ends and are about `created_at`;
- errors have Laravel's shape; what is not documented for a request is refused with 422.
"""

from __future__ import annotations

from emulators.ourvoice.api import OurVoice

__all__ = ["OurVoice"]
