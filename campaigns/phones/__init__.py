"""Phone numbers: reading, countries, time zones; and the words by which people opt out."""
