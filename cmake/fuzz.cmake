# -DMS_FUZZ=ON: `fuzz`, which shows the readers of the runtime mutated files and keeps those that reach new code. Needs gcc 12
# or clang; use it with -DMS_SANITIZE=ON. MS_LEAVE_OUT may leave kernels out that no seed uses.
add_library(millstream_fuzzed STATIC ${MS_DOOR_SOURCES} ${MS_OBJECTS})
target_include_directories(millstream_fuzzed PUBLIC runtime runtime/include)
target_link_libraries(millstream_fuzzed PUBLIC ${MS_LINK})
add_executable(fuzz tests/fuzz/fuzz.cc tests/fuzz/targets.cc)
target_include_directories(fuzz PRIVATE tests)
target_link_libraries(fuzz PRIVATE millstream_fuzzed millstream_warnings)
enable_testing()
foreach(target plan examples records csv regex)
  add_test(NAME fuzz_${target}
    COMMAND fuzz ${target} ${CMAKE_CURRENT_SOURCE_DIR}/tests/fuzz/seeds/${target} --seconds 2 --most-bytes 16384)
endforeach()
