"""Samples and the files to start from."""
