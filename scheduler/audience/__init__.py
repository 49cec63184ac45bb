"""A list on its way into the database, and whether its messages can be sent."""
