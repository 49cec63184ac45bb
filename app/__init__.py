"""The use cases of every caller, and the wiring. Nothing here prints or knows a terminal."""
