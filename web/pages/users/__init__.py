"""Users and their roles, for admins."""
