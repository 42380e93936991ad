"""
Instrumented chat calls, as an application that uses OpenTelemetry would make them.

Runs inside the rig's own environment. One JSON object on standard input says what to do, one on
standard output says how many calls went well. Fields: base_url, model, calls, streamed,
max_tokens, endpoint, protocol ("http" or "grpc"), token, service_name, api_key, user, content.
"""

import importlib
import json
import os
import sys
from typing import Any


def _module(name: str) -> Any:
    # Not an import statement: type checkers run where these packages are absent.
    return importlib.import_module(name)


def main() -> None:
    order = json.load(sys.stdin)
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"
    if order["content"]:
        os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = order["content"]
    tracing, measuring = _set_up(order)
    openai = _module("openai")
    client = openai.OpenAI(
        base_url=order["base_url"], api_key=order["api_key"], max_retries=0, timeout=60
    )
    ok = 0
    errors: list[str] = []
    for index in range(order["calls"]):
        try:
            _call(client, order, index)
            ok += 1
        except openai.OpenAIError as error:
            errors.append(type(error).__name__)
    tracing.force_flush()
    measuring.force_flush()
    tracing.shutdown()
    measuring.shutdown()
    json.dump({"ok": ok, "errors": errors}, sys.stdout)


def _call(client: Any, order: dict[str, Any], index: int) -> None:
    wanted: dict[str, Any] = {
        "model": order["model"],
        "messages": [{"role": "user", "content": f"say something, number {index}"}],
        "max_tokens": order["max_tokens"],
    }
    if order["user"]:
        wanted["user"] = order["user"]
    if not order["streamed"]:
        client.chat.completions.create(**wanted)
        return
    options = {"include_usage": True}
    for _ in client.chat.completions.create(**wanted, stream=True, stream_options=options):
        pass


def _set_up(order: dict[str, Any]) -> tuple[Any, Any]:
    resources = _module("opentelemetry.sdk.resources")
    resource = resources.Resource.create({"service.name": order["service_name"]})
    kind = "grpc" if order["protocol"] == "grpc" else "http"
    exporters = f"opentelemetry.exporter.otlp.proto.{kind}"
    spans = _module(f"{exporters}.trace_exporter").OTLPSpanExporter
    metrics = _module(f"{exporters}.metric_exporter").OTLPMetricExporter
    headers = {"authorization": f"Bearer {order['token']}"} if order["token"] else {}
    if kind == "grpc":
        span_exporter = spans(endpoint=order["endpoint"], insecure=True, headers=headers)
        metric_exporter = metrics(endpoint=order["endpoint"], insecure=True, headers=headers)
    else:
        span_exporter = spans(endpoint=f"{order['endpoint']}/v1/traces", headers=headers)
        metric_exporter = metrics(endpoint=f"{order['endpoint']}/v1/metrics", headers=headers)
    tracing = _module("opentelemetry.sdk.trace").TracerProvider(resource=resource)
    batches = _module("opentelemetry.sdk.trace.export")
    tracing.add_span_processor(batches.BatchSpanProcessor(span_exporter))
    reading = _module("opentelemetry.sdk.metrics.export")
    reader = reading.PeriodicExportingMetricReader(metric_exporter, export_interval_millis=60_000)
    measuring = _module("opentelemetry.sdk.metrics").MeterProvider([reader], resource)
    instrumentor = _module("opentelemetry.instrumentation.genai.openai").OpenAIInstrumentor()
    instrumentor.instrument(tracer_provider=tracing, meter_provider=measuring)
    return tracing, measuring


if __name__ == "__main__":
    main()
