"""The wheel: the same bytes wherever it is built, whole, and good for a new environment."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from sysconfig import get_path

import pytest

from doorward import __version__

ROOT = Path(__file__).parents[1]
NAME = f"doorward-{__version__}-py3-none-any.whl"
DATE = "1790000000"


def built(folder: Path, mask: int) -> Path:
    """The wheel of a copy of this tree in a new folder, made as somebody with this umask makes it."""
    before = os.umask(mask)
    try:
        shutil.copytree(ROOT / "src", folder / "src", copy_function=shutil.copyfile)
        for name in ("pyproject.toml", "README.md"):
            shutil.copyfile(ROOT / name, folder / name)
        command = [sys.executable, "-m", "flit_core.wheel", "--outdir", "dist", "."]
        subprocess.run(command, cwd=folder, env=os.environ | {"SOURCE_DATE_EPOCH": DATE}, check=True)
    finally:
        os.umask(before)
    return folder / "dist" / NAME


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("wheel"), 0o022)


def test_another_folder_date_and_umask_give_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    other = built(tmp_path / "elsewhere" / "copy", 0o077)
    assert other.read_bytes() == wheel.read_bytes()


def test_it_holds_every_file_of_the_package_and_no_other(wheel: Path) -> None:
    package = ROOT / "src"
    ours = {
        str(path.relative_to(package))
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as read:
        names = {name for name in read.namelist() if ".dist-info/" not in name}
    assert names == ours
    for kind in (".j2", ".mo", ".css", "openapi.json"):
        assert any(name.endswith(kind) for name in names), kind


def test_it_runs_in_a_new_environment(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", symlinks=True)
    installed = tmp_path / "env" / "bin"
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(installed / "python"),
        "install",
        "-q",
        "--no-index",
        "--no-deps",
    ]
    subprocess.run([*install, str(wheel)], check=True)
    # What it depends on comes from this environment, and not its own Doorward: that is in a .pth, unread here.
    environ = os.environ | {"PYTHONPATH": get_path("purelib")}
    told = subprocess.run(
        [installed / "doorward", "--version"], env=environ, capture_output=True, text=True, check=True
    )
    assert __version__ in told.stdout
    where = "import doorward.http.app; print(doorward.__file__)"
    found = subprocess.run([installed / "python", "-c", where], env=environ, capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()).is_relative_to(tmp_path)
