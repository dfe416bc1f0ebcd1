"""Fixtures that several test files share."""

pytest_plugins = ["tests.engine", "tests.registry", "tests.server"]
