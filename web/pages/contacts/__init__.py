"""People across campaigns: search, one person with all that is known, opt-outs, export and erasure of their data."""
