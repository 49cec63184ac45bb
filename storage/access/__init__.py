"""Users of the pages, their sessions, failed log-ins, and the audit of who did what."""
