"""The Messaging API: conversations, and templates by key."""
