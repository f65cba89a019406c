// Programs that are compiled as the fuzzer is, and do not ask which code they reach.
extern "C" void __sanitizer_cov_trace_pc();
extern "C" __attribute__((no_sanitize_coverage)) void __sanitizer_cov_trace_pc() {}
