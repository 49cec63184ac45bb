"""What is expected: estimates, durations, the worst case, when one message will go."""
