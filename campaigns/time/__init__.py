"""The current time, time zones, cron expressions, durations and rates. Schedules are in `spec`."""
