"""The use cases, whoever calls them, and the wiring. Nothing here prints or knows a terminal."""
