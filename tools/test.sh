#!/bin/sh
# Every test: Python, the package that pip builds, C++, then the runtime under the sanitizers. `make test` calls it.
set -eu
cd "$(dirname "$0")/.."
python=.venv/bin/python
failed=

stage() {
  echo "== $1"
  shift
  "$@" || failed="$failed '$*'"
}

cpp_tests() {
  PATH="$PWD/.venv/bin:$PATH"
  cmake -S . -B build/tests -G Ninja -DCMAKE_BUILD_TYPE=Release -DMS_TESTS=ON -DMS_BINDING=OFF \
    -DPython_EXECUTABLE="$PWD/$python" >build/tests-configure.log || { cat build/tests-configure.log; return 1; }
  ninja -C build/tests -j "${JOBS:-2}" && ctest --test-dir build/tests --output-on-failure
}

stage 'Python' "$python" -m pytest -q -n 2 --ignore tests/packaging millstream tests
stage 'package' "$python" -m pytest -q tests/packaging
stage 'C++' cpp_tests
stage 'sanitizers' sh tools/sanitize.sh
[ -z "$failed" ] || { echo "test: failed:$failed" >&2; exit 1; }
echo 'test: all passed'
