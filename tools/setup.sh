#!/bin/sh
# Makes .venv in the checkout and builds the runtime in place. Needs Python 3.11 with headers, g++ with C++20, and the
# Python registry. Run again it does only what changed. PYTHON names the interpreter for a new .venv.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
mkdir -p build
venv=$root/.venv

fail() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

# Debian packages of the system's Python, where we may install them.
install_debian() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || return 1
  printf 'setup: installing %s with apt-get\n' "$*" >&2
  { apt-get install -y -q "$@" || { apt-get update -q && apt-get install -y -q "$@"; }; } >build/apt.log 2>&1
}

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
  for name in "${PYTHON:-}" python3 python3.11 python3.12 python3.13 python; do
    [ -n "$name" ] && new_enough "$name" && { command -v "$name"; return 0; }
  done
  return 1
}

make_venv() {
  python=$(find_python) || fail "Python 3.11 or newer is needed; found $(python3 -V 2>&1 || echo none). Install it, or name one: PYTHON=/path/to/python3.11 make setup"
  "$python" -m venv "$venv" >build/venv.log 2>&1 && return 0
  # Debian leaves ensurepip out of python3; virtualenv carries its own pip.
  rm -rf "$venv"
  if "$python" -m pip install -q --target build/virtualenv virtualenv >>build/venv.log 2>&1 &&
    PYTHONPATH=build/virtualenv "$python" -m virtualenv -q "$venv" >>build/venv.log 2>&1; then
    return 0
  fi
  rm -rf "$venv"
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  if install_debian "python$version-venv" && "$python" -m venv "$venv" >>build/venv.log 2>&1; then
    return 0
  fi
  rm -rf "$venv"
  fail "$python cannot make a virtual environment (no ensurepip, no pip). Install the package 'python$version-venv' (apt-get install python$version-venv), then run this again. Details: build/venv.log"
}

command -v "${CXX:-g++}" >/dev/null 2>&1 || fail "no C++ compiler: install g++ 12 or newer (apt-get install g++), or name one with CXX"
echo 'int main() { auto same = []<typename T>(T x) { return x; }; return same(0); }' |
  "${CXX:-g++}" -std=c++20 -fsyntax-only -x c++ - 2>/dev/null || fail "${CXX:-g++} does not know C++20: install g++ 12 or newer"

[ -x "$venv/bin/python" ] || make_venv
new_enough "$venv/bin/python" || fail ".venv has $("$venv/bin/python" -V 2>&1), 3.11 is needed. Remove .venv and run this again"
headers=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
if [ ! -f "$headers/Python.h" ]; then
  version=$("$venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  install_debian "python$version-dev" || fail "Python's headers are missing ($headers/Python.h). Install the package 'python$version-dev' (apt-get install python$version-dev), then run this again"
fi

# What must be installed, and its hash: pip runs only when the list changes.
"$venv/bin/python" - >build/requirements.txt <<'PYTHON'
import tomllib
settings = tomllib.load(open("pyproject.toml", "rb"))
project = settings["project"]
extras = project.get("optional-dependencies", {})
print(*settings["build-system"]["requires"], *project["dependencies"], *extras["keras"], *extras["test"], sep="\n")
print(open("tools/requirements.txt").read())
PYTHON
stamp=$venv/millstream-requirements
if ! cmp -s build/requirements.txt "$stamp"; then
  echo 'setup: installing requirements into .venv'
  "$venv/bin/python" -m pip install -q --disable-pip-version-check -r build/requirements.txt 2>build/pip.log ||
    { tail -n 20 build/pip.log >&2; fail 'pip could not install the requirements; the whole log is build/pip.log'; }
  cp build/requirements.txt "$stamp"
fi

sh tools/build.sh

# The checkout itself is what .venv imports and runs: an edited file needs no installing.
site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo "$root" >"$site/millstream_checkout.pth"
printf '#!/bin/sh\nexec "%s" -m millstream "$@"\n' "$venv/bin/python" >"$venv/bin/millstream"
chmod +x "$venv/bin/millstream"
