"""Wheel and sdist are built by `python -m build`, hold what they should, and work from a folder of their own."""

import pathlib
import shutil
import subprocess
import sys
import tarfile
import zipfile

import datalayer

SOURCE = pathlib.Path(__file__).resolve().parents[3] / "src" / "python"


def test_wheel_and_sdist_hold_the_whole_client_and_work_by_themselves(tmp_path):
    # A copy, so that setuptools leaves nothing in the repository.
    copy = tmp_path / "source"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dist"))
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(copy)],
        capture_output=True, text=True, timeout=240,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    wheel, = (tmp_path / "dist").glob("*.whl")
    sdist, = (tmp_path / "dist").glob("*.tar.gz")
    assert wheel.name == f"datalayer-{datalayer.__version__}-py3-none-any.whl"
    modules = {f"datalayer/{path.name}" for path in (SOURCE / "datalayer").iterdir() if path.is_file()}
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert {"datalayer/py.typed", "datalayer/feed.py"} < modules <= names
        points, = [name for name in names if name.endswith("entry_points.txt")]
        assert b"datalayer = datalayer.fs:DataLayerFileSystem" in archive.read(points)
        archive.extractall(tmp_path / "site")
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
        assert modules | {"pyproject.toml", "README.md"} <= inside
    program = (
        "import datalayer, fsspec, sys\n"
        f"assert datalayer.__file__.startswith({str(tmp_path)!r})\n"
        "assert fsspec.get_filesystem_class('datalayer').__name__ == 'DataLayerFileSystem'\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run(
        [sys.executable, "-c", program], check=True, timeout=60, cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site"), "PATH": "/usr/bin:/bin"},
    )


def test_the_client_needs_the_standard_library_only(tmp_path):
    program = (
        "import sys\n"
        "for name in ('numpy', 'torch', 'fsspec'): sys.modules[name] = None\n"
        f"sys.path.insert(0, {str(SOURCE)!r})\n"
        "import datalayer\n"
        "spec = datalayer.OrderSpec(seed=1)\n"
        "print(datalayer.SampleOrder(spec, bytes(32), 100).take(0, range(100)))\n"
    )
    plain = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert plain.returncode == 0, plain.stderr
    whole = datalayer.SampleOrder(datalayer.OrderSpec(seed=1), bytes(32), 100).take(0, range(100))
    assert plain.stdout.strip() == str(whole.tolist())


def test_no_line_passes_120_characters():
    files = [*(SOURCE / "datalayer").glob("*.py"), *(SOURCE.parents[1] / "examples").glob("*.py")]
    assert len(files) > 15
    assert [f"{file.name}:{i + 1}" for file in files for i, line in enumerate(file.open()) if len(line) > 121] == []
