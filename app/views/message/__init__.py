"""A message as its recipient sees it: previews, the bubble of the pages, sample recipients."""
