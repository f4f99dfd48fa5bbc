"""`python -m bench.bare PORT THREADS`: an answer as long as the exchange's, with the same headers, and no work."""

import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from granian import Granian
from granian.constants import Interfaces

BODY = b"t" * 486
HEADERS = [
    ("Content-Type", "text/plain"),
    ("Content-Length", str(len(BODY))),
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),
]


def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [*HEADERS, ("X-Request-Id", os.urandom(10).hex())])
    return [BODY]


def main(port: int, threads: int) -> None:
    """Serve as `doorward serve` does."""
    server = Granian(
        "bench.bare",
        address="127.0.0.1",
        port=port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=threads,
        respawn_failed_workers=True,
        log_enabled=False,
    )
    server.serve(target_loader=lambda *_: app, wrap_loader=False)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
