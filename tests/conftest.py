"""Fixtures that several test files share."""

from __future__ import annotations

from collections.abc import Generator

import pytest
import pytest_timeout
from hypothesis import settings

pytest_plugins = ["tests.engine", "tests.receiver", "tests.registry", "tests.server"]

settings.register_profile("jobledger", deadline=None)  # how long an example takes is the machine's affair
settings.load_profile("jobledger")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Let the tidying up have an end as well: after a failure pytest-timeout would not look after it any more."""
    item.config.hook.pytest_timeout_set_timer(item=item, settings=pytest_timeout._get_item_settings(item))
    yield
