"""Amounts, prices by country and category, and the files of rate cards. Budgets are rules."""
