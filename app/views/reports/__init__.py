"""Reports as values and as files: delivery, cost, failures, funnel, comparison, summary."""
