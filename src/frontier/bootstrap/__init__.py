"""Settings become adapters; the only place that chooses them."""

from frontier.bootstrap.services import Services

__all__ = ["Services"]
