"""The engine: the clock, the sending, the receipts, the estimates. No terminal, no web, no SQL."""
