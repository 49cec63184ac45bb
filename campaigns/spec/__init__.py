"""The campaign file: its keys, their checks and their errors. What a list or a message is lives in the rooms beside it."""
