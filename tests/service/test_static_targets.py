"""Pages named in the configuration: who they are, how they are entered, what their URL may say."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from service.access import Access, Redirects
from service.assembly import reach_for
from service.config import load
from service.scrape_entries import static_targets
from service.settings import Settings
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


def loaded(folder: Path, **content: Any) -> Any:
    file = folder / "tidegauge.yaml"
    file.write_text(yaml.safe_dump(content))
    return load(file, {})


def test_an_entry_with_keys_of_its_own_stands_over_the_common_ones(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        scrape=[
            "https://plain:8000/metrics",
            {"url": "https://own:4000/metrics", "model": "qwen 3", "ca_file": "/own.pem"},
            {"url": "https://basic/metrics", "user": "me", "password_file": "/password"},
        ],
        scrape_token_file="/token",
        scrape_ca_file="/ca.pem",
        scrape_redirects="same-host",
    )
    reach = reach_for(config)
    common = Access(ca_file=Path("/ca.pem"), redirects=Redirects.SAME_HOST)
    token = Path("/token")
    assert reach.access_of("https://10.0.0.7:8000/metrics") == common, "no token for strangers"
    plain = reach.access_of("https://plain:8000/api/ps")
    assert (plain.bearer_token_file, plain.ca_file) == (token, Path("/ca.pem"))
    own = reach.access_of("https://own:4000/metrics")
    assert (own.bearer_token_file, own.ca_file) == (token, Path("/own.pem"))
    basic = reach.access_of("https://basic/metrics")
    assert (basic.bearer_token_file, basic.user) == (None, "me")
    targets = static_targets(config.settings)
    assert [dict(target.labels).get("model") for target in targets] == [None, "qwen 3", None]
    assert all(not target.headers for target in targets)
    shown = {value.key: value.value for value in config.values()}
    assert shown["scrape.https://own:4000/metrics"] == {"ca_file": "/own.pem"}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"model": "x"}, "no url"),
        ({"url": "http://a/", "bearer_token": "secret"}, "unknown key `bearer_token`"),
        ({"url": "http://a/", "insecure": "perhaps"}, "true or false"),
        ({"url": "http://a/", "redirects": "always"}, "never or same-host"),
        ({"url": "http://a/", "bearer_token_file": "/a", "password_file": "/b"}, "not both"),
        ({"url": "a/metrics"}, "no URL"),
    ],
)
def test_an_entry_that_cannot_be_is_refused_by_name(
    tmp_path: Path, entry: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        loaded(tmp_path, scrape=[entry])


def test_two_ways_into_one_port_are_refused(tmp_path: Path) -> None:
    pages = [{"url": "https://a/1", "bearer_token_file": "/x"}, "https://a:443/2"]
    with pytest.raises(ConfigError, match="entered differently"):
        reach_for(loaded(tmp_path, scrape=pages))


def test_a_word_for_redirects_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="scrape_redirects"):
        loaded(tmp_path, scrape_redirects="yes")
