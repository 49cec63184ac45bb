"""Today: what needs somebody, what is running, what comes next."""
