"""
Debian packages without root: downloaded by apt, unpacked beside the system, never installed.

apt works well for an ordinary user once its lists and its cache lie in folders of that user. The
archive it talks to is the one this machine is configured with, read at run time from its own
sources, in either format; a newer release is the same archive under another suite name.
apt resolves against what the machine already has installed, so that only missing libraries are
fetched, and checks the archive's signatures as always.

Wrong on machines that are not Debian: there the rig says so and is unavailable.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rigs import cache

OWN_RELEASE = "own"
"""The release this machine runs, with its security updates."""

TESTING = "forky"
"""The release that stands for "newest". Its Go programs run on older systems too."""

_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_ONE_LINE = re.compile(r"^deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s")


@dataclass(frozen=True, slots=True)
class Source:
    """One archive and suite the machine is configured with."""

    uri: str
    suite: str
    keyring: str = _KEYRING

    def line(self, kind: str) -> str:
        """The one-line form; *kind* is deb for programs, deb-src for what they are made of."""
        return f"{kind} [signed-by={self.keyring}] {self.uri} {self.suite} main"


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Packages unpacked into a folder that looks like a file system's root."""

    folder: Path

    def binary(self, name: str) -> Path:
        """The program *name* among the unpacked packages."""
        path = self.folder / "usr" / "bin" / name
        if not path.exists():
            raise cache.RigUnavailable(f"{name} is not in the unpacked Debian packages")
        return path

    @property
    def library_path(self) -> str:
        """A value for LD_LIBRARY_PATH: every unpacked folder that holds shared libraries."""
        holders = {path.parent for path in self.folder.rglob("lib*.so*")}
        return ":".join(sorted(str(holder) for holder in holders))


def unpacked(
    name: str,
    packages: Sequence[str],
    suite: str = OWN_RELEASE,
    finish: Callable[[Path], None] = lambda root: None,
) -> Unpacked:
    """
    *packages* of *suite* and the dependencies this machine lacks, unpacked once under *name*.

    *finish* is called once with the unpacked root, for what needs a last touch to run from there.

    Raises:
        RigUnavailable: No apt, no Debian archive configured, or it cannot be reached.
    """
    sources = _sources_for(suite)
    suites = " ".join(source.suite for source in sources)
    recipe = f"debian {suites}: {' '.join(sorted(packages))}"

    def make(folder: Path) -> None:
        apt = _PrivateApt(name, folder / "apt", sources)
        apt.update()
        if suite == OWN_RELEASE:
            wanted = apt.with_missing_dependencies(packages)
        else:
            # Dependencies of another release would be that release's C library: never mixed in.
            wanted = [f"{package}/{suite}" for package in packages]
        for archive in apt.download(wanted):
            cache.ran(f"{name}: unpack", ["dpkg", "-x", archive, folder / "root"])
        finish(folder / "root")
        shutil.rmtree(folder / "apt")

    return Unpacked(cache.made_once(name, recipe, make) / "root")


def source_archives(package: str, folder: Path) -> list[Path]:
    """
    The archives of the source package *package* of this release, downloaded below *folder*.

    Raises:
        RigUnavailable: No apt, no Debian archive configured, or it cannot be reached.
    """
    apt = _PrivateApt(package, folder / "apt", _sources_for(OWN_RELEASE), kind="deb-src")
    apt.update()
    return apt.download_source(package)


def installed(program: str, suite: str = OWN_RELEASE) -> Path | None:
    """The *program* as the system's own package has it, where *suite* is the system's release."""
    path = Path("/usr/bin") / program
    return path if suite == OWN_RELEASE and path.exists() else None


def machine_sources(etc: Path = Path("/etc/apt")) -> list[Source]:
    """Debian's own archives among apt's sources of this machine; third parties' are left out."""
    found: list[Source] = []
    files = [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]
    for file in files:
        if not file.is_file():
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        if file.suffix == ".sources":
            found.extend(_from_deb822(text))
        else:
            found.extend(_from_one_line(text))
    return [source for source in found if _is_debian(source)]


def _from_one_line(text: str) -> Iterable[Source]:
    for line in text.splitlines():
        match = _ONE_LINE.match(line.strip() + " ")
        if match:
            signed = re.search(r"signed-by=(\S+)", match["options"] or "", re.IGNORECASE)
            keyring = signed[1] if signed else _KEYRING
            yield Source(match["uri"], match["suite"], keyring)


def _from_deb822(text: str) -> Iterable[Source]:
    kept = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", kept):
        fields = {
            key.strip().lower(): value.strip()
            for key, _, value in (line.partition(":") for line in stanza.splitlines())
        }
        if fields.get("enabled", "yes").lower() == "no":
            continue
        if "deb" not in fields.get("types", "").split():
            continue
        signed = fields.get("signed-by", "")
        keyring = signed if signed.startswith("/") else _KEYRING
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield Source(uri, suite, keyring)


def _is_debian(source: Source) -> bool:
    path = source.uri.rstrip("/")
    return path.endswith(("/debian", "/debian-security")) and not source.suite.endswith("/")


def _sources_for(suite: str) -> list[Source]:
    sources = machine_sources()
    archives = [source for source in sources if source.uri.rstrip("/").endswith("/debian")]
    if not archives:
        raise cache.RigUnavailable("apt on this machine is not configured with a Debian archive")
    return sources if suite == OWN_RELEASE else [replace(archives[0], suite=suite)]


class _PrivateApt:
    """apt with lists and cache in a folder of ours. Needs no root, changes nothing outside."""

    def __init__(
        self, name: str, folder: Path, sources: Sequence[Source], kind: str = "deb"
    ) -> None:
        self.name = name
        self.downloads = folder / "downloads"
        for made in ("lists/partial", "cache/archives/partial", "downloads"):
            (folder / made).mkdir(parents=True)
        listed = folder / "sources.list"
        lines = "".join(f"{source.line(kind)}\n" for source in sources)
        listed.write_text(lines, encoding="utf-8")
        options = {
            "Dir::Etc::sourcelist": listed,
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State::lists": folder / "lists",
            "Dir::Cache": folder / "cache",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            # By default a list that cannot be fetched is a warning, and what follows misleads.
            "APT::Update::Error-Mode": "any",
            # Started by root, apt would download as a user who may not enter our folder.
            "APT::Sandbox::User": "root",
        }
        self._command = ["apt-get", "-q"]
        for key, value in options.items():
            self._command += ["-o", f"{key}={value}"]

    def update(self) -> None:
        """Fetch the lists of packages."""
        self._run("lists of packages", ["update"])

    def with_missing_dependencies(self, packages: Sequence[str]) -> list[str]:
        """*packages* and what they need beyond the installed, each as name=version."""
        planned = self._run(
            "dependencies",
            ["--simulate", "--reinstall", "--no-install-recommends", "install", *packages],
        )
        inst = re.compile(r"^Inst (\S+) (?:\[[^\]]*\] )?\((\S+)", re.MULTILINE)
        return [f"{name}={version}" for name, version in inst.findall(planned)]

    def download(self, packages: Sequence[str]) -> list[Path]:
        """Fetch *packages* and nothing else."""
        self._run("download", ["download", *packages])
        return sorted(self.downloads.glob("*.deb"))

    def download_source(self, package: str) -> list[Path]:
        """Fetch the source of *package*: apt checks it against the signed lists."""
        self._run("download", ["--download-only", "source", package])
        return sorted(self.downloads.glob("*.tar.*"))

    def _run(self, what: str, arguments: Sequence[str]) -> str:
        return cache.ran(
            f"{self.name}: {what}",
            [*self._command, *arguments],
            cwd=self.downloads,
            env={**os.environ, "LC_ALL": "C"},
        )
