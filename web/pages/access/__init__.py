"""Logging in and out, accepting an invitation, and one's own settings."""
