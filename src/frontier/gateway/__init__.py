"""Entry point: HTTP. One process, two planes: the hot path in ``wire``, the rest ASGI."""
