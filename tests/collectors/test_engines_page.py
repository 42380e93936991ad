"""docs/engines.md says what the collectors and the recorded pages say.

After a change: `PYTHONPATH=.:tests python tests/collectors/test_engines_page.py` writes its tables
anew; the prose around them is written by hand.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import collectors
from collectors._api import ApiCollector
from collectors._reading import PageCollector
from vocabulary import metrics as m
from vocabulary.contracts import Collector
from vocabulary.discovery import discover
from vocabulary.metrics import Metric

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "engines.md"
FOUND = {
    name: one
    for name, cls in discover(collectors, Collector).items()
    if isinstance(one := cls(), PageCollector | ApiCollector) and one.vantage != "device"
}
SIGNALS: dict[str, tuple[Metric, ...]] = {
    "prompt tokens": (m.INPUT_TOKENS,),
    "of them cached": (m.INPUT_TOKENS_CACHED,),
    "output tokens": (m.OUTPUT_TOKENS,),
    "requests finished, by outcome": (m.REQUESTS_FINISHED,),
    "requests failed": (m.REQUESTS_FAILED,),
    "running": (m.REQUESTS_RUNNING,),
    "waiting": (m.REQUESTS_WAITING,),
    "KV cache in use": (m.KV_CACHE_UTILIZATION,),
    "preemptions": (m.PREEMPTIONS,),
    "time to first token": (m.TIME_TO_FIRST_TOKEN,),
    "time per output token": (m.TIME_PER_OUTPUT_TOKEN,),
    "gap between tokens": (m.INTER_TOKEN_LATENCY,),
    "request duration": (m.REQUEST_DURATION,),
    "time in the queue": (m.QUEUE_DURATION,),
    "prefix cache": (m.PREFIX_CACHE_QUERIES, m.PREFIX_CACHE_HITS),
    "speculative decoding": (m.SPEC_DECODE_DRAFT_TOKENS, m.SPEC_DECODE_ACCEPTED_TOKENS),
    "LoRA adapters at work": (m.LORA_ACTIVE,),
    "asleep or awake": (m.ENGINE_AWAKE,),
    "KV cache capacity": (m.KV_CACHE_CAPACITY,),
    "steps, or tokens as they come": (m.ENGINE_STEPS, m.ENGINE_TOKENS),
    "operations of callers": (m.GATEWAY_OPERATIONS,),
    "attempts upstream": (m.GATEWAY_ATTEMPTS,),
    "calls that fell back": (m.GATEWAY_FALLBACKS,),
    "spend": (m.GATEWAY_SPEND,),
    "models loaded, and their memory": (m.MODELS_LOADED, m.MODEL_MEMORY),
}


def pages(collector: str) -> list[tuple[str, str]]:
    """Name and golden text of each page that *collector* reads."""
    texts = [(path.stem, path.read_text()) for path in sorted((HERE / "golden").glob("*.txt"))]
    return [(name, text) for name, text in texts if text.startswith(f"# read by: {collector}\n")]


def cell(collector: str, metrics: Sequence[Metric]) -> str:
    """● a page shows it, ○ its name is known from the source alone, · the server does not tell."""
    told = [one for one in metrics if one in FOUND[collector].produces]
    texts = [text for _, text in pages(collector)]
    if any(f"\n{one.name}{{" in text for one in told for text in texts):
        return "●"
    if m.ENGINE_STEPS in metrics and any('count_at="step"' in text for text in texts):
        return "●"
    return "○" if told else "·"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def signals(names: Sequence[str]) -> str:
    rows = [
        (signal, *cells)
        for signal, metrics in SIGNALS.items()
        if set(cells := [cell(name, metrics) for name in names]) != {"·"}
    ]
    return table(["", *names], rows)


def proofs() -> str:
    return table(
        ["collector", "vantage", "proven on"],
        [
            (name, one.vantage, ", ".join(f"`{page}`" for page, _ in pages(name)))
            for name, one in FOUND.items()
        ],
    )


def tables() -> dict[str, str]:
    engines = [name for name, one in FOUND.items() if one.vantage == "engine"]
    others = [name for name, one in FOUND.items() if one.vantage != "engine"]
    return {
        "proofs": proofs(),
        "engines 1": signals(engines[: len(engines) // 2]),
        "engines 2": signals(engines[len(engines) // 2 :]),
        "routers and gateways": signals(others),
    }


def filled(text: str) -> str:
    """*text* with each table between its marks as the code has it."""
    for name, body in tables().items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        assert rest, f"docs/engines.md has no mark {begin!r}"
        text = before + begin + body + end + rest.partition(end)[2]
    return text


def test_the_page_of_engines_is_as_new_as_the_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == filled(text), "run this file to write its tables anew"


def test_every_server_has_a_section_of_its_own() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in FOUND:
        assert f"`{name}`" in text.partition("## Server by server")[2], name


def test_every_server_is_proven_on_a_page() -> None:
    assert [name for name in FOUND if not pages(name)] == []


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
