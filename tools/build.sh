#!/bin/sh
# Builds the runtime in build/ and puts _runtime, libmillstream.so and libdnnl.so.3 into millstream/. Safe to run twice at once.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$root/build"
exec 9>"$root/build/.lock"
flock 9
cd "$root"
PATH="$root/.venv/bin:$PATH"
if [ ! -f build/build.ninja ]; then
  cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DPython_EXECUTABLE="$root/.venv/bin/python" >build/configure.log || {
    cat build/configure.log; rm -f build/build.ninja; exit 1; }
fi
ninja -C build -j "${JOBS:-2}" "$@"
for file in build/_runtime*.so build/libmillstream.so build/libdnnl.so.3; do
  [ -e "$file" ] || continue
  target="millstream/$(basename "$file")"
  # Replaced by renaming: a process that has the old one mapped keeps it.
  [ -e "$target" ] && [ ! "$file" -nt "$target" ] || { cp "$file" "$target.new" && mv "$target.new" "$target"; }
done
