"""The one place that calls over HTTP, and the answer to "did it leave?". No provider's name."""
