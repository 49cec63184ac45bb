"""Senders and the processes that send; webhooks; sessions of a gateway by QR code."""
