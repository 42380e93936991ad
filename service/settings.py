"""What the composition root can be told: every setting with its default and its meaning."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def _setting(default: Any, text: str, secret: bool = False) -> Any:
    return field(default=default, metadata={"help": text, "secret": secret})


@dataclass(frozen=True, slots=True)
class Settings:
    """What the composition root needs to know; plugins keep their own settings."""

    data_dir: Path = _setting(Path("tidegauge-data"), "Folder for series, incidents and usage.")
    cluster: str = _setting("local", "Name of this cluster; part of every entity id.")
    node: str = _setting("", "Name of this node; the host name when empty.")
    host: str = _setting(
        "127.0.0.1", "Address the API, the OTLP receiver and the agent page bind to."
    )
    port: int = _setting(8780, "Port of the HTTP API and of OTLP over HTTP.")
    console_port: int = _setting(8501, "Port of the console.")
    otlp_grpc_port: int = _setting(4317, "Port of OTLP over gRPC; 0 switches it off.")
    agent_port: int = _setting(9478, "Port of the agent's Prometheus page; 0 switches it off.")
    api_url: str = _setting("", "API that the console and the incident commands talk to.")
    external_url: str = _setting(
        "", "Address of the console as people reach it, for links in pages."
    )
    token: str = _setting("", "Bearer token of the API, OTLP and MCP doors.", secret=True)
    token_file: Path | None = _setting(
        None, "File that holds the token, instead of the token itself."
    )
    agent_token_file: Path | None = _setting(None, "Token that agents report with.")
    ingest_token_file: Path | None = _setting(None, "Token that applications send OTLP with.")
    tls_cert: Path | None = _setting(None, "Certificate chain (PEM) to serve with.")
    tls_key: Path | None = _setting(None, "Private key (PEM) of that certificate.")
    allow_insecure: bool = _setting(
        False, "Listen beyond loopback without TLS; your network is trusted."
    )
    allowed_hosts: tuple[str, ...] = _setting(
        (), "Host names the API may be reached under, beyond its own."
    )
    scrape: tuple[str, ...] = _setting(
        (), "Pages of model servers and gateways to read; `URL#model=NAME` where a page names none."
    )
    targets: Path | None = _setting(
        None, "File (YAML or JSON) that lists more such pages; it is read again when it changes."
    )
    scrape_token_file: Path | None = _setting(None, "Bearer token sent to every page in `scrape`.")
    scrape_ca_file: Path | None = _setting(
        None, "Certificates (PEM) that pages are checked against, instead of the system's."
    )
    scrape_cert_file: Path | None = _setting(
        None, "Our certificate chain (PEM), for pages that ask for one."
    )
    scrape_key_file: Path | None = _setting(None, "Private key (PEM) of that certificate.")
    scrape_insecure: bool = _setting(
        False, "Read pages whose certificate nobody vouches for; anybody could invent them."
    )
    scrape_redirects: str = _setting(
        "never", "Follow a page's redirect: never, or same-host (LiteLLM: /metrics to /metrics/)."
    )
    interval_seconds: float = _setting(15.0, "Seconds between two readings of a target.")
    timeout_seconds: float = _setting(5.0, "Seconds a target has to answer in full.")
    max_page_mib: float = _setting(16.0, "Largest page accepted from a target.")
    kubernetes: str = _setting(
        "auto",
        "Ask the Kubernetes API (an agent: pods of its node; a server: the cluster's "
        "changes): auto (in a pod), on or off.",
    )
    pod_labels: tuple[str, ...] = _setting(
        (), "Labels (`key=value`) of pods to read that no annotation or port name shows."
    )
    pod_annotations: tuple[str, ...] = _setting(
        (), "Annotations (`key=value`, or `key` alone) of pods to read that nothing else shows."
    )
    pod_port_names: tuple[str, ...] = _setting(
        ("metrics", "http-metrics"), "Names of ports whose pods are read."
    )
    pod_commands: bool = _setting(
        True, "Read pods whose command line starts a model server that we know."
    )
    pod_look_inside: bool = _setting(
        False, "Read every declared port of pods with GPUs that nothing else shows, once to see."
    )
    host_proc: Path | None = _setting(
        None, "Folder where the host's /proc is seen, to name the pods of GPU processes."
    )
    pods_on_host_network: bool = _setting(
        False, "Read pods that live in their node's own network too."
    )
    xid_file: Path | None = _setting(
        None, "What Xids mean at your site (YAML), over the shipped catalogue."
    )
    gpus: bool = _setting(True, "Read local GPUs through NVML when there are any.")
    prometheus_url: str = _setting(
        "", "Prometheus-compatible backend to ask instead of the own store."
    )
    retention_days: float = _setting(30.0, "How long series are kept.")
    max_store_gib: float = _setting(
        10.0, "How large the store may grow before the oldest series go."
    )
    otlp_endpoint: str = _setting("", "OTLP endpoint that the agent's samples are exported to.")
    otlp_protocol: str = _setting("grpc", "Protocol of that endpoint: grpc or http.")
    otlp_token_file: Path | None = _setting(None, "Bearer token sent to that endpoint.")
    otlp_gzip: bool = _setting(True, "Compress what is sent to that endpoint.")
    otlp_ca_file: Path | None = _setting(
        None, "Certificates (PEM) to trust at that endpoint, instead of the system's."
    )
    alertmanager_urls: tuple[str, ...] = _setting((), "Alertmanagers to notify; all are addressed.")
    price_file: Path | None = _setting(
        None, "Your own prices (YAML or JSON), over the shipped list."
    )
    gpu_usd_per_hour: str = _setting(
        "", "Price of one GPU hour where the price book does not know it."
    )
    pages_per_week: int = _setting(14, "How many pages a week the whole fleet may cost.")
    unusual_per_week: float = _setting(
        7.0, "How many false statements of unusual behaviour a week the whole fleet may cost."
    )
    tenant_key: str = _setting(
        "", "Key that pseudonymises tenants; empty keeps names.", secret=True
    )
    demo_speed: float = _setting(10.0, "How many times faster than the wall the demo's clock runs.")
    demo_seed: int = _setting(7, "Seed of the simulated cluster.")
    demo_history_days: float = _setting(14.0, "Days of simulated history the demo begins with.")
    summary_endpoint: str = _setting(
        "", "OpenAI-compatible API that may sum incidents up for agents; empty asks none."
    )
    summary_model: str = _setting("", "Model that is asked there.")
    summary_token_file: Path | None = _setting(None, "Bearer token sent there.")
    webhook_secret: str = _setting(
        "", "Key of the HMAC that inbound alert hooks are signed with.", secret=True
    )
