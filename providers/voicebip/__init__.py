"""Voicebip's agents API."""
