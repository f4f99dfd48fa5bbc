"""What is so at this moment, for `/metrics`: hashes that wait, connections in use, the age of the outbox.

It is read when somebody asks. Where several processes serve, one of them is asked, so each also notes its own every
few seconds.
"""

from doorward.core import metrics
from doorward.core.clock import SECOND
from doorward.core.errors import DatabaseUnavailable
from doorward.core.periodic import Periodic
from doorward.env import Env
from doorward.mail.outbox import oldest

EVERY_S = 5.0


class Figures(Periodic):
    """Reads them and writes them into the gauges."""

    def __init__(self, env: Env) -> None:
        super().__init__("figures", EVERY_S)
        self._env = env

    def note(self) -> None:
        """Takes two seconds at most: where the database gives no answer by then, the outbox keeps its last figure."""
        hasher, db = self._env.hasher, self._env.db
        metrics.hashes_waiting.set(hasher.waiting)
        metrics.hash_wait.set(hasher.expected_wait_s)
        for kind, (used, most) in db.connections_in_use().items():
            metrics.connections.labels(kind).set(used)
            metrics.connections_limit.labels(kind).set(most)
        try:
            written_at = oldest(db.probes())
        except DatabaseUnavailable:
            metrics.database_up.set(0)
            return
        metrics.database_up.set(1)
        metrics.outbox_oldest.set(max(0, self._env.clock.now_ms() - written_at) / SECOND if written_at else 0)

    def run(self) -> None:
        """Note them at once and every few seconds until `stop`."""
        self.turn()
        super().run()

    def work(self) -> None:
        self.note()
