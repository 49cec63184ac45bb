"""What one would build instead of Drumbeat, each as its own documentation shows it, in few lines.

Each is called `PROGRAM fill URL SIZE` and then `PROGRAM work URL`: it puts so many messages into its queue at URL, and
sends them to $PEER_ADDRESS, 100 at a time, until it is stopped. All but Drumbeat's own import nothing of it.
"""
