"""Element types, symbolic sizes, specs, errors, flags and nested structures: what every other room stands on."""
