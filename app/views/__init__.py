"""Use cases that show something: reports, timelines, overviews, as values."""
