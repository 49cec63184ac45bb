"""The sample files, and the files of a new project."""
