"""Campaigns as stored, their lists and people, approvals and rate cards: what is there before a run."""
