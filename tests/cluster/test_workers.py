"""`doorward worker` processes on one PostgreSQL, beside a service that only writes mails down: each goes out once."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from doorward.app import build
from doorward.settings import load
from tests.support.clock import FakeClock
from tests.support.databases import copied_postgresql
from tests.support.person import good
from tests.support.postgres import PostgresServer
from tests.support.servers import WAIT_S, environment
from tests.support.service import Service
from tests.support.smtp import SmtpCatcher

WORKERS = 3
MAILS = 60


@contextmanager
def worker(environ: dict[str, str], log: Path) -> Iterator[None]:
    """One that runs, and then ends in an orderly way when it is told to."""
    command = [sys.executable, "-m", "doorward.cli.main", "worker"]
    with (
        log.open("a") as output,
        subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=output, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            assert "worker runs" in process.stdout.readline(), log.read_text()
            yield
            process.terminate()
            assert process.wait(WAIT_S) == 0
        finally:
            process.kill()


def test_workers_send_each_mail_once(
    postgres: PostgresServer, postgresql_template: str, tmp_path: Path, smtp: SmtpCatcher
) -> None:
    addresses = [f"once{number}@example.org" for number in range(MAILS)]
    logs = [tmp_path / f"worker-{number}.log" for number in range(WORKERS)]
    with copied_postgresql(postgres, postgresql_template) as url:
        environ = environment(url, tmp_path, smtp)
        ours = {name: value for name, value in environ.items() if name.startswith("DOORWARD_")}
        with closing(build(load(ours))) as doorward:
            service = Service(doorward, FakeClock(), smtp)
            for address in addresses:
                service.add_user(address, password=None)
                good(service.call("POST", "/user/password/reset/send", json={"email": address}))
            with worker(environ, logs[0]), worker(environ, logs[1]), worker(environ, logs[2]):
                smtp.wait_for(MAILS, WAIT_S)
            assert not doorward.worker.run_once()
    sent = Counter(to for mail in smtp.mails for to in mail.recipients)
    assert sent == dict.fromkeys(addresses, 1)
