"""Phone numbers: parsing, their one spelling, countries, time zones; and the STOP words by which people opt out."""
