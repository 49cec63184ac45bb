"""The sending rules: every rule is one pure function of `Facts`, and `decide.decide` applies them in order."""
