"""Every query, as a named function, by subject; only this package imports SQLAlchemy. No rule is decided here."""
