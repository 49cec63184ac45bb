"""Messages: the [content] of a campaign file, and the message rendered for one recipient. Provider formats are
elsewhere."""
