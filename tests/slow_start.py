"""A plugin that waits after the collection: ``make test ARGS="-p tests.slow_start"``.

A test that takes a time at import fails then: the time is no longer the one that the test means.
"""

import time

SECONDS = 70


def pytest_collection_finish(session):
    time.sleep(SECONDS)
