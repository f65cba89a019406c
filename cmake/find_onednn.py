"""Prints where oneDNN's headers, library and licence files are, separated by semicolons; nothing if not installed."""

import os
import sys
from importlib.metadata import PackageNotFoundError, files


def main() -> int:
    try:
        development = files("onednn-devel-cpu-gomp") or []
        library = files("onednn-cpu-gomp") or []
    except PackageNotFoundError:
        return 0
    headers = [str(path.locate()) for path in development if path.name == "dnnl.hpp" and path.parent.name == "include"]
    libraries = [str(path.locate()) for path in library if path.name in ("libdnnl.so.3", "libdnnl.so.3.2")]
    licences = [str(path.locate()) for path in library if path.name in ("LICENSE", "THIRD-PARTY-PROGRAMS")]
    if not headers or not libraries:
        return 0
    include = os.path.normpath(headers[0]).rsplit("/", 1)[0]
    sys.stdout.write(";".join([include, os.path.normpath(libraries[0]), *map(os.path.normpath, licences)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
