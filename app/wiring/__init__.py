"""Settings, open databases, logs, accounts: what use cases are given."""
