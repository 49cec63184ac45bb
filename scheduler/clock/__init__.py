"""The runner and its duties: what happens at its time. Not the sending itself."""
