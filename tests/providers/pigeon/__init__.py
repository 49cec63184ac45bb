"""A provider that there is not: all that "How to add a provider" asks for, and nothing else."""
