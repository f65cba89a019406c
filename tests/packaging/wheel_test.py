"""What `pip install .` gives: built from the checkout into an environment of its own, small and whole; its times are in benchmarks/."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MEGABYTE = 1 << 20
pytestmark = pytest.mark.slow
PROBE = """
import json, sys
import millstream
heavy = [name for name in ("keras", "scipy", "h5py") if name in sys.modules]
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
result = (millstream.constant([1.0, 2.0]) + 1.0).numpy().tolist()
print(json.dumps(dict(megabytes=peak / 1024, heavy=heavy, file=millstream.__file__, result=result)))
"""


def run(*command, cwd=ROOT):
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A fresh environment with the package in it; gives its interpreter and a folder far from the checkout."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", folder / "venv")
    python = folder / "venv/bin/python"
    run(python, "-m", "pip", "install", "-q", "--config-settings", f"build-dir={ROOT}/build/wheel", ROOT)
    return python, folder


@pytest.fixture(scope="module")
def probe(installed):
    python, folder = installed
    return json.loads(run(python, "-c", PROBE, cwd=folder))


def test_the_installed_package_computes(installed, probe):
    assert Path(probe["file"]).is_relative_to(installed[1])
    assert probe["result"] == [2.0, 3.0]


def test_import_takes_less_than_60_megabytes(probe):
    assert probe["megabytes"] < 60


def test_import_leaves_the_heavy_libraries_alone(probe):
    assert probe["heavy"] == []


def test_the_installed_package_is_smaller_than_80_megabytes(probe):
    package = Path(probe["file"]).parent
    size = sum(path.stat().st_size for path in package.rglob("*") if path.is_file())
    assert size < 80 * MEGABYTE


def test_tests_and_their_data_stay_at_home(probe):
    package = Path(probe["file"]).parent
    assert not [path for path in package.rglob("*") if path.name.endswith("_test.py") or path.name == "testdata"]


def test_the_transforms_in_the_runtime_bring_their_licence(probe):
    text = (Path(probe["file"]).parent / "licences/ducc0/LICENSE").read_text()
    assert "Max-Planck-Society" in text
    assert "Redistributions in binary form must reproduce" in text


def test_the_bundled_library_brings_its_licence(probe):
    package = Path(probe["file"]).parent
    if not list(package.glob("libdnnl*")):
        pytest.skip("built without oneDNN: this processor has none")
    assert list((package / "licences/onednn").glob("*LICENSE*"))


def test_the_command_is_installed(installed):
    python, folder = installed
    script = folder / "hello.py"
    script.write_text("import sys\nprint('ran', sys.argv[1:])\n")
    assert run(python.parent / "millstream", "run", script, "--x", cwd=folder).strip() == "ran ['--x']"
