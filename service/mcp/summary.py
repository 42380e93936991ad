"""An optional summary by a language model, which may only say what evidence it can cite.

Any OpenAI-compatible endpoint will do (vLLM, llama.cpp, LiteLLM, a vendor); none is asked unless
`summary_endpoint` is set, since the question carries names of the fleet to it. What comes back is a
list of sentences with the ids of the evidence each rests on. A sentence that cites nothing, cites
an id that was not shown to it, or holds a link, markup or a command line is dropped, and the
ranking of causes, which no model has seen, stands as it was.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.mcp.fence import CLOSE, NOTICE, OPEN, line
from vocabulary.errors import ConfigError

ANSWER_BYTES = 256 * 1024
"""Of an endpoint's answer that are read."""
MOST_SENTENCES = 8
LONGEST_SENTENCE = 400
MOST_EVIDENCE = 40
"""Pieces of evidence that are shown to the model, strongest causes first."""
_RULES = (
    "You sum up one incident of a GPU inference fleet for the engineer on call. Answer with one "
    'JSON object {"sentences": [{"text": "...", "evidence_ids": ["..."]}]} of at most '
    f"{MOST_SENTENCES} short sentences. Each sentence states only what the evidence it cites says, "
    "and cites it by id. No links, no commands, no markup. " + NOTICE
)
_MARKUP = re.compile(
    r"[`<>]|://|\bwww\.|!?\[[^\]]*\]\(|\b(?:kubectl|helm|sudo|curl|wget|rm|bash|sh)\b",
    re.IGNORECASE,
)
"""What a summary has no use for: links, markup, and the beginnings of command lines."""


class Sentence(BaseModel):
    """One statement and what it rests on."""

    model_config = ConfigDict(extra="ignore")
    text: str = Field(min_length=1)
    evidence_ids: list[str] = Field(max_length=50)


class Written(BaseModel):
    """What the model is asked to write."""

    model_config = ConfigDict(extra="ignore")
    sentences: list[Sentence] = Field(max_length=100)


@dataclass(frozen=True, slots=True)
class SummaryEndpoint:
    """Where summaries are written, and by which model."""

    url: str
    """Base of an OpenAI-compatible API, as http://127.0.0.1:8000/v1."""
    model: str
    token_file: Path | None = None
    timeout_seconds: float = 30.0
    """A small model on one GPU writes eight sentences in a third of that."""

    async def sum_up(self, incident: Mapping[str, Any]) -> dict[str, Any]:
        """Sentences about *incident*, or why there are none; a failure here fails nothing else."""
        shown = _shown(incident)
        try:
            said = await self._ask(shown)
            return checked(said, {one["id"] for one in shown["evidence"]})
        except httpx2.HTTPError as error:
            return _none(f"the summary endpoint did not answer ({type(error).__name__})")
        except (ConfigError, ValueError) as error:
            return _none(" ".join(str(error).split())[:200])

    async def _ask(self, shown: Mapping[str, Any]) -> str:
        question = f"{OPEN}\n{line(shown)}\n{CLOSE}"
        body = {
            "model": self.model,
            "temperature": 0,
            "max_tokens": 900,
            "response_format": {"type": "json_object"},
            "messages": [
                {"role": "system", "content": _RULES},
                {"role": "user", "content": question},
            ],
        }
        async with (
            httpx2.AsyncClient(timeout=self.timeout_seconds, trust_env=False) as client,
            client.stream(
                "POST",
                f"{self.url.rstrip('/')}/chat/completions",
                json=body,
                headers=self._headers(),
                follow_redirects=False,
            ) as answer,
        ):
            content = bytearray()
            async for chunk in answer.aiter_bytes():
                content += chunk
                if len(content) > ANSWER_BYTES:
                    raise ValueError("the summary endpoint's answer is too large")
        if answer.status_code != 200:
            raise ValueError(f"the summary endpoint answered HTTP {answer.status_code}")
        return _content(bytes(content))

    def _headers(self) -> dict[str, str]:
        if self.token_file is None:
            return {}
        try:
            token = self.token_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(f"cannot read summary_token_file: {error.strerror}") from error
        return {"Authorization": f"Bearer {token}"}


def checked(said: str, known: set[str]) -> dict[str, Any]:
    """The sentences of *said* that cite evidence in *known*, and how many were dropped."""
    try:
        written = Written.model_validate_json(_without_code_fence(said))
    except ValidationError:
        return _none("the summary was no JSON object of sentences with evidence ids")
    kept = [one for one in written.sentences if _holds(one, known)][:MOST_SENTENCES]
    dropped = len(written.sentences) - len(kept)
    if not kept:
        return _none("no sentence of the summary cited evidence of this incident", dropped)
    return {
        "sentences": [{"text": one.text, "evidence_ids": one.evidence_ids} for one in kept],
        "dropped": dropped,
        "note": "written by a language model from the evidence it cites; the ranked causes are not",
    }


def _holds(one: Sentence, known: set[str]) -> bool:
    """Whether a sentence may be shown: short, plain, and resting on what was shown to the model."""
    cited = set(one.evidence_ids)
    plain = one.text.isprintable() and not _MARKUP.search(one.text)
    return bool(cited) and cited <= known and plain and len(one.text) <= LONGEST_SENTENCE


def _none(why: str, dropped: int = 0) -> dict[str, Any]:
    return {"sentences": [], "dropped": dropped, "note": why}


def _shown(incident: Mapping[str, Any]) -> dict[str, Any]:
    """What the model is shown: facts with ids, and neither commands nor people's notes."""
    cited = [each for cause in incident["causes"] for each in cause["evidence_ids"]]
    order = {name: place for place, name in enumerate(dict.fromkeys(cited))}
    evidence = sorted(incident["evidence"], key=lambda one: order.get(one["id"], len(order)))
    facts = ("id", "signal", "observed", "expected", "unit", "text", "speaks_against")
    return {
        **{name: incident[name] for name in ("title", "severity", "since", "impact")},
        "causes": [
            {name: cause[name] for name in ("failure_mode", "score", "why", "evidence_ids")}
            for cause in incident["causes"][:5]
        ],
        "evidence": [{name: one[name] for name in facts} for one in evidence[:MOST_EVIDENCE]],
    }


def _content(body: bytes) -> str:
    try:
        content = json.loads(body)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise ValueError("the summary endpoint answered something else than a chat") from error
    if not isinstance(content, str):
        raise ValueError("the summary endpoint answered without text")  # noqa: TRY004
    return content


def _without_code_fence(text: str) -> str:
    """Small models wrap JSON in a code fence although they are asked not to."""
    inside = re.fullmatch(r"\s*```(?:json)?\s*(.*?)\s*```\s*", text, re.DOTALL)
    return inside[1] if inside else text
