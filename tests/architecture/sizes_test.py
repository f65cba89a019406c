"""Files aim at 300 lines and stop at 600: split by what they hold, not by length."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
KINDS = {".py", ".cc", ".h", ".c", ".cpp", ".ts", ".js", ".sh"}
LIMIT_LINES = 600


def source_files() -> list[Path]:
    """Files that git tracks or would track; every file where there is no git (an unpacked archive)."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode == 0:
        paths = [ROOT / line for line in listed.stdout.splitlines()]
    else:
        left_out = {".venv", "build"}
        paths = [path for path in ROOT.rglob("*") if not left_out & set(path.relative_to(ROOT).parts)]
    return [path for path in paths if path.suffix in KINDS and path.is_file()]


def test_no_source_file_is_longer_than_600_lines():
    files = source_files()
    assert Path(__file__) in files
    long = {path: count for path in files if (count := len(path.read_bytes().splitlines())) > LIMIT_LINES}
    assert not long, "\n".join(f"{path.relative_to(ROOT)} has {count} lines" for path, count in long.items())
