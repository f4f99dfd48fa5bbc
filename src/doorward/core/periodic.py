"""What is done in the background again and again until it is stopped, whatever becomes of the database meanwhile."""

import threading
from abc import ABC, abstractmethod

from doorward.core.errors import DatabaseUnavailable
from doorward.core.logs import logger


class Periodic(ABC):
    """Works, rests, and works again. `name` is what the log calls it, `rest_s` how many seconds it rests as a rule.

    After whatever failed it rests as long: a database that is away is asked no more often than one that is there.
    """

    def __init__(self, name: str, rest_s: float) -> None:
        self._name = name
        self._rest_s = rest_s
        self._stopping = threading.Event()
        self._is_out = False

    def run(self) -> None:
        """Rest and work until `stop`, which ends a rest at once."""
        rest_s = self._rest_s
        while not self._stopping.wait(rest_s):
            rest_s = self.turn()

    def stop(self) -> None:
        self._stopping.set()

    def turn(self) -> float:
        """Work once, whatever comes of it; gives the seconds to rest. Of an outage, the log tells begin and end."""
        try:
            rest_s = self.work()
        except DatabaseUnavailable:
            if not self._is_out:
                logger.warning(f"{self._name}: database unavailable")
            self._is_out = True
            return self._rest_s
        except Exception as error:  # noqa: BLE001 -- the next time may do better; without any, nothing is done any more
            logger.error(f"{self._name}: crash", error)
            return self._rest_s
        if self._is_out:
            logger.info(f"{self._name}: database available again")
        self._is_out = False
        return self._rest_s if rest_s is None else rest_s

    @abstractmethod
    def work(self) -> float | None:
        """What is to be done; gives the seconds to rest, or None for as long as ever. Whatever it raises is logged."""
