"""The runner and its periodic duties: launching, missed runs, variant tests. Not the sending itself."""
