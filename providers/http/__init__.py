"""All HTTP calls to providers, and whether a request may have been sent. Knows no particular provider."""
