"""Webhooks as they arrived, and what providers report: statuses, inbound messages, notices."""
