"""Worlds for cards to look at: pods of a cluster, and servers that nobody orchestrates."""

from dataclasses import replace

import pytest
from incident_scenes import World

from vocabulary.entities import Entity, EntityKind


@pytest.fixture
def world() -> World:
    made = World()
    made.add_pool()
    made.series["tenant_operations_per_second"] = [
        ({"tenant": "acme", "model": "model-chat"}, [3.0] * 15),
        ({"tenant": "small", "model": "model-chat"}, [1.0] * 15),
    ]
    made.series["requests_running"] = [
        (
            {"replica": one.entity.id, "pool": one.pool, "model": one.model, "vantage": "engine"},
            [128.0] * 60,
        )
        for one in made.replicas
    ]
    return made


@pytest.fixture
def static_world() -> World:
    made = World()
    made.add_pool("chat", 2)
    made.replicas = [
        replace(
            one,
            entity=Entity(EntityKind.REPLICA, f"static/10.0.0.{n}:8000", f"10.0.0.{n}:8000"),
            pool="model-chat",
            node="",
        )
        for n, one in enumerate(made.replicas)
    ]
    return made
