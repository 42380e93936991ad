"""The router of pools whose prompts are computed apart: first to prefill, then to decode.

The gateway sees the decoding replicas alone, as behind llm-d's or Dynamo's router. A prompt that no
prefill replica computes, for none is there or it died over it, is computed where it is decoded.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from simulator.cluster import PoolSpec
from simulator.engine_roles import Decoding, Prefilling, Prompt
from simulator.pods import Pod
from simulator.requests import Leaving, Outcome, Phase, Request


@dataclass(frozen=True, slots=True)
class Apart:
    """A decoding replica as the gateway's route sees it: prompts go elsewhere first."""

    pod: Pod
    handover: "Handover"

    @property
    def uid(self) -> str:
        """The decoding replica's."""
        return self.pod.uid

    @property
    def answers(self) -> bool:
        """Whether the decoding replica takes a connection."""
        return self.pod.answers

    @property
    def engine(self) -> "Apart":
        """It is what takes the calls."""
        return self

    def submit(self, request: Request) -> None:
        """Have the prompt computed, then decode."""
        self.handover.begin(request, self.pod)

    def abandon(self, requests: Sequence[Request]) -> None:
        """Their callers hung up, wherever they are."""
        self.handover.abandon(requests, self.pod)


@dataclass(slots=True)
class _Journey:
    """A request whose prompt is being computed."""

    request: Request
    to: Pod
    by: Pod


@dataclass(slots=True)
class Handover:
    """Requests of all such pools between their two replicas."""

    hops: dict[str, float]
    """By pool whose prompts are computed apart: seconds from one replica to the other."""
    routable: Callable[[str], Sequence[Pod]]
    _at_prefill: dict[Request, _Journey] = field(default_factory=dict)
    """By what the prefill replica was asked."""
    _due: dict[str, list[tuple[float, int, Request]]] = field(default_factory=dict)
    """By uid of the decoding replica: what comes to it, and when."""
    _prompts: dict[Request, Prompt] = field(default_factory=dict)
    """By request: where its KV is kept."""
    _turn: int = 0

    @classmethod
    def of(cls, pools: Iterable[PoolSpec], routable: Callable[[str], Sequence[Pod]]) -> "Handover":
        """Between the replicas of *pools*; *routable* names those that take calls."""
        hops = {pool.name: pool.prefill.hop for pool in pools if pool.prefill is not None}
        return cls(hops, routable)

    def takers(self, pool: str, pods: Sequence[Pod]) -> Sequence[Pod | Apart]:
        """What the gateway calls of *pods*."""
        return [Apart(pod, self) for pod in pods] if pool in self.hops else pods

    def in_order(self, pods: Sequence[Pod]) -> Sequence[Pod]:
        """Prompts are computed before they are decoded with, also within a tick."""
        return sorted(pods, key=lambda pod: not pod.pool.serves) if self.hops else pods

    def begin(self, request: Request, to: Pod) -> None:
        """Have the prompt of *request* computed for *to*."""
        there = [one for one in self.routable(f"{to.pool.name}-prefill") if one.answers]
        if not there:
            self._send(request, to, request.arrived)
            return
        self._turn += 1
        turn = self._turn % len(there)
        busy = [journey.by.uid for journey in self._at_prefill.values()]
        by = min((*there[turn:], *there[:turn]), key=lambda one: busy.count(one.uid))
        asked = Request(request.ticket, request.arrived, request.input_tokens, 1,
                        request.cached_tokens, endless=True)  # fmt: skip
        self._at_prefill[asked] = _Journey(request, to, by)
        by.engine.submit(asked)

    def abandon(self, requests: Sequence[Request], at: Pod) -> None:
        """The callers of *requests* hung up."""
        gone = {id(one) for one in requests}
        for asked, journey in tuple(self._at_prefill.items()):
            if id(journey.request) in gone:
                del self._at_prefill[asked]
                journey.by.engine.abandon([asked])
        due = self._due.get(at.uid, [])
        for entry in [one for one in due if id(one[2]) in gone]:
            due.remove(entry)
            self._forget(entry[2])
        at.engine.abandon(requests)

    def deliver(self, pod: Pod, now: float) -> list[Leaving]:
        """What is due at *pod* goes in; what comes to a dead one is lost."""
        lost = []
        for at, _ticket, request in sorted(self._due.pop(pod.uid, []), key=lambda one: one[:2]):
            if pod.answers:
                request.arrived = at
                pod.engine.submit(request)
            else:
                request.phase = Phase.GONE
                self._forget(request, now)
                lost.append(Leaving(at, request, Outcome.LOST))
        return lost

    def settle(self, pod: Pod, now: float) -> Iterable[Leaving]:
        """What left *pod* by *now*, as far as the gateway is to hear of it."""
        leavings = pod.engine.leavings()
        engine = pod.engine
        if isinstance(engine, Prefilling):
            for leaving in leavings:
                self._computed(leaving, engine)
            engine.expire(now)
            return []
        if isinstance(engine, Decoding):
            for at, request, fine in engine.take_done():
                self._forget(request, None if fine else at)
            for leaving in leavings:
                self._forget(leaving.request, now if leaving.outcome is Outcome.LOST else None)
        return leavings

    def _computed(self, leaving: Leaving, engine: Prefilling) -> None:
        journey = self._at_prefill.pop(leaving.request, None)
        if journey is None:
            engine.release(leaving.request)  # its caller has gone
            return
        request = journey.request
        if leaving.outcome in (Outcome.STOP, Outcome.LENGTH):
            request.remote = True
            self._prompts[request] = Prompt(engine, leaving.request)
        self._send(request, journey.to, leaving.at + self.hops[journey.to.pool.name])

    def _send(self, request: Request, to: Pod, at: float) -> None:
        self._due.setdefault(to.uid, []).append((at, request.ticket, request))

    def _forget(self, request: Request, lapsed: float | None = None) -> None:
        """Its KV is not needed any more; nobody says so when it *lapsed* at a time."""
        prompt = self._prompts.pop(request, None)
        if prompt is None:
            return
        if lapsed is None:
            prompt.engine.release(prompt.request)
        else:
            prompt.engine.lapse(prompt.request, lapsed)
