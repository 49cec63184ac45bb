"""The fourth step of a draft: from rows to messages, cost, time, warnings, and the button that sends."""
