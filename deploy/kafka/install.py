"""Fetches Apache Kafka once per machine: a Java runtime where there is none, and Kafka's jars through Maven."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from deploy.local.errors import StackError

JAVA_AT_LEAST = 17
POM = Path(__file__).with_name("pom.xml")

Say = Callable[[str], None]


def cache() -> Path:
    """Where downloads are kept for all stacks of this user; a folder per version of the pom."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "hamkor" / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"


def java(say: Say) -> str:
    """A Java of version 17 or later; as root on Debian it is installed when missing. Raises StackError."""
    found = _java()
    if found is None and _may_install():
        say("Installing a Java runtime (openjdk-17-jre-headless)")
        _apt("openjdk-17-jre-headless")
        found = _java()
    if found is None:
        raise StackError(
            f"Apache Kafka needs Java {JAVA_AT_LEAST} or later, and none was found in JAVA_HOME or on the PATH. "
            "Install one (Debian: apt-get install openjdk-17-jre-headless), or use the embedded engines."
        )
    return found


def jars(say: Say) -> Path:
    """The folder with Kafka's jars, fetched by Maven at the first call. Raises StackError."""
    target = cache()
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second stack waits for the first one's download
        if not target.exists():
            _fetch(target, say)
    return target


def _fetch(target: Path, say: Say) -> None:
    maven = shutil.which("mvn")
    if maven is None and _may_install():
        say("Installing Maven")
        _apt("maven")
        maven = shutil.which("mvn")
    if maven is None:
        raise StackError(
            "Apache Kafka is fetched by Maven, and there is no `mvn` on the PATH. Install it (Debian: apt-get install "
            "maven), or use the embedded engines."
        )
    say("Fetching Apache Kafka through Maven (45 MB, once)")
    with tempfile.TemporaryDirectory(dir=target.parent) as place:
        shutil.copy(POM, place)
        done = subprocess.run(
            [
                maven, "--batch-mode", "--quiet", "--no-transfer-progress", "dependency:copy-dependencies",
                "-DincludeScope=runtime", "-DoutputDirectory=jars",
            ],
            cwd=place,
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        if done.returncode != 0:
            words = "\n  ".join((done.stdout + done.stderr).strip().splitlines()[-8:])
            raise StackError(f"Maven could not fetch Apache Kafka.\n  {words}")
        (Path(place) / "jars").rename(target)


def _java() -> str | None:
    home = os.environ.get("JAVA_HOME")
    for candidate in (f"{home}/bin/java" if home else None, shutil.which("java")):
        if candidate is None or not Path(candidate).exists():
            continue
        said = subprocess.run([candidate, "-version"], capture_output=True, text=True, check=False).stderr
        version = re.search(r'version "(\d+)', said)
        if version and int(version.group(1)) >= JAVA_AT_LEAST:
            return candidate
    return None


def _may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _apt(package: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", package]):
        done = subprocess.run(
            ["apt-get", "-qq", *arguments], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise StackError(f"`apt-get install {package}` failed: {done.stderr.strip()}")
