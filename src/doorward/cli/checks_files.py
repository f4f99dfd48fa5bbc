"""What `doorward check` looks at in files: the data folder, the secret key, and SQLite's database with its disk."""

import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

from doorward.cli.faults import NO_KEY_IN_FILE
from doorward.cli.point import Point, State
from doorward.core.sqlite_file import BESIDE, find_damage
from doorward.core.vault import KEY_FILE, NoSecretKey, Vault, read_secret_key
from doorward.settings import Settings

OTHERS = 0o077
SPACE_WARNING, SPACE_WRONG = 0.05, 0.01
MOUNTS = Path("/proc/self/mountinfo")
NETWORK_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "gfs2", "ocfs2"}
MOUNT_ESCAPES = {"\\040": " ", "\\011": "\t", "\\012": "\n", "\\134": "\\"}


def file_points(settings: Settings) -> Iterator[Point]:
    """Every point, the folder first."""
    yield from _data_folder(settings)
    yield _secret_key(settings)
    if settings.sqlite_file is not None:
        yield from _sqlite(settings.sqlite_file)


def _data_folder(settings: Settings) -> Iterator[Point]:
    folder = settings.data_dir
    if not folder.exists():
        above = _nearest_there(folder)
        if os.access(above, os.W_OK):
            yield Point("data folder", "ok", f"{folder} is not there yet: it is made once it is needed")
        else:
            found = f"{folder} is not there, and nothing can be made in {above}"
            yield Point("data folder", "failed", found, "set DOORWARD_DATA_DIR to a folder of yours")
        return
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        mend = "make it a folder that belongs to the user whom Doorward runs as"
        yield Point("data folder", "failed", f"{folder} can't be written", mend)
        return
    mode = folder.stat().st_mode & 0o777
    found = f"{folder} has mode {mode:04o}"
    yield (
        Point("data folder", "warning", f"{found}, 0700 is better: others can look in", f"chmod 700 {folder}")
        if mode & OTHERS
        else Point("data folder", "ok", found)
    )


def _secret_key(settings: Settings) -> Point:
    if settings.secret_key:
        return Point("secret key", "ok", f"set, {len(settings.secret_key)} characters")
    path = settings.data_dir / KEY_FILE
    return _key_file(settings, path) if path.exists() else _missing_key(settings, path)


def _key_file(settings: Settings, path: Path) -> Point:
    mode = path.stat().st_mode & 0o777
    if mode & OTHERS:
        return Point("secret key", "failed", f"{path} has mode {mode:04o}, not 0600", f"chmod 600 {path}")
    try:
        read_secret_key(settings.data_dir)
    except NoSecretKey as error:
        found, _, mend = NO_KEY_IN_FILE.format(error).partition(": ")
        return Point("secret key", "failed", found, mend)
    except OSError:
        return Point("secret key", "failed", f"{path} can't be read", "give it to the user whom Doorward runs as")
    if settings.sqlite_file is None:
        return Point("secret key", "warning", f"{path} is this machine's only", SHARE_KEY)
    return Point("secret key", "ok", f"{path} has mode {mode:04o}")


SHARE_KEY = "set DOORWARD_SECRET_KEY, the same on all servers of this database"


def _missing_key(settings: Settings, path: Path) -> Point:
    if settings.sqlite_file is None:
        return Point("secret key", "warning", f"none is set and {path} is not there", SHARE_KEY)
    return Point("secret key", "ok", f"{path} is not there: the first start on a new database makes it")


def find_vault(settings: Settings) -> Vault | None:
    """None where the secret key can't be read: none is made here."""
    if settings.secret_key:
        return Vault(settings.secret_key, settings.previous_secret_keys)
    try:
        return Vault(read_secret_key(settings.data_dir), settings.previous_secret_keys)
    except (NoSecretKey, OSError):
        return None


def _sqlite(path: Path) -> Iterator[Point]:
    yield file_system(path, MOUNTS.read_text() if MOUNTS.exists() else "")
    usage = shutil.disk_usage(_nearest_there(path))
    yield disk(path, usage.total, usage.free)
    if path.exists():
        yield _file(path)
        yield from _exposed(path)


def file_system(database: Path, mountinfo: str) -> Point:
    """SQLite's locks need a file system of this machine; `mountinfo` as in proc(5)."""
    kind = _type_of(_nearest_there(database).resolve(), mountinfo)
    if kind in NETWORK_SYSTEMS:
        found = f"{database} is on {kind}, a network file system: its locks are not reliable, and SQLite needs them"
        return Point("file system", "failed", found, "move the data folder to a local disk, or use PostgreSQL")
    if kind.startswith("fuse"):
        found = f"{database} is on {kind}, which may be a network's"
        return Point("file system", "warning", found, "keep the data folder on a local disk")
    return Point("file system", "ok", kind or "not known")


def _type_of(path: Path, mountinfo: str) -> str:
    found, longest = "", -1
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        mount = fields.split(" ")[4]
        for escaped, char in MOUNT_ESCAPES.items():
            mount = mount.replace(escaped, char)
        # The last of several mounts at one place is the one that shows.
        if path.is_relative_to(mount) and len(mount) >= longest:
            found, longest = rest.split(" ")[0], len(mount)
    return found


def disk(database: Path, total: int, free: int) -> Point:
    """`total` and `free` in bytes."""
    share = free / total if total else 0.0
    found = f"{share:.0%} free ({free // 2**20:,} MiB) for {database}"
    if share >= SPACE_WARNING:
        return Point("disk", "ok", found)
    state: State = "failed" if share < SPACE_WRONG else "warning"
    return Point("disk", state, f"only {found}: without room nobody can log in", "make room, or move the data folder")


def _file(path: Path) -> Point:
    """All of it, however long that takes; a start goes through smaller ones only."""
    damage = find_damage(path)
    if damage:
        return Point("database file", "failed", f"{path} is damaged: {damage}", MEND_DAMAGE)
    return Point("database file", "ok", f"{path.stat().st_size / 2**20:,.1f} MiB, no damage found")


def _exposed(database: Path) -> Iterator[Point]:
    """Files that an earlier release made, or somebody put there, in a folder that lets others in."""
    files = [database.with_name(database.name + end) for end in ("", *BESIDE)]
    exposed = [str(each) for each in files if each.exists() and each.stat().st_mode & OTHERS]
    if exposed and database.parent.stat().st_mode & OTHERS:
        names = ", ".join(exposed)
        yield Point("database modes", "warning", f"others can read {names}", f"chmod 600 {shlex.join(exposed)}")


MEND_DAMAGE = "keep a copy of it, then `doorward restore --force FILE` puts a back-up in its place"


def _nearest_there(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    absolute = path.absolute()
    return next(each for each in (absolute, *absolute.parents) if each.exists())
