"""The commands: flags in, one use case, its answer shown."""
