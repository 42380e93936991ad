"""Logs on stderr: lines for a person at a terminal, JSON for everything else.

Tracebacks are plain: a rich one prints local variables, and those may hold a token.
"""

import logging
import sys

import structlog


def configure() -> None:
    """Set logging up for this process."""
    terminal = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if terminal
        else structlog.processors.JSONRenderer()
    )
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if not terminal:
        processors.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        # looked up at each line, so that a stream that was replaced is not written to
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
