"""Entity ids never mean two things."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import identity

PART = st.text(min_size=1, max_size=40)


@given(PART, PART, PART, PART)
def test_a_pods_id_reads_back_as_four_parts_whatever_the_names_hold(
    cluster: str, namespace: str, uid: str, container: str
) -> None:
    parsed = identity.parse_replica_id(identity.pod_replica_id(cluster, namespace, uid, container))
    assert parsed is not None
    assert parsed.cluster == cluster.replace("/", "_")
    assert parsed.container == container.replace("/", "_")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8000/metrics", "static/127.0.0.1:8000"),
        ("https://engine.example/metrics", "static/engine.example:443"),
        ("http://[::1]:8000/metrics", "static/[::1]:8000"),
        ("engine:8000", "static/engine:8000"),
    ],
)
def test_a_static_target_is_its_host_and_port(url: str, expected: str) -> None:
    assert identity.static_replica_id(url) == expected


def test_a_static_id_is_no_pod() -> None:
    assert identity.parse_replica_id("static/127.0.0.1:8000") is None


def test_a_static_replica_is_called_by_its_address() -> None:
    assert identity.replica("static/127.0.0.1:8000").label == "127.0.0.1:8000"
