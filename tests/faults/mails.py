"""The mail server misbehaves, or the mail worker is killed, while a mail is on its way."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import sqlalchemy as sa

from doorward.core.clock import MINUTE, SECOND
from doorward.core.tables import outbox
from doorward.mail.outbox import NEVER, send_again
from doorward.mail.worker import CLAIM
from tests.faults.flows import FLOWS, Flow
from tests.faults.stage import Outcome, Stage, let_mails_be_tried
from tests.faults.victim import Victim
from tests.support.servers import environment, wait_until
from tests.support.service import Service
from tests.support.smtp import SmtpCatcher

RESET_MAIL = next(flow for flow in FLOWS if flow.name == "reset, mail")


def with_mail_server(stage: Stage, flow: Flow, misbehave: Callable[[SmtpCatcher], None]) -> int:
    """The mail server misbehaves while the flow's mails are to be sent; gives how many came, each of them once."""
    impatient = replace(flow, settings={**flow.settings, "smtp_timeout": "1"})
    ready = stage.make_ready(impatient)
    with stage.service(impatient) as service:
        _begin_anew(stage, service)
        misbehave(stage.smtp)
        answer = ready.request.at(service)
        assert answer.status_code == flow.status, answer.text
        written = _waiting(service)
        service.deliver()
        stage.smtp.accept()
        _try_again(service)
        service.deliver()
        assert _waiting(service) == 0
        came = Counter(mail.message["Message-ID"] for mail in stage.smtp.mails)
        assert sorted(came.values()) == [1] * written, came
        ready.person.service = service
        ready.holds()
    return written


def _begin_anew(stage: Stage, service: Service) -> None:
    """No mail waits, and none has come."""
    with service.doorward.env.db.write() as tx:
        tx.execute(sa.delete(outbox))
    stage.smtp.clear()


def _waiting(service: Service) -> int:
    with service.doorward.env.db.read() as tx:
        return int(tx.execute(sa.select(sa.func.count()).select_from(outbox)).scalar_one())


def _try_again(service: Service) -> None:
    """Let time pass for the mails that wait, and the administrator bring back those that were given up."""
    let_mails_be_tried(service.doorward.env)
    with service.doorward.env.db.write() as tx:
        for mail_id in tx.execute(sa.select(outbox.c.id).where(outbox.c.next_attempt_at == NEVER)).scalars().all():
            assert send_again(tx, mail_id)


def kill_worker(stage: Stage, step: int) -> Outcome | None:
    """Kill `doorward worker` at a step, from its start on; None when it has sent the mail before."""
    ready = stage.make_ready(RESET_MAIL)
    with stage.service(RESET_MAIL) as service:
        _begin_anew(stage, service)
        assert ready.request.at(service).status_code == RESET_MAIL.status
        stage.control.arm(step)
        worker = Victim(
            environment(stage.url, stage.folder, stage.smtp), stage.folder, stage.control.path, command="worker"
        )
        try:
            worker.launch()
            wait_until(lambda: not worker.is_alive or _waiting(service) == 0)
            if _waiting(service):
                worker.wait_for_end()
        finally:
            worker.kill()
        came = not stage.control.is_armed
        stage.control.disarm()
        sent_before = len(stage.smtp.mails)
        # Its claim runs out.
        stage.control.advance((CLAIM + MINUTE) / SECOND)
        service.deliver()
        assert _waiting(service) == 0
        assert 1 <= len(stage.smtp.mails) <= 2
        assert len({mail.message["Message-ID"] for mail in stage.smtp.mails}) == 1
        ready.person.service = service
        ready.holds()
    return Outcome(len(stage.smtp.mails), "done" if sent_before else "not done") if came else None
