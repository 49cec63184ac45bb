"""What people are notified of, and whether it was delivered."""
