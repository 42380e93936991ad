"""OTLP's three kinds of request, as both protocols name them."""

from dataclasses import dataclass

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_pb
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_pb

_SERVICE = "opentelemetry.proto.collector"


@dataclass(frozen=True, slots=True)
class Stream:
    """One of OTLP's three kinds of request."""

    name: str
    """As in the path: `/v1/metrics`."""
    service: str
    """gRPC's name of the service, whose one method is Export."""
    request: type[Message]
    answer: type[Message]
    rejected: str
    """Field of the partial success that counts what was not kept."""


METRICS = Stream(
    "metrics",
    f"{_SERVICE}.metrics.v1.MetricsService",
    metrics_pb.ExportMetricsServiceRequest,
    metrics_pb.ExportMetricsServiceResponse,
    "rejected_data_points",
)
TRACES = Stream(
    "traces",
    f"{_SERVICE}.trace.v1.TraceService",
    trace_pb.ExportTraceServiceRequest,
    trace_pb.ExportTraceServiceResponse,
    "rejected_spans",
)
LOGS = Stream(
    "logs",
    f"{_SERVICE}.logs.v1.LogsService",
    logs_pb.ExportLogsServiceRequest,
    logs_pb.ExportLogsServiceResponse,
    "rejected_log_records",
)
STREAMS = (METRICS, TRACES, LOGS)
