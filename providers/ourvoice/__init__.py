"""Our Voice, a session gateway: messages, look-up, sessions by QR code."""
