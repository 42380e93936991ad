"""Whom telemetry speaks for: the tenant in a documented order, and what a client is called.

The order of the tenant: what a believed sender writes on the span (its own words first, then a
gateway's team and key, then the end user), then the resource, which is set by whoever deployed the
client. A stranger's span attributes are never asked: any caller can write them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from service.otlp.attributes import Plain, as_text
from vocabulary import otel
from vocabulary.pseudonyms import pseudonym
from vocabulary.usage import UNKNOWN_TENANT

INSTANCE = "service.instance.id"
IDENTITY_ATTRIBUTES = frozenset(
    {*otel.TENANT_IN_RESOURCE, *otel.TENANT_IN_SPAN, INSTANCE, "k8s.pod.name"}
)


@dataclass(frozen=True, slots=True)
class Tenants:
    """Resolves who is charged, under a pseudonym where a key is set."""

    key: bytes = b""
    """Key of the HMAC; the same key gives the same pseudonyms everywhere. Empty keeps names."""

    def resolve(
        self,
        resource: Mapping[str, Plain],
        own: Mapping[str, Plain],
        believed: bool,
    ) -> str:
        """The tenant of something with these attributes; `unknown` when nobody says."""
        places = [(own, otel.TENANT_IN_SPAN)] if believed else []
        for attributes, names in [*places, (resource, otel.TENANT_IN_RESOURCE)]:
            for name in names:
                found = as_text(attributes.get(name))
                if found:
                    return self.pseudonym(found)
        return UNKNOWN_TENANT

    def pseudonym(self, name: str) -> str:
        """*name*, or what stands for it."""
        return pseudonym(name, self.key)


def client_name(resource: Mapping[str, Plain]) -> str:
    """Id of the process that calls models: each has counters of its own.

    It is a name among clients alone, so that no client can pass for a replica.
    """
    instance = (
        resource.get(INSTANCE) or resource.get("k8s.pod.name") or resource.get("service.name")
    )
    return f"client/{as_text(instance) or 'unnamed'}"
