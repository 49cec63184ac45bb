"""Webhooks as they arrived, and what providers report: statuses, inbound messages, user ids, notices."""
