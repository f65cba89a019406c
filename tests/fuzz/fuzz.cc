// Shows a target mutated files, keeps those that reach new code, and writes down the one at which it crashes, hangs or takes much.
// fuzz TARGET SEEDS [--runs N] [--seconds S] [--random K] [--most-bytes B] [--keep FOLDER] [--crash FILE]
// fuzz TARGET FILE runs one file. Coverage: the compiler calls __sanitizer_cov_trace_pc at each edge (-fsanitize-coverage=trace-pc).
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "fuzz/targets.h"

namespace {

constexpr size_t edge_bits = 16, edge_count = size_t{1} << edge_bits;
unsigned char edges[edge_count];    // how often this input passed
unsigned char reached[edge_count];  // the counts, in steps, that any input had

}  // namespace

extern "C" {
__attribute__((no_sanitize_coverage, no_sanitize("address", "undefined"))) void __sanitizer_cov_trace_pc() {
  const uintptr_t from = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  unsigned char& edge = edges[(from ^ from >> edge_bits) & (edge_count - 1)];
  edge = static_cast<unsigned char>(edge + (edge != 255));
}
// Every finding ends the process by SIGABRT, so that what was shown is kept; so does taking more memory at once than any file needs.
const char* __asan_default_options() { return "abort_on_error=1:max_allocation_size_mb=512:quarantine_size_mb=32"; }
const char* __ubsan_default_options() { return "abort_on_error=1:print_stacktrace=1"; }
void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));
}

namespace {

using millstream::fuzz::Bytes;
using millstream::fuzz::Target;
using Clock = std::chrono::steady_clock;

constexpr int slowest_seconds = 10;  // of the processor: others may use the machine, too

struct Options {
  uint64_t runs = ~uint64_t{0}, random = 1;
  double seconds = 10;
  size_t most_bytes = 1 << 16;
  std::string keep, crash = "crash";
} options;

const Bytes* shown = nullptr;  // what the target sees now

void write_file(const std::string& path, const Bytes& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

void keep_shown() {
  if (!shown) return;
  write_file(options.crash, *shown);
  std::fprintf(stderr, "fuzz: what was shown is in %s (%zu bytes)\n", options.crash.c_str(), shown->size());
  shown = nullptr;
}

void too_slow(int) {
  std::fprintf(stderr, "fuzz: one input took more than %d seconds\n", slowest_seconds);
  keep_shown();
  _exit(70);
}

void stopped(int) {
  keep_shown();
  _exit(71);
}

Bytes read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

// Counts in steps, so that 9 passes are as new as 8, and 100 are not as 99.
unsigned char step_of(unsigned char count) {
  return static_cast<unsigned char>(count < 4     ? 1u << (count - 1)
                                    : count < 8   ? 8
                                    : count < 16  ? 16
                                    : count < 32  ? 32
                                    : count < 128 ? 64
                                                  : 128);
}

bool is_new() {
  bool found = false;
  for (size_t i = 0; i < edge_count; ++i) {
    uint64_t eight;
    std::memcpy(&eight, &edges[i & ~size_t{7}], 8);
    if (!eight) i |= 7;
    if (!edges[i]) continue;
    const unsigned char step = step_of(edges[i]);
    if ((reached[i] & step) == 0) {
      reached[i] = static_cast<unsigned char>(reached[i] | step);
      found = true;
    }
  }
  return found;
}

void set_limit(int seconds) {
  const itimerval limit{{0, 0}, {seconds, 0}};
  setitimer(ITIMER_PROF, &limit, nullptr);
}

bool show(const Target& target, const Bytes& bytes) {
  std::memset(edges, 0, sizeof edges);
  // A copy of its own size: a read behind its end is seen.
  const Bytes own(bytes);
  shown = &own;
  set_limit(slowest_seconds);
  target.run(own.data(), own.size());
  set_limit(0);
  shown = nullptr;
  return is_new();
}

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : random_(seed) {}
  size_t below(size_t count) { return count ? random_() % count : 0; }

  Bytes change(const Bytes& from, const std::vector<Bytes>& others) {
    Bytes bytes = from;
    for (size_t turns = size_t{1} << below(4); turns; --turns) once(bytes, others);
    if (bytes.size() > options.most_bytes) bytes.resize(options.most_bytes);
    return bytes;
  }

 private:
  void once(Bytes& bytes, const std::vector<Bytes>& others) {
    static const int64_t special[] = {0,
                                      1,
                                      2,
                                      7,
                                      8,
                                      12,
                                      13,
                                      16,
                                      64,
                                      127,
                                      128,
                                      255,
                                      256,
                                      4096,
                                      65535,
                                      65536,
                                      -1,
                                      -2,
                                      -8,
                                      INT32_MAX,
                                      INT32_MIN,
                                      INT64_MAX,
                                      INT64_MIN,
                                      INT64_MAX / 8,
                                      int64_t{1} << 32,
                                      int64_t{1} << 40};
    const size_t size = bytes.size(), at = below(size);
    switch (size ? below(10) : 8) {
      case 0:
        bytes[at] = static_cast<unsigned char>(bytes[at] ^ 1u << below(8));
        break;
      case 1:
        bytes[at] = static_cast<unsigned char>(random_());
        break;
      case 2:
      case 3: {  // a word of 1, 2, 4 or 8 bytes at its own border, special or a little more or less
        const size_t width = size_t{1} << below(4), place = at / width * width;
        if (place + width > size) break;
        int64_t value = 0;
        std::memcpy(&value, &bytes[place], width);
        value = below(2) ? special[below(std::size(special))]
                         : static_cast<int64_t>(static_cast<uint64_t>(value) + below(33) - 16);
        std::memcpy(&bytes[place], &value, width);
        break;
      }
      case 4:  // a part is left out
        bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                    bytes.begin() +
                        static_cast<std::ptrdiff_t>(at + 1 + below(std::min<size_t>(size - at, 64) - (size == at))));
        break;
      case 5: {  // a part comes twice
        const Bytes part(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                         bytes.begin() + static_cast<std::ptrdiff_t>(
                                             at + 1 + below(std::min<size_t>(size - at, 128) - 1 + (size == at))));
        bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(below(size)), part.begin(), part.end());
        break;
      }
      case 6: {  // a word is copied from elsewhere
        const size_t from = below(size) / 8 * 8, to = at / 8 * 8;
        if (from + 8 <= size && to + 8 <= size) std::memmove(&bytes[to], &bytes[from], 8);
        break;
      }
      case 7: {  // the end of another file
        const Bytes& other = others[below(others.size())];
        bytes.resize(at);
        if (!other.empty())
          bytes.insert(bytes.end(), other.begin() + static_cast<std::ptrdiff_t>(below(other.size())), other.end());
        break;
      }
      case 8: {
        const size_t count = 1 + below(8);
        for (size_t i = 0; i < count; ++i)
          bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(below(bytes.size() + 1)),
                       static_cast<unsigned char>(random_()));
        break;
      }
      default:
        bytes.resize(at);
    }
  }

  std::mt19937_64 random_;
};

int fuzz(const Target& target, std::vector<Bytes> corpus) {
  Mutator mutator(options.random);
  for (const Bytes& seed : corpus) show(target, seed);
  const auto begun = Clock::now();
  const auto passed = [&] { return std::chrono::duration<double>(Clock::now() - begun).count(); };
  uint64_t runs = 0, found = 0;
  for (; runs < options.runs && ((runs & 63) || passed() < options.seconds); ++runs) {
    Bytes bytes = mutator.change(corpus[mutator.below(corpus.size())], corpus);
    if (target.mend && mutator.below(8)) target.mend(bytes);
    if (!show(target, bytes)) continue;
    if (!options.keep.empty()) write_file(options.keep + "/" + std::to_string(found) + ".bin", bytes);
    ++found;
    corpus.push_back(std::move(bytes));
  }
  size_t places = 0;
  for (unsigned char steps : reached) places += steps != 0;
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  std::printf("fuzz %s: %llu runs in %.1f s, %zu places of the code reached, %llu inputs found, at most %ld MB\n",
              target.name, static_cast<unsigned long long>(runs), passed(), places,
              static_cast<unsigned long long>(found), used.ru_maxrss / 1024);
  if (places < 10) {
    std::fprintf(stderr, "fuzz: hardly any code was seen; compile with -DMS_FUZZ=ON\n");
    return 1;
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  const Target* target = nullptr;
  for (size_t i = 0; count > 2 && i < millstream::fuzz::target_count; ++i)
    if (!std::strcmp(millstream::fuzz::targets[i].name, arguments[1])) target = &millstream::fuzz::targets[i];
  if (!target) {
    std::fprintf(
        stderr,
        "usage: fuzz TARGET SEEDS|FILE [--runs N] [--seconds S] [--random K] [--most-bytes B] [--keep FOLDER]\n");
    return 2;
  }
  for (int i = 3; i + 1 < count; i += 2) {
    const std::string name = arguments[i], value = arguments[i + 1];
    if (name == "--runs")
      options.runs = std::stoull(value);
    else if (name == "--seconds")
      options.seconds = std::stod(value);
    else if (name == "--random")
      options.random = std::stoull(value);
    else if (name == "--most-bytes")
      options.most_bytes = std::stoull(value);
    else if (name == "--keep")
      options.keep = value;
    else if (name == "--crash")
      options.crash = value;
    else
      return std::fprintf(stderr, "fuzz: there is no option %s\n", name.c_str()), 2;
  }
  if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(keep_shown);
  std::signal(SIGPROF, too_slow);
  std::signal(SIGABRT, stopped);
  // Whoever started this process may have blocked them.
  sigset_t both;
  sigemptyset(&both);
  sigaddset(&both, SIGPROF);
  sigaddset(&both, SIGABRT);
  sigprocmask(SIG_UNBLOCK, &both, nullptr);
  std::vector<Bytes> corpus;
  if (std::filesystem::is_regular_file(arguments[2])) {
    show(*target, read_file(arguments[2]));
    return 0;
  }
  for (const auto& entry : std::filesystem::directory_iterator(arguments[2])) corpus.push_back(read_file(entry.path()));
  std::sort(corpus.begin(), corpus.end());
  if (corpus.empty()) corpus.emplace_back();
  return fuzz(*target, std::move(corpus));
}
