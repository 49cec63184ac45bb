"""What a slice's transaction reads and writes: lanes, intents, outcomes, reservations, opt-outs, windows. Not
receipts."""
