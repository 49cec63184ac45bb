"""What providers report, taken up: webhooks, polls, look-ups of messages in doubt, windows."""
