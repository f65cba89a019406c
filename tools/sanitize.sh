#!/bin/sh
# Builds the runtime, its C++ tests and its fuzzer under AddressSanitizer and UndefinedBehaviorSanitizer in build/sanitize, and
# runs them: the tests, and each target of the fuzzer for a few seconds. tools/sanitize.sh TARGET builds this alone, and runs nothing.
# MILLSTREAM_FUZZ_ROUNDS sets how many mutated plans the test of the loader runs.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
PATH="$root/.venv/bin:$PATH"
mkdir -p build
cmake -S . -B build/sanitize -G Ninja -DMS_SANITIZE=ON -DMS_FUZZ=ON -DMS_TESTS=ON -DMS_BINDING=OFF \
  -DPython_EXECUTABLE="$root/.venv/bin/python" >build/sanitize-configure.log || { cat build/sanitize-configure.log; exit 1; }
ninja -C build/sanitize -j "${JOBS:-2}" "$@"
[ $# -eq 0 ] || exit 0
# What oneDNN and libgomp keep until the end of the process is no leak of ours.
ASAN_OPTIONS=detect_leaks=1 LSAN_OPTIONS=suppressions="$root/tools/leaks.txt":print_suppressions=0 \
  UBSAN_OPTIONS=print_stacktrace=1 ctest --test-dir build/sanitize --output-on-failure
