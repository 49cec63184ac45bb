"""Every query, as a named function, by subject; the only home of SQLAlchemy. No rule is decided here."""
