"""Pure functions from a stack and its values to a project."""
