"""The `scrape` list of the configuration: which pages are read, and how each is entered.

An entry is a URL, or a mapping with `url` and what that page needs:

    scrape:
      - http://127.0.0.1:8000/metrics
      - url: https://gateway.example:4000/metrics
        model: qwen3
        bearer_token_file: /etc/tidegauge/gateway-token
        ca_file: /etc/tidegauge/ca.pem
"""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from service.access import Access, Redirects
from service.reach import origin
from vocabulary.contracts import Target
from vocabulary.errors import ConfigError
from vocabulary.samples import labels_of

if TYPE_CHECKING:
    from service.settings import Settings

NAMEABLE = ("model", "pool", "namespace", "node", "engine")
"""What a page may be told about: in its URL's fragment, or beside its URL."""
_ACCESS = {item.name: item for item in dataclasses.fields(Access)}


def split(entries: Any, origin_of_value: str) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """The pages as `URL#model=NAME`, and by URL how those that say so are entered.

    Raises:
        ConfigError: An entry is neither a URL nor such a mapping; it is named.
    """
    if isinstance(entries, str):
        entries = [part.strip() for part in entries.split(",") if part.strip()]
    if not isinstance(entries, list | tuple):
        raise ConfigError(f"{origin_of_value}: scrape must be a list of pages")
    pages: list[str] = []
    own: dict[str, dict[str, Any]] = {}
    for entry in entries:
        if not isinstance(entry, Mapping):
            pages.append(str(entry).strip())
            continue
        rest = {str(key): value for key, value in entry.items()}
        url = rest.pop("url", None)
        if not isinstance(url, str) or not url:
            raise ConfigError(f"{origin_of_value}: an entry of scrape has no url")
        told = {name: str(rest.pop(name)) for name in NAMEABLE if name in rest}
        pages.append(url + (f"#{urlencode(told)}" if told else ""))
        if rest:
            access_of(Access(), rest, f"{origin_of_value}: scrape {url}")
            own[url] = rest
    return pages, own


def access_of(base: Access, fields: Mapping[str, Any], where: str) -> Access:
    """*base* with what *fields* say instead.

    Raises:
        ConfigError: A field does not exist, or cannot be that.
    """
    given: dict[str, Any] = {}
    for name, value in fields.items():
        if name not in _ACCESS:
            known = ", ".join(("url", *NAMEABLE, *_ACCESS))
            raise ConfigError(f"{where}: unknown key `{name}`; known: {known}")
        given[name] = _as_field(name, value, where)
    if given.get("bearer_token_file") and given.get("password_file"):
        raise ConfigError(f"{where}: give bearer_token_file or password_file, not both")
    if given.get("password_file"):
        given["bearer_token_file"] = None
    return dataclasses.replace(base, **given)


def _as_field(name: str, value: Any, where: str) -> Any:
    if name.endswith("_file"):
        return Path(str(value)).expanduser() if value else None
    if name == "insecure":
        if not isinstance(value, bool):
            raise ConfigError(f"{where}: insecure must be true or false, and is {value!r}")
        return value
    if name == "redirects":
        return redirects_of(value, where)
    return str(value)


def redirects_of(value: Any, where: str) -> Redirects:
    """What to do with redirects, in the word of the configuration.

    Raises:
        ConfigError: There is no such word.
    """
    try:
        return Redirects(value)
    except ValueError:
        raise ConfigError(f"{where}: redirects must be never or same-host, and is {value!r}") from (
            None
        )


def trust(settings: "Settings") -> Access:
    """How to enter pages found by themselves. A token is not among it: a pod may be anybody's."""
    return Access(
        ca_file=settings.scrape_ca_file,
        cert_file=settings.scrape_cert_file,
        key_file=settings.scrape_key_file,
        insecure=settings.scrape_insecure,
        redirects=redirects_of(settings.scrape_redirects, "scrape_redirects"),
    )


def accesses(settings: "Settings", own: Mapping[str, Mapping[str, Any]]) -> dict[str, Access]:
    """How to enter each page of `scrape`, by scheme, host and port; *own* as `split` gives it.

    Raises:
        ConfigError: Two pages of one host and port want different ways in.
    """
    base = dataclasses.replace(trust(settings), bearer_token_file=settings.scrape_token_file)
    found: dict[str, Access] = {}
    for page in settings.scrape:
        url = page.partition("#")[0]
        wanted = access_of(base, own.get(url, {}), f"scrape {url}")
        if found.setdefault(origin(url), wanted) != wanted:
            raise ConfigError(
                f"scrape {url}: another page of the same host and port is entered differently; "
                "give both the same keys"
            )
    return found


def static_targets(settings: "Settings") -> list[Target]:
    """The pages named in the configuration, each with an identity of its own.

    What a page does not say about itself its URL's fragment may: llama-server's page names no
    model, and `http://127.0.0.1:8080/metrics#model=qwen3&pool=chat` does. It is never sent.

    Raises:
        ConfigError: A fragment says something else.
    """
    return page_targets(settings.scrape, settings.cluster)


def page_targets(pages: Iterable[str], cluster: str) -> list[Target]:
    """The targets that *pages* (`URL#model=NAME`) name.

    Raises:
        ConfigError: A fragment says something else.
    """
    targets = []
    for entry in pages:
        url, _, fragment = entry.partition("#")
        told = dict(parse_qsl(fragment))
        if told.keys() - set(NAMEABLE) or (fragment and not told):
            raise ConfigError(f"{entry}: after # write NAME=VALUE, with {', '.join(NAMEABLE)}")
        own = {"cluster": cluster, "replica": f"static/{_authority(url)}"}
        targets.append(Target(url, labels_of({**own, **told})))
    return targets


def _authority(url: str) -> str:
    return url.split("://", 1)[-1].split("/", 1)[0]
