"""Campaigns as a whole: today, the list, one while it sends, its estimate, its next runs."""
