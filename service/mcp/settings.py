"""What the configuration says of summaries."""

from service.mcp.summary import SummaryEndpoint
from service.settings import Settings
from vocabulary.errors import ConfigError


def summary_of(settings: Settings) -> SummaryEndpoint | None:
    """The endpoint that writes summaries; None unless one is configured.

    Raises:
        ConfigError: It is no URL, or no model is named.
    """
    url = settings.summary_endpoint
    if not url:
        return None
    if not url.startswith(("http://", "https://")):
        raise ConfigError(
            f"summary_endpoint: {url!r} is no URL; write for example http://127.0.0.1:8000/v1"
        )
    if not settings.summary_model:
        raise ConfigError("summary_endpoint needs summary_model: name the model it serves")
    return SummaryEndpoint(url, settings.summary_model, settings.summary_token_file)
