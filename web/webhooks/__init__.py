"""Providers' calls to us: verified, stored, answered. They are processed later."""
