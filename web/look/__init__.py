"""How pages and reports look: the template environment, style sheet, font, icons and shared macros. No routes, no use cases."""
