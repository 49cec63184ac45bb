"""Phone numbers: parsing, countries, time zones; and the stop words by which people opt out."""
