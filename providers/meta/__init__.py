"""Meta's Cloud API, and its shapes, codes and prices, which providers in front of Meta share."""
