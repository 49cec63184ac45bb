"""What is deleted when it is long over, and the totals that stay in its place."""
