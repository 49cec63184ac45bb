"""What a person does to a campaign: approve, pause, resume, change its budget, test, clone, retry, purge."""
