"""The second step of a draft: sender, message, template, variants, and the bubble beside them."""
