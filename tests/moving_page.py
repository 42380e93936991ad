"""A recorded page of a model server whose values move as a server's would."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PAGES = Path(__file__).parent / "collectors" / "pages"
_LINE = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$")
_LE = re.compile(r'le="([^"]+)"')


@dataclass(frozen=True)
class Speech:
    """Which of a page's series mean what; an empty name means that the page does not tell.

    A name may be followed by a piece of the labels that the series must bear: `name mode="decode"`.
    """

    page: str
    running: str = ""
    waiting: str = ""
    cache: str = ""
    steps: str = ""
    """A counter, or a histogram's `_count`."""
    output: str = ""
    finished: str = ""
    durations: str = ""
    """A histogram's name without a suffix."""
    awake: str = ""


@dataclass
class MovingPage:
    """The text of *speech*'s page after what was done to it."""

    speech: Speech
    lines: list[str] = field(init=False)
    values: dict[int, float] = field(init=False, default_factory=dict)
    _spelled: dict[int, tuple[str, str]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.lines = (PAGES / f"{self.speech.page}.prom").read_text().splitlines()
        for index, line in enumerate(self.lines):
            found = None if line.startswith("#") else _LINE.match(line)
            if found is not None:
                self._spelled[index] = (found["name"], found["labels"] or "")
                self.values[index] = float(found["value"])
        assert self._spelled, "the page must hold series"
        self.show(running=0, waiting=0, cache=0.0)

    @property
    def text(self) -> bytes:
        """The page now."""
        lines = list(self.lines)
        for index, value in self.values.items():
            lines[index] = f"{self.lines[index].rpartition(' ')[0]} {value!r}"
        return "\n".join([*lines, ""]).encode()

    def show(self, **gauges: float) -> None:
        """Set gauges by what they mean: the first series bears the value, its like are zero."""
        for meaning, value in gauges.items():
            for place, index in enumerate(self._find(getattr(self.speech, meaning))):
                self.values[index] = 0.0 if place and meaning != "cache" else float(value)

    def work(self, steps: int = 0, output: int = 0) -> None:
        """Let steps run and tokens come out."""
        for name, amount in ((self.speech.steps, steps), (self.speech.output, output)):
            for index in self._find(name)[:1]:
                self.values[index] += amount

    def finish(self, requests: int, seconds: float) -> None:
        """Let requests end that took so long."""
        for index in self._find(self.speech.finished)[:1]:
            self.values[index] += requests
        name = self.speech.durations
        if not name:
            return
        first = {"_sum": requests * seconds, "_count": float(requests)}
        for suffix, amount in first.items():
            self.values[self._find(name + suffix)[0]] += amount
        met: set[str] = set()
        for index in self._find(f"{name}_bucket"):
            bound = _LE.search(self._spelled[index][1])
            assert bound is not None
            if bound[1] not in met and float(bound[1]) >= seconds:
                self.values[index] += requests
            met.add(bound[1])

    def renamed(self) -> bytes:
        """The page as a release would write it that changed every name."""
        text = re.sub(rb"(?m)^(# (?:HELP|TYPE) )?(?=[a-zA-Z])", rb"\1brand_new_", self.text)
        return text.replace(b"brand_new_# ", b"# ")

    def _find(self, meant: str) -> list[int]:
        name, _, labels = meant.partition(" ")
        found = [
            index
            for index, (known, said) in self._spelled.items()
            if known == name and labels in said
        ]
        assert found or not meant, f"{self.speech.page} holds no {meant}"
        return found


_VLLM: Mapping[str, str] = {
    "running": "num_requests_running",
    "waiting": "num_requests_waiting",
    "cache": "kv_cache_usage_perc",
    "steps": "iteration_tokens_total_count",
    "output": "generation_tokens_total",
    "finished": 'request_success_total finished_reason="length"',
    "durations": "e2e_request_latency_seconds",
}
_TRITON = "nv_trt_llm"


def _vllm(prefix: str, page: str, **other: str) -> Speech:
    names = {meaning: prefix + name for meaning, name in _VLLM.items()}
    return Speech(page, **{**names, **other})


ENGINES = {
    "vllm": _vllm(
        "vllm:", "vllm-0.33.0-derived", awake='vllm:engine_sleep_state sleep_state="awake"'
    ),
    "vllm under Ray Serve": _vllm("ray_vllm_", "ray-vllm-0.32-renamed-derived"),
    "vllm inside Triton": _vllm(
        "vllm:", "triton-vllm-backend-1e66a22-derived", cache="vllm:gpu_cache_usage_perc",
        finished="",
    ),
    "sglang": Speech(
        "sglang-0.5.23-derived",
        running="sglang:num_running_reqs",
        waiting="sglang:num_queue_reqs",
        cache="sglang:token_usage",
        steps='sglang:realtime_tokens_total mode="prefill_compute"',
        output='sglang:realtime_tokens_total mode="decode"',
        finished="sglang:num_requests_total",
        durations="sglang:e2e_request_latency_seconds",
    ),
    "tensorrt-llm inside Triton": Speech(
        "triton-tensorrtllm-backend-inflight",
        running=f'{_TRITON}_request_metrics request_type="scheduled"',
        waiting=f'{_TRITON}_request_metrics request_type="waiting"',
        cache=f'{_TRITON}_kv_cache_block_metrics kv_cache_block_type="fraction"',
        steps=f'{_TRITON}_general_metrics general_type="iteration_counter"',
    ),
    "tgi": Speech(
        "tgi-3-derived",
        running="tgi_batch_current_size",
        waiting="tgi_queue_size",
        steps='tgi_batch_inference_success method="decode"',
        finished="tgi_request_success",
        durations="tgi_request_duration",
    ),
    "lmdeploy": Speech(
        "lmdeploy-0.16-derived",
        running="lmdeploy:num_requests_running",
        waiting="lmdeploy:num_requests_waiting",
        cache="lmdeploy:gpu_cache_usage_perc",
        output="lmdeploy:generation_tokens_total",
        finished='lmdeploy:request_success_total finished_reason="ResponseType.FINISH"',
        durations="lmdeploy:e2e_request_latency_seconds",
    ),
    "llamacpp": Speech(
        "llamacpp-live",
        running="llamacpp:requests_processing",
        waiting="llamacpp:requests_deferred",
        steps="llamacpp:n_decode_total",
    ),
}  # fmt: skip
"""Engines that count something at every step, by what they are called here."""

AT_THE_END = {
    "trtllm": Speech(
        "trtllm-serve-050f80d-derived",
        running="trtllm_num_requests_running",
        waiting="trtllm_num_requests_waiting",
        cache="trtllm_kv_cache_utilization",
        finished='trtllm_request_success_total finished_reason="stop"',
        durations="trtllm_e2e_request_latency_seconds",
    ),
    "nim 1.x": Speech(
        "nvidia-nim-llm-1.x-2024-10",
        running="num_requests_running",
        waiting="num_requests_waiting",
        cache="gpu_cache_usage_perc",
        finished="request_finish_total",
        durations="e2e_request_latency_seconds",
    ),
    "sglang 0.4": Speech(
        "sglang-0.4-docs-2025",
        running="sglang:num_running_reqs",
        waiting="sglang:num_queue_reqs",
        cache="sglang:token_usage",
        finished="sglang:generation_tokens_total",
        durations="sglang:e2e_request_latency_seconds",
    ),
}
"""Engines that count when a request finishes."""
