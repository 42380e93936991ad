"""The collectors' tables as a dialect: how a Prometheus that scrapes the servers itself is asked.

A table can say less to a backend than to a page. Left out are values that hide in labels (KV
capacity, adapters), products (TensorRT-LLM's blocks times their tokens), histograms in another
unit (Triton's milliseconds), the sum of two names (llama.cpp's cached prompt tokens), what one
rank says for its siblings (SGLang), tenants other than LiteLLM's team aliases, and names that any
process may bear (`process_start_time_seconds`): on a page they are the engine's, in a backend
everybody's.
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
        elif not (word.label or word.whole or word.unless or word.times or _in_other_bounds(word)):
            yield word


def _in_other_bounds(word: Word) -> bool:
    return word.metric.kind is Kind.HISTOGRAM and not word.part and word.scale != 1.0


def _spelled(word: Word, collector: PageCollector) -> Iterator[tuple[str, Spelling]]:
    renamed, fixed = dict(word.take), dict(word.fixed)
    fixed["vantage"] = collector.vantage
    if collector.engine:
        fixed["engine"] = collector.engine
        model = collector.model_labels[0]
        renamed = {"replica": "instance", "model": model, **renamed}
        if collector.vantage == "engine":
            renamed["pool"] = model
    for ours, suffix in _parts(word):
        for name in (one for one in word.spellings if one.startswith(collector.marks)):
            yield ours, Spelling(name + suffix, renamed, fixed, word.where, word.scale)


def _parts(word: Word) -> tuple[tuple[str, str], ...]:
    """Each of our series names and the end of theirs."""
    name = word.metric.name
    if word.metric.kind is not Kind.HISTOGRAM:
        return ((name, f"_{word.part}" if word.part else ""),)
    if word.part:
        return ((f"{name}_{word.part}", ""),)
    return tuple((f"{name}_{part}", f"_{part}") for part in ("bucket", "sum", "count"))
