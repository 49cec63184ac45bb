"""Metrics, lag and health, for monitoring systems."""
