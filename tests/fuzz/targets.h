// What is fuzzed: each target takes any bytes, and must come back soon with an answer or a refusal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace millstream::fuzz {

using Bytes = std::vector<unsigned char>;

struct Target {
  const char* name;
  void (*run)(const unsigned char* data, size_t size);
  void (*mend)(Bytes& bytes);  // writes sums anew, so that what lies behind them is reached; may be nullptr
};

extern const Target targets[];
extern const size_t target_count;

}  // namespace millstream::fuzz
