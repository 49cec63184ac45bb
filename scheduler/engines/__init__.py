"""Who executes a lane's shifts: this process, or workers on any machine."""
