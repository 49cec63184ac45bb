"""What reports, timelines, overviews and metrics read. Nothing here writes."""
