"""Runs and what they are made from: occurrences, editions of the list, variants, retries, tests. Not the sending
itself."""
