"""What a message is: the content of a campaign file and the text of one recipient. Not how a provider wants it."""
