"""What `doctor` says of execution: whether it is on, for whom, and which class could act."""

from collections.abc import Iterator, Mapping

from service.checks import Check, Verdict
from service.config import Config
from service.execution.build import SECTION, people_of
from service.execution.cluster import KubernetesApi, Request, kubernetes_api
from service.execution.settings import ExecutionSettings
from vocabulary.actions import ActionClass
from vocabulary.errors import ConfigError, SourceError

_VERSION = Request("GET", "/version")
"""What every account may ask, and what changes nothing."""


def execution_checks(config: Config, environ: Mapping[str, str]) -> Iterator[Check]:
    """Whether plans could be carried out here, looked at without doing any."""
    settings = config.part(SECTION, ExecutionSettings)
    if not settings.enabled:
        yield Check("execution", Verdict.ABSENT, "plans are text: execution is switched off")
        return
    try:
        names = ", ".join(one.name for one in people_of(config))
        api = kubernetes_api(
            settings.accounts, settings.api_url, settings.ca_file, settings.timeout_seconds, environ
        )
    except ConfigError as error:
        yield Check("execution", Verdict.BLIND, str(error), "mend what is named")
        return
    yield Check("execution", Verdict.OK, f"switched on; may approve: {names}")
    for group in ActionClass:
        yield _account(api, settings, group)
    api.close()


def _account(api: KubernetesApi, settings: ExecutionSettings, group: ActionClass) -> Check:
    name, mend = f"execution {group.value}", f"look at execution.accounts.{group.value}"
    if settings.account(group) is None:
        return Check(name, Verdict.ABSENT, "no credential: this class executes nothing")
    try:
        answer = api.ask(group, _VERSION)
    except (ConfigError, SourceError) as error:
        return Check(name, Verdict.BLIND, str(error), mend)
    if not answer.done:
        return Check(name, Verdict.BLIND, f"{api.url} answers {answer.status}", mend)
    return Check(name, Verdict.OK, f"its token is taken by {api.url}")
