"""The interface between the engine and the providers, and the registry. One folder for each provider."""
