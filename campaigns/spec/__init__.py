"""The campaign file: its keys, their checks and their errors. Messages and lists live in the rooms beside it."""
