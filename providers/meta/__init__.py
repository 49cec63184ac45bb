"""Meta's Cloud API, and its formats, codes and prices, which providers in front of Meta share."""
