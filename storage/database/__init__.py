"""Engines, transactions, bulk writes and locks on both databases. No table of ours."""
