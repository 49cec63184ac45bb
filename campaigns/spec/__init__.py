"""The campaign file: its keys, their checks and their errors. Messages and recipient lists are in the packages beside
it."""
