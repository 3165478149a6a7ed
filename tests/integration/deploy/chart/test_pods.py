"""How the pods run and in what order, and what operators see of them."""

from pathlib import Path

import pytest
import yaml

from deploy.kafka import topics
from deploy.local.environment import PROCESSES, ROOT
from shared.settings import KafkaSettings
from tests.integration.deploy.chart.support import EVERYTHING, STEPS, VALUES, workloads
from tests.support.helm import CHART, Chart, Manifest, container_of, environment_of, named, pod_of, with_

pytestmark = [pytest.mark.helm, pytest.mark.slow]


def test_pods_may_do_nothing_but_their_work(manifests: list[Manifest]) -> None:
    for name, each in workloads(manifests).items():
        pod, container = pod_of(each), container_of(each)
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        writable = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
        assert writable == ["/tmp"], name
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}, name
        assert "memory" in container["resources"]["limits"], name


def test_every_pod_runs_the_one_image_that_is_named(chart: Chart, plain: list[Manifest]) -> None:
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    digest = f"sha256:{'0' * 64}"
    pinned = chart.render(with_(VALUES, image__tag="2", image__digest=digest, image__pullSecrets=["key"]))

    assert {container_of(each)["image"] for each in workloads(plain).values()} == {f"hamkor:{version}"}
    assert {container_of(each)["image"] for each in workloads(pinned).values()} == {f"hamkor@{digest}"}
    assert all(pod_of(each)["imagePullSecrets"] == [{"name": "key"}] for each in workloads(pinned).values())


def test_a_pod_has_the_time_to_end_that_it_has_in_compose(plain: list[Manifest]) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    needs_s = int(compose["services"]["partners"]["stop_grace_period"].removesuffix("s"))

    for name, each in named(plain, "Deployment").items():
        pause_s = container_of(each)["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert pod_of(each)["terminationGracePeriodSeconds"] >= pause_s + needs_s, name


def test_steps_run_in_the_order_of_compose_before_everything_else(plain: list[Manifest]) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    jobs = named(plain, "Job")
    weights = {name: int(each["metadata"]["annotations"]["helm.sh/hook-weight"]) for name, each in jobs.items()}

    assert {name: container_of(each)["args"] for name, each in jobs.items()} == {
        name: compose[name]["command"] for name in STEPS
    }
    assert weights["roles"] < weights["migrations"]
    secret = named(plain, "Secret")["steps"]["metadata"]["annotations"]
    assert int(secret["helm.sh/hook-weight"]) < min(weights.values())
    hooks = {each["metadata"]["annotations"]["helm.sh/hook"] for each in jobs.values()} | {secret["helm.sh/hook"]}
    assert hooks == {"pre-install,pre-upgrade"}
    # Nothing else of the release is there yet: not even its service account.
    assert not any("serviceAccountName" in pod_of(each) for each in jobs.values())


def test_topics_get_the_copies_that_are_asked_for(chart: Chart) -> None:
    job = named(chart.render(with_(VALUES, kafka__replication=5)), "Job")["topics"]

    assert environment_of(job) == {
        "KAFKA_BOOTSTRAP_SERVERS": VALUES["kafka"]["bootstrapServers"],
        "KAFKA_REPLICATION": "5",
        "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
    }
    assert environment_of(job).keys() - set(map(str.upper, KafkaSettings.model_fields)) == {"KAFKA_REPLICATION"}
    assert '"KAFKA_REPLICATION"' in Path(topics.__file__).read_text()


def test_steps_that_somebody_else_takes_are_left_out(chart: Chart) -> None:
    without = {name: {"enabled": False} for name in STEPS}
    manifests = chart.render(with_(VALUES, steps=without, secrets={"existing": "ours"}, postgresql={}))

    assert named(manifests, "Job") == {}
    assert named(manifests, "NetworkPolicy").keys() == set(PROCESSES)


def test_a_changed_secret_starts_new_pods(chart: Chart, plain: list[Manifest]) -> None:
    changed = chart.render(with_(VALUES, secrets__values__hamkor_app="another"))

    def seen(manifests: list[Manifest]) -> set[str]:
        pods = (each["spec"]["template"]["metadata"] for each in named(manifests, "Deployment").values())
        return {pod["annotations"]["checksum/secrets"] for pod in pods}

    assert len(seen(plain)) == 1
    assert seen(plain).isdisjoint(seen(changed))


def test_alerts_are_those_of_prometheus_word_for_word(full: list[Manifest]) -> None:
    (rule,) = named(full, "PrometheusRule").values()

    assert rule["spec"] == yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())


def test_metrics_keep_the_job_and_the_service_that_alerts_and_dashboard_know(full: list[Manifest]) -> None:
    (monitor,) = named(full, "ServiceMonitor").values()
    (endpoint,) = monitor["spec"]["endpoints"]

    assert {"targetLabel": "job", "replacement": "hamkor"} in endpoint["relabelings"]
    assert endpoint["honorLabels"]
    assert (endpoint["port"], endpoint["path"]) == ("metrics", "/metrics")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    assert all(wanted <= each["metadata"]["labels"].items() for each in named(full, "Service").values())
    for name in PROCESSES:
        policy = named(full, "NetworkPolicy")[name]["spec"]["ingress"]
        wanted = {
            "ports": [{"port": "metrics" if name == "portal" else "http"}],
            "from": EVERYTHING["networkPolicy"]["metricsFrom"],
        }
        assert wanted in policy, name


def test_the_dashboard_asks_the_data_source_that_is_named(full: list[Manifest]) -> None:
    ours = (ROOT / "deploy" / "grafana" / "dashboards" / "operators.json").read_text()
    (dashboard,) = named(full, "ConfigMap").values()

    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    given = yaml.safe_load(dashboard["data"]["hamkor-operators.json"])
    assert given == yaml.safe_load(ours.replace('"hamkor-prometheus"', '"theirs"'))
