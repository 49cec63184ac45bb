"""Every query, as a named function, by subject; only this package imports SQLAlchemy. No rule is decided here."""

from __future__ import annotations

from storage.database import engine_only

engine_only.install()
