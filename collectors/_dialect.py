"""The collectors' tables as a dialect: how a Prometheus that scrapes the servers itself is asked.

A table can say less to a backend than to a page. Left out are values that hide in labels (KV
capacity, adapters), the sum of two names (llama.cpp's cached prompt tokens), tenants other than
LiteLLM's team aliases, and names that any process may bear (`process_start_time_seconds`): on a
page they are the engine's, in a backend they are everybody's.
"""

from collections.abc import Iterable, Iterator, Mapping

from collectors._reading import PageCollector
from collectors._words import Word
from store.dialect import Dialect, Spelling
from vocabulary.metrics import Kind


def dialect(collectors: Mapping[str, PageCollector]) -> Dialect:
    """Each of our series names with every upstream spelling of it.

    The replica is `instance`, as Prometheus calls the target that it scraped.
    """
    found: dict[str, list[Spelling]] = {}
    for collector in collectors.values():
        for word in _plain(collector.words()):
            for name, spelling in _spelled(word, collector):
                found.setdefault(name, []).append(spelling)
    return {name: tuple(spellings) for name, spellings in found.items()}


def _plain(words: Iterable[Word]) -> Iterator[Word]:
    for word in words:
        if word.raw:
            yield from word.raw
        elif word.label is None and word.whole is None:
            yield word


def _spelled(word: Word, collector: PageCollector) -> Iterator[tuple[str, Spelling]]:
    model = collector.model_labels[0]
    renamed = {"replica": "instance", "model": model, **dict(word.take)}
    if collector.vantage == "engine":
        renamed["pool"] = model
    fixed = {"vantage": collector.vantage, "engine": collector.engine, **dict(word.fixed)}
    parts = ("_bucket", "_sum", "_count") if word.metric.kind is Kind.HISTOGRAM else ("",)
    for part in parts:
        for name in (one for one in word.spellings if one.startswith(collector.marks)):
            theirs = name + (part or (f"_{word.part}" if word.part else ""))
            yield word.metric.name + part, Spelling(theirs, renamed, fixed, word.where, word.scale)
