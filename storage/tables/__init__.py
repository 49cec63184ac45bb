"""Every table, one file for each subject. No queries."""
