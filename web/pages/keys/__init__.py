"""Keys of the API, for admins, and what the API can do."""
