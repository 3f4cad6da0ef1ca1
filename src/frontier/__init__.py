"""Frontier: local LLM inference as a real service, from one command."""

__version__ = "0.1.0"
