"""Kapso: the current API in Meta's shape and the legacy one of conversations."""
