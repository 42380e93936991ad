"""The console lets nobody in from elsewhere unasked."""

import pytest

from service.config import load
from service.console_process import demand_trust
from vocabulary.errors import ConfigError


@pytest.mark.parametrize("host", ["0.0.0.0", "10.1.2.3", "::"])
def test_beyond_loopback_it_must_be_asked_for(host: str) -> None:
    with pytest.raises(ConfigError, match="asks nobody who they are"):
        demand_trust(load(None, {}, {"host": host}).settings)
    demand_trust(load(None, {}, {"host": host, "allow_insecure": True}).settings)


def test_loopback_needs_no_leave() -> None:
    demand_trust(load(None, {}).settings)
