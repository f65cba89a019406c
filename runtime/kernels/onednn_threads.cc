// oneDNN on our thread pool. Its library asks libgomp for threads; the ten functions that it calls are answered here, so that
// no second set of threads waits, spins or sleeps beside ours, and a thread that wakes late does not hold up the others.
// Refuses a libdnnl.so.3 that calls other OpenMP functions.
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>
#include <vector>

#include "kernels/onednn_primitive.h"
#include "threads/pool.h"

extern "C" __attribute__((visibility("hidden"))) void* ms_onednn_slots[];  // of the generated stubs: oneDNN's functions

namespace millstream {
namespace {

constexpr int spin_rounds = 2000;

class Barrier {
 public:
  void reset(int size) {
    size_ = size;
    arrived_ = 0;
  }
  void wait() {
    const int round = round_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.fetch_add(1, std::memory_order_release);
      round_.notify_all();
      return;
    }
    for (int i = 0; i < spin_rounds; ++i) {
      if (round_.load(std::memory_order_acquire) != round) return;
      __builtin_ia32_pause();
    }
    while (round_.load(std::memory_order_acquire) == round) round_.wait(round, std::memory_order_acquire);
  }

 private:
  int size_ = 1;
  std::atomic<int> arrived_{0}, round_{0};
};

struct Loop {
  long start = 0, count = 0, step = 1, chunk = 0, trip = 0;
};

struct Member {
  int index = 0, size = 1;
  Barrier* barrier = nullptr;
  Loop loop;
};

thread_local Member member;
thread_local int wanted_threads = 0;

// What a thread needs to lead a team.
struct Leader {
  Team team;
  Barrier barrier;
  std::vector<Member> outer;
};

Leader& leader() {
  thread_local Leader own;
  return own;
}

int max_threads() { return wanted_threads > 0 ? wanted_threads : thread_count(); }

void parallel_start(void (*body)(void*), void* data, unsigned threads) {
  Leader& own = leader();
  own.outer.push_back(member);
  const int size = member.size > 1 ? 1 : threads ? static_cast<int>(threads) : max_threads();
  member = {0, size, nullptr, {}};
  if (size == 1) return;
  Barrier* barrier = member.barrier = &own.barrier;
  barrier->reset(size);
  own.team.begin(size, [=](int index) {
    const Member before = member;
    member = {index, size, barrier, {}};
    body(data);
    member = before;
  });
}

void parallel_end() {
  Leader& own = leader();
  if (member.size > 1) own.team.finish();
  member = own.outer.back();
  own.outer.pop_back();
}

void barrier() {
  if (member.barrier) member.barrier->wait();
}

// Even shares, or chunks in turn, as libgomp deals them out.
bool loop_next(long* begin, long* end) {
  Loop& loop = member.loop;
  long first, last;
  if (loop.chunk == 0) {
    if (loop.trip++ > 0) return false;
    const long share = loop.count / member.size, rest = loop.count % member.size;
    first = share * member.index + std::min<long>(rest, member.index);
    last = first + share + (member.index < rest);
  } else {
    first = (loop.trip++ * member.size + member.index) * loop.chunk;
    last = std::min(first + loop.chunk, loop.count);
  }
  if (first >= last) return false;
  *begin = loop.start + first * loop.step;
  *end = loop.start + last * loop.step;
  return true;
}

bool loop_start(long start, long end, long step, long chunk, long* begin, long* stop) {
  const long count = (end - start + step + (step > 0 ? -1 : 1)) / step;
  member.loop = {start, std::max(count, 0L), step, chunk, 0};
  return loop_next(begin, stop);
}

void loop_end() {}
int thread_number() { return member.index; }
int team_size() { return member.size; }
int in_parallel() { return member.size > 1; }

struct Answer {
  const char* name;
  void* function;
};

const Answer answers[] = {
    {"GOMP_parallel_start", reinterpret_cast<void*>(&parallel_start)},
    {"GOMP_parallel_end", reinterpret_cast<void*>(&parallel_end)},
    {"GOMP_barrier", reinterpret_cast<void*>(&barrier)},
    {"GOMP_loop_static_start", reinterpret_cast<void*>(&loop_start)},
    {"GOMP_loop_static_next", reinterpret_cast<void*>(&loop_next)},
    {"GOMP_loop_end_nowait", reinterpret_cast<void*>(&loop_end)},
    {"omp_get_max_threads", reinterpret_cast<void*>(&max_threads)},
    {"omp_get_num_threads", reinterpret_cast<void*>(&team_size)},
    {"omp_get_thread_num", reinterpret_cast<void*>(&thread_number)},
    {"omp_in_parallel", reinterpret_cast<void*>(&in_parallel)},
};

struct Patch {
  void** slot;
  void* function;
};

}  // namespace

void onednn_set_threads(int threads) { wanted_threads = threads; }

// oneDNN's calls go through a table of addresses that the loader filled in and then made read-only.
bool onednn_use_our_threads() {
  (void)dnnl_version();  // loads the library
  Dl_info info;
  link_map* map = nullptr;
  if (!dladdr1(ms_onednn_slots[0], &info, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) || !map) return false;
  if (!info.dli_fname || !std::strstr(info.dli_fname, "libdnnl")) return false;
  const auto base = map->l_addr;
  const auto absolute = [&](ElfW(Addr) address) { return address < base ? base + address : address; };
  const ElfW(Rela)* relocations = nullptr;
  const ElfW(Sym)* symbols = nullptr;
  const char* text = nullptr;
  size_t count = 0;
  for (const ElfW(Dyn)* entry = map->l_ld; entry->d_tag != DT_NULL; ++entry) {
    if (entry->d_tag == DT_JMPREL) relocations = reinterpret_cast<const ElfW(Rela)*>(absolute(entry->d_un.d_ptr));
    if (entry->d_tag == DT_PLTRELSZ) count = entry->d_un.d_val / sizeof(ElfW(Rela));
    if (entry->d_tag == DT_SYMTAB) symbols = reinterpret_cast<const ElfW(Sym)*>(absolute(entry->d_un.d_ptr));
    if (entry->d_tag == DT_STRTAB) text = reinterpret_cast<const char*>(absolute(entry->d_un.d_ptr));
  }
  if (!relocations || !symbols || !text) return false;
  std::vector<Patch> patches;
  for (size_t i = 0; i < count; ++i) {
    const char* name = text + symbols[ELF64_R_SYM(relocations[i].r_info)].st_name;
    const bool asks = std::strncmp(name, "GOMP_", 5) == 0 || std::strncmp(name, "omp_", 4) == 0;
    if (!asks || ELF64_R_TYPE(relocations[i].r_info) != R_X86_64_JUMP_SLOT) continue;
    const auto* answer = std::find_if(std::begin(answers), std::end(answers),
                                      [&](const Answer& a) { return std::strcmp(a.name, name) == 0; });
    if (answer == std::end(answers)) return false;
    patches.push_back({reinterpret_cast<void**>(base + relocations[i].r_offset), answer->function});
  }
  if (patches.empty()) return false;
  const auto* header = reinterpret_cast<const ElfW(Ehdr)*>(base);
  const auto* segments = reinterpret_cast<const ElfW(Phdr)*>(base + header->e_phoff);
  const auto page = static_cast<ElfW(Addr)>(sysconf(_SC_PAGESIZE));
  const auto protect = [&](int access) {
    for (int i = 0; i < header->e_phnum; ++i) {
      if (segments[i].p_type != PT_GNU_RELRO) continue;
      const ElfW(Addr) begin = (base + segments[i].p_vaddr) / page * page;
      const ElfW(Addr) end = (base + segments[i].p_vaddr + segments[i].p_memsz) / page * page;
      if (end > begin && mprotect(reinterpret_cast<void*>(begin), end - begin, access) != 0) return false;
    }
    return true;
  };
  if (!protect(PROT_READ | PROT_WRITE)) return false;
  for (const Patch& patch : patches) *patch.slot = patch.function;
  return protect(PROT_READ);
}

}  // namespace millstream
