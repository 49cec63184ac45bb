"""What a slice's transaction reads and writes: lanes, intents, outcomes, and all that is reserved."""
