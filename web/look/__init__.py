"""How pages and reports look: template environment, style sheet, font, icons, shared macros. No routes."""
