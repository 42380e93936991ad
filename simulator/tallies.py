"""What an engine process has counted since it started; a restart begins a new one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from simulator.counting import (
    BYTES_OF_TRANSFER,
    FEW,
    PREEMPTIONS,
    SECONDS_OF_HTTP,
    SECONDS_OF_HTTP_FINE,
    SECONDS_OF_REQUEST,
    SECONDS_OF_TRANSFER,
    SECONDS_PER_TOKEN,
    SECONDS_TO_FIRST_TOKEN,
    TOKENS_OF_STEP,
    Histogram,
    one_two_five,
)

if TYPE_CHECKING:
    from simulator.requests import Outcome, Request


def _seconds() -> Histogram:
    return Histogram(SECONDS_OF_REQUEST)


@dataclass(slots=True)
class Tally:
    """Counters and histograms of one process, in the units of the page that will show them."""

    started: float
    """When the process started, Unix seconds."""
    max_context: int
    bounds: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Of histograms that are not vLLM's, by their names here."""
    max_answer: int = 1000
    """What callers ask for as `max_tokens`."""
    prompt_tokens: int = 0
    prompt_cached_tokens: int = 0
    """The part of `prompt_tokens` that came from the prefix cache."""
    prompt_fetched_tokens: int = 0
    """The part of `prompt_tokens` whose KV came from another engine."""
    hit_tokens: int = 0
    """Found in the prefix cache, counted at admission as the look-ups are."""
    looked_up_tokens: int = 0
    generated_tokens: int = 0
    preemptions: int = 0
    drafts: float = 0.0
    drafted_tokens: float = 0.0
    accepted_tokens: float = 0.0
    """Of the drafted ones."""
    prompt_seconds: float = 0.0
    """Time spent on steps with prefill in them."""
    busy_slots: int = 0
    """Decoding requests summed over steps."""
    longest: int = 0
    leaked_bytes: float = 0.0
    """Host memory that was never given back."""
    transfers_failed: int = 0
    transfers_expired: int = 0
    """Prompts that were kept for another engine until their lease was over."""
    forgets_aborts: bool = False
    """True: a request that was broken off is in no counter."""
    finished: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("stop", "length", "abort", "error", "repetition"), 0)
    )
    to_first_token: Histogram = field(default_factory=lambda: Histogram(SECONDS_TO_FIRST_TOKEN))
    between_tokens: Histogram = field(default_factory=lambda: Histogram(SECONDS_PER_TOKEN))
    per_token: Histogram = field(default_factory=lambda: Histogram(SECONDS_PER_TOKEN))
    whole: Histogram = field(default_factory=_seconds)
    queue: Histogram = field(default_factory=_seconds)
    inference: Histogram = field(default_factory=_seconds)
    prefill: Histogram = field(default_factory=_seconds)
    decode: Histogram = field(default_factory=_seconds)
    step_tokens: Histogram = field(default_factory=lambda: Histogram(TOKENS_OF_STEP))
    preempted_times: Histogram = field(default_factory=lambda: Histogram(PREEMPTIONS))
    samples_asked: Histogram = field(default_factory=lambda: Histogram(FEW))
    http: Histogram = field(default_factory=lambda: Histogram(SECONDS_OF_HTTP))
    http_fine: Histogram = field(default_factory=lambda: Histogram(SECONDS_OF_HTTP_FINE))
    transfer_seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS_OF_TRANSFER))
    transfer_bytes: Histogram = field(default_factory=lambda: Histogram(BYTES_OF_TRANSFER))
    input_length: Histogram = field(init=False)
    output_length: Histogram = field(init=False)
    output_asked: Histogram = field(init=False)
    output_limit: Histogram = field(init=False)
    computed_length: Histogram = field(init=False)

    def __post_init__(self) -> None:
        bounds = one_two_five(self.max_context)
        self.input_length = Histogram(bounds)
        self.output_length = Histogram(bounds)
        self.output_asked = Histogram(bounds)
        self.output_limit = Histogram(bounds)
        self.computed_length = Histogram(bounds)
        for name, own in self.bounds.items():
            setattr(self, name, Histogram(own))

    def admitted(self, request: "Request", at: float) -> None:
        """A request came out of the queue for the first time."""
        self.looked_up_tokens += request.input_tokens
        self.hit_tokens += min(request.cached_tokens, request.input_tokens - 1)
        self.queue.observe(max(0.0, at - request.ready))

    def first_token(self, request: "Request", at: float) -> None:
        """Its prompt is computed and the first token is out."""
        self.prompt_tokens += request.input_tokens
        self.prompt_cached_tokens += min(request.cached_tokens, request.input_tokens - 1)
        self.prompt_fetched_tokens += request.fetched
        self.generated_tokens += 1
        self.to_first_token.observe(at - request.arrived)

    def stepped(self, steps: int, seconds: float, decoding: int, chunk: int, tokens: int) -> None:
        """*steps* alike steps ran, *seconds* each, and gave each request *tokens* in all."""
        outputs = steps * decoding
        self.generated_tokens += tokens * decoding
        if outputs:
            self.between_tokens.observe(seconds, outputs)
            self.busy_slots += outputs
        self.step_tokens.observe(decoding + chunk, steps)
        if chunk:
            self.prompt_seconds += steps * seconds

    def drafted(self, outputs: float, proposed: int, tokens: int) -> None:
        """So many outputs, each with *proposed* drafted tokens, were *tokens* in all."""
        self.drafts += outputs
        self.drafted_tokens += outputs * proposed
        self.accepted_tokens += tokens - outputs

    def transferred(self, seconds: float, size: float, ranks: int) -> None:
        """KV of *size* bytes came in *seconds*; each of *ranks* GPUs fetched and tells its part."""
        self.transfer_seconds.observe(seconds, ranks)
        self.transfer_bytes.observe(size / ranks, ranks)

    def preempted(self) -> None:
        """A request was put back to the queue for want of KV blocks."""
        self.preemptions += 1

    def left(self, request: "Request", outcome: "Outcome", at: float) -> None:
        """A request ended."""
        if outcome.value == "abort" and self.forgets_aborts:
            return
        self.finished[outcome.value] += 1
        whole = at - request.arrived
        self.http.observe(whole)
        self.http_fine.observe(whole)
        if outcome.value in ("abort", "error"):
            return
        self.whole.observe(whole)
        self.inference.observe(at - request.admitted)
        self.prefill.observe(request.first_token - request.admitted)
        self.decode.observe(at - request.first_token)
        if request.generated > 1:
            self.per_token.observe((at - request.first_token) / (request.generated - 1))
        cached = min(request.cached_tokens, request.input_tokens - 1)
        self.input_length.observe(request.input_tokens)
        self.output_length.observe(request.generated)
        self.output_asked.observe(self.max_answer)
        self.output_limit.observe(self.max_answer)
        self.computed_length.observe(request.input_tokens - cached - request.fetched)
        self.samples_asked.observe(1)
        self.preempted_times.observe(request.preemptions)
        self.longest = max(self.longest, request.input_tokens + request.generated)

    def age(self, factor: int) -> None:
        """Pretend that everything so far happened *factor* times, and that the start lies back."""
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, Histogram):
                value.multiply(factor)
            elif one.name in _COUNTED:
                setattr(self, one.name, value * factor)
        self.finished = {reason: number * factor for reason, number in self.finished.items()}


_COUNTED = frozenset(
    {"prompt_tokens", "prompt_cached_tokens", "prompt_fetched_tokens", "hit_tokens",
     "looked_up_tokens", "generated_tokens", "preemptions", "drafts", "drafted_tokens",
     "accepted_tokens", "prompt_seconds", "busy_slots", "transfers_failed", "transfers_expired"}
)  # fmt: skip
