"""Ports, the folder and the environment of the local stack."""

import json
import socket
from pathlib import Path

import pytest

from deploy.local import environment, ports
from deploy.local.environment import PROCESSES
from deploy.local.errors import AlreadyRunning, PortTaken
from deploy.local.folder import SOCKET_FOLDER_LIMIT, Folder
from deploy.local.ports import PREFERRED, Ports, choose
from deploy.local.process import limit_log
from services.portal.settings import load_portal_settings
from shared.settings import load_settings


def test_every_process_gets_a_port_of_its_own() -> None:
    chosen = choose(PROCESSES, Ports.FREE, {})

    assert chosen.keys() == set(PROCESSES)
    assert len(set(chosen.values())) == len(PROCESSES)


def test_free_ports_are_none_that_the_kernel_gives_to_clients() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getsockname()[1] >= ports.clients_from()

    chosen = ports.free(200)

    assert len(set(chosen)) == len(chosen)
    assert all(ports.LOWEST_FREE <= port < ports.clients_from() for port in chosen)


def test_where_every_port_is_taken_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    (taken,) = ports.free(1)
    monkeypatch.setattr("random.randrange", lambda *_: taken)

    with pytest.raises(PortTaken, match=r"No free port found on 127\.0\.0\.1 from \d+ to \d+ in 200 draws\."):
        ports.free(2)


def test_preferred_port_that_is_taken_gives_way_to_the_next_free_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("deploy.local.ports.PREFERRED", {"portal": port})
            chosen = choose(("portal",), Ports.PREFERRED, {})

    assert port < chosen["portal"] < port + 200


def test_port_from_the_environment_is_taken_as_it_is() -> None:
    (port,) = choose(("portal",), Ports.FREE, {}).values()

    assert choose(("portal",), Ports.PREFERRED, {"PORTAL_PORT": str(port)}) == {"portal": port}


@pytest.mark.parametrize("text", ["eighty", "0", "65536", "-1"])
def test_port_that_is_none_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(PortTaken, match=rf"PORTAL_PORT='{text}' is not a port: expected a number from 1 to 65535\."):
        choose(("portal",), Ports.PREFERRED, {"PORTAL_PORT": text})


def test_folder_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    one, other = Folder(tmp_path), Folder(tmp_path)
    one.hold()
    one.write_state({"pid": 4711, "urls": {"portal": "http://127.0.0.1:8100"}})

    with pytest.raises(AlreadyRunning, match=r"process 4711, dashboard http://127\.0\.0\.1:8100"):
        other.hold()
    assert other.is_held()

    one.release()
    assert not other.is_held()
    other.hold()
    other.release()


def test_secrets_are_made_once_and_read_by_their_owner_alone(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.make()

    first = folder.secret("service_client")
    text = first.read_text()

    assert folder.secret("service_client").read_text() == text
    assert len(text) >= 32
    assert first.stat().st_mode & 0o777 == 0o600
    assert folder.signing_key().read_text() == folder.signing_key().read_text()


def test_socket_folder_stays_within_what_a_socket_path_can_hold(tmp_path: Path) -> None:
    assert Folder(Path("/short")).run == Path("/short/run")
    deep = Folder(tmp_path / ("deep" * 20) / "folder")

    assert len(bytes(deep.run)) <= SOCKET_FOLDER_LIMIT
    assert deep.run != Folder(tmp_path / ("deep" * 20) / "other").run


def test_state_that_was_cut_off_reads_as_none(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.state.write_text('{"pid": 1')

    assert folder.read_state() == {}


def engines(folder: Folder) -> dict[str, str]:
    """What the engines add to the environment."""
    url = "postgresql+asyncpg://hamkor_app:x@/x?host=/run"
    return {"KAFKA_BOOTSTRAP_SERVERS": f"file:{folder.broker_address}"} | {
        f"{name.upper()}_DATABASE_URL": url for name in environment.SERVICES
    }


def test_every_process_starts_from_the_environment_of_the_stack(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.make()
    variables = environment.compose(folder, PREFERRED, {}) | engines(folder)

    for name in environment.SERVICES:
        assert load_settings(name, variables).port == PREFERRED[name]
    portal = load_portal_settings(variables)
    assert portal.embedded_issuer
    assert portal.issuer_key_file == folder.signing_key()


def test_what_the_outer_environment_says_wins(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.make()
    outer = {"SERVICE_CLIENT_SECRET": "from-outside-0123456789", "LOG_LEVEL": "debug", "PRIVACY_K": "5"}
    variables = environment.compose(folder, PREFERRED, outer) | engines(folder)

    settings = load_settings("partners", variables)

    assert settings.service_client_secret == "from-outside-0123456789"
    assert (settings.log_level, settings.privacy_k) == ("debug", 5)


def test_log_beyond_its_limit_is_laid_aside_while_the_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "partners.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * 100)
        limit_log(log, keep_bytes=50)
        writer.write(b"more")

    assert log.read_bytes() == b"more"
    assert (tmp_path / "partners.log.1").read_bytes() == b"x" * 100


def test_state_is_written_whole(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.make()
    folder.write_state({"pid": 1, "processes": {}})

    assert json.loads(folder.state.read_text()) == {"pid": 1, "processes": {}}
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".stack")] == []


def test_file_of_the_environment_keeps_nothing_else_of_the_callers_shell(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.make()
    outer = {"AWS_SECRET_ACCESS_KEY": "x", "HOME": "/home/x", "PRIVACY_K": "12", "PORTAL_DEMO_PASSWORD": "demo"}
    variables = environment.compose(folder, PREFERRED, outer) | engines(folder)
    kept = environment.ours(variables)
    assert "AWS_SECRET_ACCESS_KEY" in variables
    assert not {"AWS_SECRET_ACCESS_KEY", "HOME", "PATH"} & set(kept)
    assert {"PRIVACY_K", "PORTAL_DEMO_PASSWORD", "AUTH_TOKEN_URL", "SERVICE_CLIENT_SECRET_FILE"} <= set(kept)
    load_portal_settings(kept)
    for name in PROCESSES[:-1]:
        load_settings(name, kept)
