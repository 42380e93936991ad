"""Pages named in the configuration: who they are, and what their URL may say about them."""

import pytest

from service.assembly import static_targets
from service.config import Settings
from vocabulary.errors import ConfigError


def test_a_static_target_is_named_by_its_address() -> None:
    (target,) = static_targets(Settings(scrape=("http://127.0.0.1:8000/metrics",), cluster="lab"))
    assert target.url == "http://127.0.0.1:8000/metrics"
    assert dict(target.labels) == {"cluster": "lab", "replica": "static/127.0.0.1:8000"}


def test_the_fragment_names_what_the_page_does_not_and_is_not_part_of_the_address() -> None:
    entry = "http://127.0.0.1:8080/metrics#model=qwen%203&pool=chat"
    (target,) = static_targets(Settings(scrape=(entry,)))
    assert target.url == "http://127.0.0.1:8080/metrics"
    assert dict(target.labels)["model"] == "qwen 3"
    assert dict(target.labels)["pool"] == "chat"


@pytest.mark.parametrize("fragment", ["chat", "replica=mine", "model"])
def test_a_fragment_that_says_something_else_is_refused(fragment: str) -> None:
    with pytest.raises(ConfigError, match="after # write NAME=VALUE"):
        static_targets(Settings(scrape=(f"http://127.0.0.1:8080/metrics#{fragment}",)))
