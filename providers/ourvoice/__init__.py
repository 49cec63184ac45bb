"""Our Voice, a session gateway: messages, lookup, sessions by QR code."""
