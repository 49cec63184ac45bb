"""The clock, time zones, cron expressions, durations and rates, as values."""
