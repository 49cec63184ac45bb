"""Drafts: a new campaign, its list, and its campaign file as text; the frame of the four steps."""
