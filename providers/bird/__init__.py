"""Bird's channels API."""
