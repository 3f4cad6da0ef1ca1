"""Entry point: the terminal. Parse, call one use-case, show its result."""
