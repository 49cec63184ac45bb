"""Strict fakes of the providers, served over HTTP on one port.

They share no code with the product, so that an adapter's bug cannot hide in its emulator.

- `emulators.serve.run` serves them (`python -m emulators` for a subprocess);
- `emulators.app.create_app` is the ASGI app alone;
- `emulators.outcomes` holds the magic numbers that choose what becomes of a message;
- `emulators.faults` lists the faults that can be injected, at start or through `POST /_faults`.
"""

from __future__ import annotations
