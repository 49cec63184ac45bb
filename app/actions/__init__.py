"""Use cases that change something: one for each act."""
