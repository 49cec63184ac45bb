"""The message templates of the accounts."""
