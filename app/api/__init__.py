"""The REST API: handlers that parse, execute and answer."""
