"""What every test gets: a demo, and a client that speaks to it."""

import pytest

from demo import BINARY, Demo


def pytest_sessionstart():
    if not BINARY.is_file():
        pytest.exit(f"{BINARY} is missing: run `make test-clients`, or name another one in CODEX_POOLER_BIN", 2)


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """A demo that all tests share. Nothing may go wrong in it: accounts are remembered as bad."""
    demo = Demo(tmp_path_factory.mktemp("demo")).start()
    yield demo
    demo.stop()


@pytest.fixture
def own_demo(tmp_path):
    """A demo for one test, which may break it."""
    demo = Demo(tmp_path).start()
    yield demo
    demo.stop()


@pytest.fixture(scope="session")
def client(demo):
    return demo.client(max_retries=0)


@pytest.fixture
def own_client(own_demo):
    """Speaks to `own_demo`, and shows the first answer that it gets."""
    return own_demo.client(max_retries=0)
