"""Forecasts: estimates, durations, the worst case, and when one message will be sent. Writes nothing."""
