"""The one table between our labels and OpenTelemetry's attributes, and GenAI's moving names.

GenAI semantic conventions are in development and unreleased: every attribute below lists all its
spellings, newest first, so that a rename upstream is one more word here. Names were read in
open-telemetry/semantic-conventions(-genai), in the instrumentations of opentelemetry-python and
OpenLIT, and in vLLM's own tracing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vocabulary.metrics import TARGET_LABELS

ATTRIBUTES: dict[str, str] = {
    "cluster": "k8s.cluster.name",
    "node": "k8s.node.name",
    "namespace": "k8s.namespace.name",
    "pod": "k8s.pod.name",
    "pool": "tidegauge.pool",
    "replica": "tidegauge.replica",
    "model": "gen_ai.request.model",
    "engine": "gen_ai.provider.name",
    "vantage": "tidegauge.vantage",
    "version": "service.version",
    "tenant": "tidegauge.tenant",
    "gpu": "hw.id",
    "error_type": "error.type",
    "finish_reason": "gen_ai.response.finish_reasons",
    "token_type": "gen_ai.token.type",
    "operation": "gen_ai.operation.name",
    "pid": "process.pid",
    "direction": "network.io.direction",
    "parent": "hw.parent",
}
"""Label to attribute; a label that is not here is `tidegauge.<label>`. One to one."""

RESOURCE_LABELS: tuple[str, ...] = tuple(
    label for label in TARGET_LABELS if label not in {"model", "tenant"}
)
"""Labels that say which thing was measured, and so travel on the resource, not on the point: one
replica or GPU serves many models (adapters, aliases) and tenants."""

_LABELS: dict[str, str] = {attribute: label for label, attribute in ATTRIBUTES.items()}
_OWN = "tidegauge."


def attribute_of(label: str) -> str:
    """The attribute that carries *label* over OTLP."""
    return ATTRIBUTES.get(label, _OWN + label)


def label_of(attribute: str) -> str | None:
    """The label that *attribute* carries, or None when it is none of ours.

    A receiver decides whom it believes: identity labels of a stranger are claims, not facts.
    """
    if attribute in _LABELS:
        return _LABELS[attribute]
    label = attribute.removeprefix(_OWN)
    plain = label.isidentifier() and label not in ATTRIBUTES
    return label if attribute.startswith(_OWN) and plain else None


@dataclass(frozen=True, slots=True)
class Attribute:
    """One thing that a span, a data point or a resource may say, in all its spellings."""

    spellings: tuple[str, ...]
    """Newest first."""
    meaning: str

    @property
    def name(self) -> str:
        """The newest spelling, which is what we write ourselves."""
        return self.spellings[0]

    def read(self, attributes: Mapping[str, Any]) -> Any:
        """The value under the newest spelling present; None when no spelling is."""
        return next((attributes[key] for key in self.spellings if key in attributes), None)


# -- what a call was ------------------------------------------------------------------------------

OPERATION = Attribute(
    ("gen_ai.operation.name", "llm.request.type"), "chat, text_completion, embeddings, execute_tool"
)
PROVIDER = Attribute(
    ("gen_ai.provider.name", "gen_ai.system"), "Who served it, or the kind of server: vllm, openai"
)
REQUEST_MODEL = Attribute(("gen_ai.request.model",), "The model that was asked for")
RESPONSE_MODEL = Attribute(("gen_ai.response.model",), "The model that answered")
RESPONSE_ID = Attribute(
    ("gen_ai.response.id", "gen_ai.request.id"), "The server's id of the answer; vLLM says request"
)
FINISH_REASONS = Attribute(
    ("gen_ai.response.finish_reasons", "gen_ai.response.finish_reason"), "stop, length, tool_calls"
)
STREAM = Attribute(("gen_ai.request.stream", "gen_ai.is_streaming"), "Whether it was streamed")
MAX_TOKENS = Attribute(("gen_ai.request.max_tokens",), "Upper limit the caller set on the answer")
ERROR_TYPE = Attribute(("error.type",), "Class of the failure; a package prefix is to be cut")
SERVER_ADDRESS = Attribute(("server.address", "net.peer.name"), "Host that was called")
SERVER_PORT = Attribute(("server.port", "net.peer.port"), "Port that was called")

# -- what it used ---------------------------------------------------------------------------------

INPUT_TOKENS = Attribute(
    ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "Prompt tokens; they should include the cached ones",
)
OUTPUT_TOKENS = Attribute(
    ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "Generated tokens, reasoning included",
)
CACHE_READ_TOKENS = Attribute(
    (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.details.cache_read_tokens",
        "gen_ai.usage.prompt_tokens_details.cached_tokens",
    ),
    "The part of the input read from a cache",
)
CACHE_WRITE_TOKENS = Attribute(
    (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
    ),
    "The part of the input written to a cache",
)
REASONING_TOKENS = Attribute(
    ("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens"),
    "The part of the output that was reasoning",
)

# -- how long its parts took, seconds -------------------------------------------------------------

TIME_TO_FIRST_CHUNK = Attribute(
    (
        "gen_ai.response.time_to_first_chunk",
        "gen_ai.latency.time_to_first_token",
        "gen_ai.server.time_to_first_token",
    ),
    "Start to first chunk; the last spelling is OpenLIT's, taken in the client despite its name",
)
TIME_IN_QUEUE = Attribute(("gen_ai.latency.time_in_queue",), "Waiting in the engine (vLLM)")
TIME_IN_PREFILL = Attribute(
    ("gen_ai.latency.time_in_model_prefill",), "Computing the prompt (vLLM)"
)
TIME_IN_DECODE = Attribute(("gen_ai.latency.time_in_model_decode",), "Generating (vLLM)")
TIME_END_TO_END = Attribute(("gen_ai.latency.e2e",), "Arrival to last token in the engine (vLLM)")

# -- whose it was ---------------------------------------------------------------------------------

CONVERSATION_ID = Attribute(
    ("gen_ai.conversation.id", "session.id", "gen_ai.openai.thread.id"), "The conversation or loop"
)
AGENT_ID = Attribute(("gen_ai.agent.id",), "The agent that called, by id")
AGENT_NAME = Attribute(("gen_ai.agent.name",), "The agent that called, by name")
TOOL_NAME = Attribute(("gen_ai.tool.name",), "The tool that an execute_tool span ran")

TENANT_IN_RESOURCE: tuple[str, ...] = (
    "tidegauge.tenant",
    "tenant.id",
    "service.namespace",
    "k8s.namespace.name",
    "service.name",
)
"""Attributes of a resource that may name who is charged, most trusted first: a resource is set by
whoever deployed the client."""

TENANT_IN_SPAN: tuple[str, ...] = (
    "tidegauge.tenant",
    "tenant.id",
    "metadata.user_api_key_team_alias",
    "metadata.user_api_key_team_id",
    "metadata.user_api_key_alias",
    "gen_ai.request.user",
    "enduser.id",
    "user.id",
)
"""The same in a span, which any caller may write: to be used only where the sender is trusted."""

CONTENT: tuple[str, ...] = (
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.tool.definitions",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    "gen_ai.prompt",
    "gen_ai.completion",
    "gen_ai.content.prompt",
    "gen_ai.content.completion",
)
"""Attributes (and beginnings of attributes) that hold what people wrote: never kept."""

SPAN_ATTRIBUTES: dict[str, Attribute] = {
    name.lower(): value for name, value in list(globals().items()) if isinstance(value, Attribute)
}
"""Every attribute above, by our word for it: `input_tokens`, `operation`, …"""

_PROSE_FREE = (
    *("service.", "telemetry.", "k8s.", "container.", "deployment.", "cloud.", "host.", "os."),
    *("process.runtime.", "hw.", "server.", "network.", "tidegauge.", "gen_ai.usage."),
    *("gen_ai.token.", "gen_ai.latency."),
)
"""Beginnings of names under which instrumentations write identities and counts, never messages."""
_PROSE_FREE_NAMES = frozenset(
    {
        *(spelling for one in SPAN_ATTRIBUTES.values() for spelling in one.spellings),
        *TENANT_IN_RESOURCE,
        *TENANT_IN_SPAN,
        *("exception.type", "rpc.system", "gen_ai.output.type", "gen_ai.tool.type"),
        *("http.request.method", "http.response.status_code", "gen_ai.tool.call.id"),
    }
)


def holds_no_prose(attribute: str) -> bool:
    """Whether text under this name can be handed on: never a prompt, an answer or a message."""
    return attribute in _PROSE_FREE_NAMES or attribute.startswith(_PROSE_FREE)


# -- instruments of clients -----------------------------------------------------------------------

TOKEN_TYPES: dict[str, str] = {
    "gen_ai.client.inference.usage.input_tokens": "input",
    "gen_ai.client.inference.usage.output_tokens": "output",
    "gen_ai.client.inference.usage.cache_read.input_tokens": "cache_read",
    "gen_ai.client.inference.usage.cache_write.input_tokens": "cache_write",
    "gen_ai.client.inference.usage.cache_creation.input_tokens": "cache_write",
    "gen_ai.client.inference.usage.reasoning.output_tokens": "reasoning",
}
"""Counters that are to replace `gen_ai.client.token.usage`, with the token type each stands for.
`cache_read`, `cache_write` and `reasoning` are parts of input and output: never sum over types."""
