"""What use cases need: settings, open databases, secrets, logs, checks of the setup and of output files."""
