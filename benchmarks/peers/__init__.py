"""The same messages through Drumbeat and through what one would build instead; `make bench-peers`."""
