"""`doorward worker`: sends mails and sweeps, beside servers that only serve."""

import argparse
from contextlib import closing

from doorward.app import build
from doorward.cli.environment import require_installation
from doorward.cli.parser import Parser
from doorward.cli.prepare import prepare
from doorward.cli.signals import call_when_told
from doorward.core import logs
from doorward.core.sqlite_file import require_sound
from doorward.settings import Settings


def arguments(parser: Parser) -> None:
    parser.set_defaults(run=work)


def work(settings: Settings, _args: argparse.Namespace) -> None:
    """Send mails and sweep until told to stop, where a server has begun. Raises Failure, Damaged."""
    require_installation(settings)
    if settings.sqlite_file is not None:
        require_sound(settings.sqlite_file)
    prepare(settings)
    logs.configure(settings.log_format)
    with closing(build(settings)) as doorward:
        call_when_told(doorward.worker.stop)
        print("Doorward's mail worker runs", flush=True)
        doorward.start_sweeping()
        doorward.worker.run()
