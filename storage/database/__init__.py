"""Both databases: engines, transactions, bulk writes, locks, versions, backups. Queries about campaigns are
elsewhere."""
