"""Amounts, prices by market and category, and rate card files. Budgets are in `rules`."""
