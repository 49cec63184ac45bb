"""What the steps of a draft show: its list, message, rules and review; and `campaign check`."""
