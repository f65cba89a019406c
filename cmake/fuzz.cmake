# -DMS_FUZZ=ON: `fuzz`, which shows the readers of the runtime mutated files and keeps those that reach new code. Needs gcc 12
# or clang; use it with -DMS_SANITIZE=ON. It is a test, too: each target for a few seconds.
add_executable(fuzz tests/fuzz/fuzz.cc tests/fuzz/targets.cc)
# What is looked at are the readers, not who shows them files.
set_source_files_properties(tests/fuzz/fuzz.cc PROPERTIES
  COMPILE_OPTIONS "-O2;-fno-omit-frame-pointer;-fno-sanitize-coverage=trace-pc;-fno-sanitize=all")
target_include_directories(fuzz PRIVATE tests)
target_link_libraries(fuzz PRIVATE millstream_tested millstream_warnings)
file(GLOB MS_FUZZ_SEEDS CONFIGURE_DEPENDS tests/fuzz/seeds/*)
foreach(seeds ${MS_FUZZ_SEEDS})
  get_filename_component(target ${seeds} NAME)
  add_test(NAME fuzz_${target}
    COMMAND fuzz ${target} ${seeds} --seconds 3 --most-bytes 16384
      --crash ${CMAKE_CURRENT_BINARY_DIR}/crash-${target})
endforeach()
