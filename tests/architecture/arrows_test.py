"""The rooms stand on each other: no arrow upward, no circle, and one room only knows the other package's name."""

from pathlib import Path

import pytest

from arrows import BESIDE, BRIDGE, COLUMN, all_imports, circles, complaint, is_test, modules_below, other_name_uses

ROOT = Path(__file__).parents[2] / "millstream"
FRONT = {"__main__", "commands", "keras"}


def test_no_room_imports_a_room_above_it():
    complaints = [text for arrow in all_imports(ROOT) if (text := complaint(arrow))]
    assert not complaints, "\n".join(complaints)


def test_no_modules_import_each_other_in_a_circle():
    arrows = all_imports(ROOT)
    found = circles(arrows)
    lines = []
    for group in found:
        lines.append("these import each other: " + ", ".join(group))
        lines += sorted({f"  {arrow}" for arrow in arrows if arrow.source in group and arrow.target in group})
    assert not found, "\n".join(lines)


def test_nothing_imports_a_test():
    tests = [path for path in ROOT.rglob("*.py") if is_test(path)]
    names = {path.stem for path in tests}
    found = [str(arrow) for arrow in all_imports(ROOT) if arrow.target.rpartition(".")[2] in names]
    assert not found, "\n".join(found)


def test_every_room_is_in_the_list():
    rooms = {name.split(".")[1] for name in modules_below(ROOT) if "." in name}
    unknown = rooms - set(COLUMN) - set(BESIDE) - FRONT - {BRIDGE}
    assert not unknown, f"rooms without a place in tests/architecture/arrows.py: {sorted(unknown)}"


def test_the_other_package_is_named_in_the_bridge_only():
    found = [
        f"{path}:{line}"
        for path in sorted(ROOT.rglob("*.py"))
        if not is_test(path) and path.relative_to(ROOT).parts[0] != BRIDGE
        for line in other_name_uses(path)
    ]
    assert not found, "the name may stand in millstream/bridge only:\n" + "\n".join(found)


def write(root: Path, files: dict[str, str]) -> Path:
    package = root / "millstream"
    for name, text in files.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        for folder in [path.parent, *path.parent.parents]:
            if folder == root:
                break
            (folder / "__init__.py").touch()
    return package


@pytest.mark.parametrize(
    "line",
    [
        "from millstream.ops import math",
        "import millstream.ops.math",
        "def late():\n    from millstream.ops.math import add",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..ops.math import add",
        "import importlib\nimportlib.import_module('millstream.ops.math')",
    ],
)
def test_an_upward_arrow_is_found_however_it_is_written(tmp_path, line):
    package = write(tmp_path, {"base/shape.py": line + "\n", "ops/math.py": "add = 1\n"})
    found = [text for arrow in all_imports(package) if (text := complaint(arrow))]
    assert len(found) == 1
    assert "'ops' stands above 'base'" in found[0]


def test_a_downward_arrow_is_allowed(tmp_path):
    package = write(tmp_path, {"base/shape.py": "", "ops/math.py": "from millstream.base.shape import x\n"})
    assert [complaint(arrow) for arrow in all_imports(package)] == [None]


def test_rooms_beside_each_other_are_kept_apart(tmp_path):
    package = write(tmp_path, {"data/pipe.py": "from millstream.saving import plan\n", "saving/plan.py": ""})
    (arrow,) = all_imports(package)
    assert "stand beside each other" in (complaint(arrow) or "")


def test_a_room_may_not_import_the_front_of_the_package(tmp_path):
    package = write(tmp_path, {"ops/math.py": "from millstream import install\n"})
    (arrow,) = all_imports(package)
    assert "front of the package" in (complaint(arrow) or "")


def test_a_circle_through_a_function_is_found(tmp_path):
    package = write(
        tmp_path,
        {
            "ops/a.py": "from .b import x\n",
            "ops/b.py": "def f():\n    from . import c\n",
            "ops/c.py": "import millstream.ops.a\n",
        },
    )
    assert circles(all_imports(package)) == [["millstream.ops.a", "millstream.ops.b", "millstream.ops.c"]]


def test_the_other_name_is_found_in_code_and_texts_but_not_in_documentation(tmp_path):
    path = tmp_path / "x.py"
    path.write_text(
        '"""Like tensorflow."""\n'
        "import tensorflow\n"
        "# tensorflow\n"
        "install_as_tensorflow = 1\n"
        'name = "tensorflow.python"\n'
        'other = "install_as_tensorflow"\n'
    )
    assert other_name_uses(path) == [2, 5]
