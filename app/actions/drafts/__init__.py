"""Drafts, which are made in the browser: the campaign file, the list, media, loading and sending."""
