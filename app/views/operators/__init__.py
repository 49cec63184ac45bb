"""What operators look at: senders, limits, balances, prices, templates, processes, notifications, audit."""
