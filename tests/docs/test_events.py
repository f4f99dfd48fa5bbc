"""`docs/events.md` names the types that there are, each written somewhere; its check of a signature works."""

import re
import time
from pathlib import Path
from typing import Any, get_args

from doorward.audit import EventType
from doorward.events.receivers import signature

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/events.md").read_text("utf-8")
TYPES = set(get_args(EventType))


def test_the_page_lists_all_types_and_no_others() -> None:
    table = PAGE[PAGE.index("\n## Types") : PAGE.index("\nThe methods are")]
    assert set(re.findall(r"^\| `([\w.]+)` \|", table, re.MULTILINE)) == TYPES


def test_every_type_is_written_by_some_code() -> None:
    code = "".join(path.read_text("utf-8") for path in (ROOT / "src/doorward").rglob("*.py") if path.name != "audit.py")
    pages = "".join(path.read_text("utf-8") for path in (ROOT / "src/doorward/http").rglob("*.py"))
    written = {name for name in TYPES if code.count(f'"{name}"') > pages.count(f'"{name}"')}
    assert written == TYPES


def test_a_receiver_can_check_the_signature_as_the_page_shows() -> None:
    found = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found[1], names)  # noqa: S102 -- what the page shows
    now, body = int(time.time()), b'{"events":[]}'
    good = f"t={now},v1={signature(b'secret', now, body)}"
    assert names["is_ours"]("secret", good, body)
    assert not names["is_ours"]("secret", good, body + b" ")
    assert not names["is_ours"]("another", good, body)
    assert not names["is_ours"]("secret", good.replace(f"t={now}", f"t={now + 1}"), body)
    old = now - 600
    assert not names["is_ours"]("secret", f"t={old},v1={signature(b'secret', old, body)}", body)
