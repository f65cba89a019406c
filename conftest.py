"""Import Millstream before any test, so that its public modules are the ones that tests see."""

import millstream  # noqa: F401
