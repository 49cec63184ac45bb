"""One campaign: what happens now, its report, its variants, and what can be done to it."""
