"""Where the processes listen and who reaches whom: ports, probes, Services, policies, the Ingress."""

import pytest

import services.agreements.subscribers as agreements
import services.monitoring as monitoring
import services.partners.webhooks.collecting as partners
import services.surveys.subscribers as surveys
from deploy.local.environment import PROCESSES, SERVICES
from services.portal.settings import PROXIED
from shared.settings import PORTS
from tests.integration.deploy.chart.support import EVERYTHING, STEPS, VALUES, workloads
from tests.support.helm import RELEASE, Manifest, container_of, named, pod_of

pytestmark = [pytest.mark.helm, pytest.mark.slow]

METRICS = 8190
LISTENS = {
    "agreements": agreements.LISTENS_TO,
    "monitoring": monitoring.LISTENS_TO,
    "partners": partners.LISTENS_TO,
    "surveys": surveys.LISTENS_TO,
}


def test_ports_of_containers_probes_services_and_policies_agree(manifests: list[Manifest]) -> None:
    deployments, doors = named(manifests, "Deployment"), named(manifests, "Service")
    assert deployments.keys() == doors.keys() == set(PROCESSES)

    for name in PROCESSES:
        container = container_of(deployments[name])
        assert container["args"] == ["shared.web.serve", name]
        own = [{"name": "metrics", "containerPort": METRICS}] if name == "portal" else []
        assert container["ports"] == [{"name": "http", "containerPort": PORTS[name]}, *own]
        told = {each["name"]: each.get("value") for each in container["env"]}.get("PORTAL_METRICS_PORT")
        assert told == (str(METRICS) if name == "portal" else None)
        probes = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
        assert probes == {
            "startup": {"path": "/live", "port": "http"},
            "liveness": {"path": "/live", "port": "http"},
            "readiness": {"path": "/ready", "port": "http"},
        }
        assert doors[name]["spec"]["ports"] == [
            {"name": "http", "port": PORTS[name], "targetPort": "http"},
            {"name": "metrics", "port": METRICS, "targetPort": "metrics" if name == "portal" else "http"},
        ]


def selects(selector: dict[str, str], manifest: Manifest) -> bool:
    """Whether a selector means a workload's pods."""
    return set(selector.items()) <= set(manifest["spec"]["template"]["metadata"]["labels"].items())


def test_selectors_mean_the_pods_of_their_process_alone(manifests: list[Manifest]) -> None:
    pods = workloads(manifests)
    selectors = [(name, each["spec"]["selector"]) for name, each in named(manifests, "Service").items()]
    for kind, at in (("Deployment", "selector"), ("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
        selectors += [(name, each["spec"][at]["matchLabels"]) for name, each in named(manifests, kind).items()]
    for name, each in named(manifests, "Deployment").items():
        selectors += [
            (name, spread["labelSelector"]["matchLabels"]) for spread in pod_of(each)["topologySpreadConstraints"]
        ]

    for name, selector in selectors:
        assert [process for process, pod in pods.items() if selects(selector, pod)] == [name]


def callers(rules: list[Manifest]) -> set[str]:
    """The processes of the release that the rules name."""
    return {
        process
        for rule in rules
        for peer in (*rule.get("from", ()), *rule.get("to", ()))
        for expression in peer.get("podSelector", {}).get("matchExpressions", ())
        for process in expression["values"]
    }


def test_services_are_reached_by_those_who_ask_them_and_by_nobody_else(plain: list[Manifest]) -> None:
    asked = {(listener, source) for listener, sources in LISTENS.items() for source in sources if source != listener}
    asked |= {(name, "partners") for name in SERVICES if name != "partners"}  # who has an API key
    asked |= {("portal", name) for name in PROXIED}
    policies = named(plain, "NetworkPolicy")

    assert policies.keys() == {*PROCESSES, *STEPS}
    for name in SERVICES:
        (rule,) = policies[name]["spec"]["ingress"]
        assert callers([rule]) == {asker for asker, source in asked if source == name}, name
    for name, policy in policies.items():
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
        assert callers(policy["spec"]["egress"]) == {source for asker, source in asked if asker == name}, name
    assert policies["portal"]["spec"]["ingress"] == [{"ports": [{"port": "http"}]}]
    assert all("ingress" not in policies[name]["spec"] for name in STEPS)


def outside(policy: Manifest) -> set[int]:
    """The ports on which a policy lets requests out of the release, names' resolution apart."""
    rules = (rule for rule in policy["spec"]["egress"] if not callers([rule]))
    return {port["port"] for rule in rules for port in rule["ports"]} - {53}


def test_requests_go_out_to_the_engines_and_the_provider_alone(plain: list[Manifest], full: list[Manifest]) -> None:
    policies = named(plain, "NetworkPolicy")
    kafka, provider, postgresql = {9092, 9094}, {443, 8080}, {5432}

    for name in SERVICES:
        assert outside(policies[name]) == postgresql | kafka | provider, name
    assert outside(policies["portal"]) == provider
    assert outside(policies["roles"]) == outside(policies["migrations"]) == postgresql
    assert outside(policies["topics"]) == kafka
    named_peers = [
        rule["to"]
        for rule in named(full, "NetworkPolicy")["roles"]["spec"]["egress"]
        if {"port": 5432} in rule["ports"]
    ]
    assert named_peers == [EVERYTHING["networkPolicy"]["postgresql"]["to"]]


def test_only_the_portal_has_an_ingress(full: list[Manifest]) -> None:
    (ingress,) = named(full, "Ingress").values()
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]

    assert f"https://{rule['host']}" == VALUES["publicUrl"]
    assert path["backend"]["service"] == {"name": f"{RELEASE}-portal", "port": {"name": "http"}}
    assert {each["spec"]["type"] for each in named(full, "Service").values()} == {"ClusterIP"}
