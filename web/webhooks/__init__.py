"""Providers' calls to us: verified, stored, answered. What they mean is taken up later."""
