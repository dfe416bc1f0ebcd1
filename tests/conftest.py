"""Fixtures that several test files share."""

pytest_plugins = ["tests.engine", "tests.receiver", "tests.registry", "tests.server"]
