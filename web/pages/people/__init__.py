"""The people of a campaign, one person of it, and its messages in doubt."""
