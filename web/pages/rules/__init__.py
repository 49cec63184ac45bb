"""The third step of a draft: when, how fast, to whom at most, at what cost, and what stops it."""
