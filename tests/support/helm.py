"""Helm for the tests of the chart: the one on the PATH, else built once a machine by Go; and what it renders."""

import copy
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deploy.kafka.install import cache

MODULE = "helm.sh/helm/v3/cmd/helm"
VERSION = "v3.19.0"
GO_AFTER_ITS_INSTALLATION = "/usr/local/go/bin/go"  # where Go puts itself; not everybody's PATH says so
CHART = Path(__file__).parents[2] / "deploy" / "helm" / "hamkor"
CLUSTER = (1, 30)
# Helm's own Makefile says so too which Kubernetes it is of; without, it takes itself for a very old one's.
OF_CLUSTER = " ".join(
    f"-X helm.sh/helm/v3/pkg/chartutil.k8sVersion{part}={number}"
    for part, number in zip(("Major", "Minor"), CLUSTER, strict=True)
)
RELEASE, NAMESPACE = "hamkor", "education"

Values = dict[str, Any]
Manifest = dict[str, Any]


class NoHelm(Exception):
    """There is no Helm, and no Go that could make one."""


class Refused(Exception):
    """Helm has refused the values; its words."""


def helm() -> str:
    """Helm's program; building it takes minutes, once a machine. Raises NoHelm."""
    if found := shutil.which("helm"):
        return found
    built = cache().with_name(f"helm-{VERSION}") / "helm"
    if not built.exists():
        built.parent.parent.mkdir(parents=True, exist_ok=True)
        with built.parent.with_name(f"{built.parent.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another run may be building it
            if not built.exists():
                _build(built.parent)
    return str(built)


def _build(folder: Path) -> None:
    go = shutil.which("go") or shutil.which(GO_AFTER_ITS_INSTALLATION)
    if go is None:
        raise NoHelm("the chart is rendered by Helm: there is neither `helm` nor a `go` that could build it")
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        made = subprocess.run(
            ["nice", "-n", "10", go, "install", "-p", "2", "-ldflags", OF_CLUSTER, f"{MODULE}@{VERSION}"],
            env={**os.environ, "GOBIN": f"{place}/bin", "CGO_ENABLED": "0"},
            cwd=place,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise NoHelm(f"Go could not build Helm: {' '.join(made.stderr.splitlines()[-3:])}")
        (Path(place) / "bin").rename(folder)


@dataclass(frozen=True)
class Chart:
    """Our chart, and the Helm that reads it."""

    program: str

    def render(self, values: Values) -> list[Manifest]:
        """The manifests of an installation, hooks included; raises Refused."""
        said = self._run(values, "template", RELEASE, str(CHART), "--namespace", NAMESPACE)
        return [each for each in yaml.safe_load_all(said) if each is not None]

    def lint(self, values: Values) -> str:
        """What `helm lint --strict` says, of NOTES.txt too; raises Refused where it finds anything."""
        return self._run(values, "lint", str(CHART), "--strict")

    def _run(self, values: Values, *arguments: str) -> str:
        done = subprocess.run(
            [self.program, *arguments, "--values", "-"],
            input=yaml.safe_dump(values),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise Refused(done.stderr + done.stdout)
        return done.stdout


def with_(values: Values, **changes: Any) -> Values:
    """The values with others in their place: `with_(VALUES, services__portal__replicas=3)`."""
    changed = copy.deepcopy(values)
    for path, value in changes.items():
        *above, last = path.split("__")
        place = changed
        for name in above:
            place = place.setdefault(name, {})
        place[last] = value
    return changed


def named(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    """The manifests of a kind by the name of what they are of: `partners` instead of `hamkor-partners`."""
    found = (each for each in manifests if each["kind"] == kind)
    return {each["metadata"]["name"].removeprefix(f"{RELEASE}-"): each for each in found}


def pod_of(manifest: Manifest) -> Manifest:
    """The spec of the pods that a Deployment or a Job makes."""
    pod: Manifest = manifest["spec"]["template"]["spec"]
    return pod


def container_of(manifest: Manifest) -> Manifest:
    """The one container of its pods."""
    (container,) = pod_of(manifest)["containers"]
    return dict(container)


def environment_of(manifest: Manifest) -> dict[str, str]:
    """The environment of its container."""
    return {each["name"]: each["value"] for each in container_of(manifest).get("env", ())}


def files_of(manifest: Manifest, secrets: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Path → content of the files that its container finds; KeyError for a Secret or a key that is nowhere.

    ConfigMaps are looked up among the `secrets`, too.
    """
    mounts = {mount["name"]: mount["mountPath"] for mount in container_of(manifest)["volumeMounts"]}
    found: dict[str, str] = {}
    for volume in pod_of(manifest)["volumes"]:
        parts = [(volume["secret"]["secretName"], volume["secret"]["items"])] if "secret" in volume else []
        for source in volume.get("projected", {}).get("sources", ()):
            (part,) = source.values()
            parts.append((part["name"], part["items"]))
        for name, items in parts:
            found |= {f"{mounts[volume['name']]}/{item['path']}": secrets[name][item["key"]] for item in items}
    return found
