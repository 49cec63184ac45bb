"""Runs: launched, paused, retried, ended; occurrences and variants. Not the sending itself."""
