"""The server, its mail worker or its database is killed at each step of a flow's request, until none is left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from doorward.core.migrate import migrate
from tests.faults.control import Control
from tests.faults.flows import Flow
from tests.faults.stage import Outcome, Stage, ask
from tests.faults.steps import is_foreground, watched
from tests.support.postgres import PostgresServer
from tests.support.smtp import SmtpCatcher

Kill = Callable[[Stage, Flow, int], Outcome | None]


@contextmanager
def on_sqlite(folder: Path, smtp: SmtpCatcher) -> Iterator[Stage]:
    """A stage on a new SQLite file."""
    url = f"sqlite:///{folder / 'doorward.db'}"
    migrate(url)
    yield Stage(url, folder, smtp, Control(folder.with_suffix(".control")))


@contextmanager
def on_postgresql(folder: Path, smtp: SmtpCatcher, postgres: PostgresServer, name: str = "faults") -> Iterator[Stage]:
    """A stage on a new database of the server."""
    url = postgres.create_database(name)
    migrate(url)
    yield Stage(url, folder, smtp, Control(folder.with_suffix(".control")), postgres)


def kill_server(stage: Stage, flow: Flow, step: int) -> Outcome | None:
    """Kill the server at the step, and audit; None when the request takes fewer steps."""
    stage.reference(flow)
    ready = stage.make_ready(flow)
    with stage.server(flow) as server:
        stage.control.arm(step)
        status = ask(ready, server.url)
        came = not stage.control.is_armed
        if came:
            server.wait_for_end()
    assert (status is None) == came, server.said
    outcome = Outcome(status, stage.audit(flow, ready, status))
    return outcome if came else None


def kill_database(stage: Stage, flow: Flow, step: int) -> Outcome | None:
    """The same with PostgreSQL, which is started again; the service goes on running."""
    assert stage.postgres is not None
    postgres = stage.postgres
    stage.reference(flow)
    ready = stage.make_ready(flow)

    def note() -> None:
        if stage.control.step():
            postgres.kill()

    with stage.service(flow) as service, watched(note, is_foreground):
        stage.control.arm(step)
        answer = ready.request.at(service)
        came = not stage.control.is_armed
        if came:
            postgres.start()
            assert answer.status_code in {503, flow.status}, answer.text
    outcome = Outcome(answer.status_code, stage.audit(flow, ready, answer.status_code))
    return outcome if came else None


def each_step(kill: Kill, stage: Stage, flow: Flow) -> list[Outcome]:
    """The outcome at each step, the first one first."""
    outcomes: list[Outcome] = []
    while (outcome := kill(stage, flow, len(outcomes) + 1)) is not None:
        outcomes.append(outcome)
    return outcomes
