// What C++ tests share: an expectation that names its line, and the exit status.
#pragma once

#include <cstdio>

namespace millstream::testing {

inline int failed_expectations = 0;

inline void expectation(bool condition, const char* text, const char* file, int line) {
  if (condition) return;
  std::fprintf(stderr, "%s:%d: FAILED: %s\n", file, line, text);
  ++failed_expectations;
}

inline int exit_status() {
  if (failed_expectations) std::fprintf(stderr, "%d failed\n", failed_expectations);
  return failed_expectations != 0;
}

}  // namespace millstream::testing

#define EXPECT_THAT(condition) ::millstream::testing::expectation((condition), #condition, __FILE__, __LINE__)
