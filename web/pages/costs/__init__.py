"""What things cost: budgets in use and rate cards."""
