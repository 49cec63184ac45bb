"""The runner and its periodic duties: launching, missed runs, variant tests, the circuit breaker. Not the sending
itself."""
