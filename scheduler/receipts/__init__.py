"""Process what providers report: webhooks, polls, look-ups of messages in doubt, windows."""
