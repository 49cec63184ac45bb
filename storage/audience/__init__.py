"""Campaigns as stored, their lists and recipients, approvals and rate cards, and people across campaigns. Not the
runs."""
