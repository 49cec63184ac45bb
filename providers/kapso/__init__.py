"""Kapso: the current API in Meta's format and the legacy API with conversations."""
