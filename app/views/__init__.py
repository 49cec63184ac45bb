"""Use cases that show something, as values: campaigns, people, drafts, reports, what operators look at."""
