// What a kernel is: a name, a check of types, sizes and attributes, and the work. Kernels know no Python, no op, no gradient.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "memory/tensor.h"
#include "program/status.h"
#include "threads/pool.h"

namespace millstream {

class Executor;  // runs functions for control-flow kernels; program/executor.h

// One instruction at one moment. Outputs of static or computable size already have `data`; outputs whose bytes only the
// kernel can know (strings, state_read, list_get, variants) are set by the kernel (`buffer`/`object`, then `data`).
struct Call {
  const Tensor* const* inputs;  // an optional input that is absent is nullptr
  int input_count;
  Tensor* const* outputs;
  int output_count;
  const int64_t* attributes;
  int64_t attribute_count;
  const void* prepared;  // what `prepare` made, or nullptr
  Executor* executor;    // nullptr while checking

  const Tensor& in(int i) const { return *inputs[i]; }
  bool has(int i) const { return i < input_count && inputs[i] != nullptr; }
  Tensor& out(int i) const { return *outputs[i]; }
  double real(int i) const {  // attribute words also carry doubles, bit for bit
    double value;
    std::memcpy(&value, &attributes[i], sizeof value);
    return value;
  }
};

// `check` must refuse everything that `run` could not survive: it sees hostile files. It never touches data.
// `prepare` (optional) makes what is worth keeping for given types, sizes and attributes (a oneDNN primitive, a decoded
// tile program). It is called once for a static instruction, before each run for others, so cache inside if it is dear.
// `run` may be called from several threads at once.
struct Kernel {
  const char* name;
  Status (*check)(const Call&);
  Status (*run)(const Call&);
  std::shared_ptr<const void> (*prepare)(const Call&, Status&) = nullptr;
  // `run` gives its outputs whole (data, buffer or object, and sizes): the executor allocates nothing and checks them after.
  bool sets_outputs = false;
};

// Each kernel file defines `const Kernel kernel_<name>` objects and registers them in its own function
// `void register_<family>(Registry&)`, listed in kernels/registry.cc. No registration by static constructors.
class Registry {
 public:
  void add(const Kernel& kernel);  // a later one of the same name wins: families are added slowest first
  const Kernel* find(const char* name, size_t length) const;
  void each(const std::function<void(const Kernel&)>& visit) const;  // by name
  static const Registry& instance();

 private:
  std::map<std::string, const Kernel*, std::less<>> kernels_;
};

}  // namespace millstream
