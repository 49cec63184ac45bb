"""One lane's shift: slices, facts, reservations, pace. What decides is in campaigns/rules."""
