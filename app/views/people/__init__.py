"""Who: people by any filter, one person's story, contacts, messages in doubt."""
