"""The messaging API of conversations and templates by key."""
