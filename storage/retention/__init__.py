"""Deletes old data and the data of erased people, and keeps the totals."""
