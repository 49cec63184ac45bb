"""What the engine asks of every provider, and the registry. One folder for each provider."""
