"""Log records of our own agent to changes; every other record is counted and let go."""

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from service.otlp.attributes import as_text, kept
from service.otlp.outcome import Outcome
from vocabulary.change_events import ATTRIBUTES, EVENT_NAME, change_of
from vocabulary.entities import Change

AHEAD_SECONDS = 600.0
_NS = 1_000_000_000


def changes_in(
    request: ExportLogsServiceRequest, believed: bool, now: float
) -> tuple[list[Change], Outcome]:
    """The changes in *request*, and what was not kept. A stranger's changes are not believed."""
    outcome = Outcome()
    found = []
    for group in request.resource_logs:
        for scoped in group.scope_logs:
            for record in scoped.log_records:
                at = (record.time_unix_nano or record.observed_time_unix_nano) / _NS
                if record.event_name != EVENT_NAME:
                    outcome.ignored["no change event"] += 1
                elif not believed:
                    outcome.refuse("sender not believed", record.event_name)
                elif not 0 < at <= now + AHEAD_SECONDS:
                    outcome.refuse("time missing or in the future", record.event_name)
                else:
                    plain = kept(record.attributes, ATTRIBUTES)
                    try:
                        words = {key: as_text(value) for key, value in plain.items()}
                        found.append(change_of(words, at))
                    except ValueError as error:
                        outcome.refuse("broken change event", str(error)[:100])
    outcome.kept = len(found)
    return found, outcome
