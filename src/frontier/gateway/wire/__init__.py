"""The hot path: server and upstream protocols on httptools, relay, connection pool."""
