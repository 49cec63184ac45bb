"""What a person does to a campaign: approve, pause, resume, test, clone, retry, purge."""
