"""The runner and its periodic duties. Not the sending itself."""
