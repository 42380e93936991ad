"""How much one sender may ask of the receiver, in bytes, messages and seconds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Every bound that holds before anything is decoded."""

    max_body_bytes: int = 4 << 20
    """Largest request, before inflation and after it; also gRPC's message limit. 4 MiB is gRPC's
    own default, and holds two batches of an OpenTelemetry Collector (8,192 points)."""
    bytes_per_message: int = 32
    """Mean size below which nested messages are refused: a decoder spends up to 170 bytes on an
    empty message that is two bytes on the wire (measured). 32 leaves room for 8,192 data points of
    seven attributes each."""
    max_depth: int = 24
    """How deep messages may nest; OTLP's own structure needs 10."""
    json_share: int = 4
    """JSON may be this many times smaller than protobuf: its parse tree is larger by as much."""
    in_flight: int = 16
    """Requests whose bodies are being read at once; more are asked to come again."""
    body_seconds: float = 10.0
    """A body that takes longer is refused; OpenTelemetry's exporters give up after ten."""
    retry_after_seconds: int = 1
    """What a refused sender is told; exporters that cannot wait longer lose data."""

    @property
    def max_messages(self) -> int:
        """Nested messages that one request may hold."""
        return self.max_body_bytes // self.bytes_per_message

    @property
    def harmless_bytes(self) -> int:
        """Below this even a body of nothing but empty messages stays within the memory bound."""
        return self.max_messages * 2

    @property
    def max_json_bytes(self) -> int:
        """Largest JSON request."""
        return self.max_body_bytes // self.json_share
