"""The clock jumps while a request is made, or after its answer."""

from tests.faults.flows import MINUTE_S, Flow
from tests.faults.stage import Stage, let_mails_be_tried

HOUR_S = 60 * MINUTE_S


def with_clock(stage: Stage, flow: Flow, seconds: int) -> str:
    """The clock jumps before the request, and is put right after it; gives what was answered meanwhile."""
    ready = stage.make_ready(flow)
    with stage.service(flow) as service:
        ready.person.service = service
        stage.control.advance(seconds)
        answer = ready.request.at(service)
        done = answer.status_code == flow.status
        if done and flow.soon:
            ready.holds()
        stage.control.advance(-seconds)
        if not done:
            assert answer.status_code in {401, 429}, answer.text
            again = ready.request.at(service)
            assert again.status_code == flow.status, again.text
        if not (done and flow.soon):
            let_mails_be_tried(service.doorward.env)
            ready.holds()
    return str(answer.status_code) if done else f"{answer.status_code} {answer.json()['message']}"


def with_clock_afterwards(stage: Stage, flow: Flow, seconds: int) -> int:
    """The clock jumps after the answer: what was used up stays so. Gives what the same request is answered then."""
    ready = stage.make_ready(flow)
    with stage.service(flow) as service:
        ready.person.service = service
        assert ready.request.at(service).status_code == flow.status
        stage.control.advance(seconds)
        answer = ready.request.at(service)
        stage.control.advance(-seconds)
        if flow.once:
            assert answer.status_code in {401, 409, 429}, answer.text
        else:
            assert answer.status_code in {flow.status, 401, 429}, answer.text
    return answer.status_code
