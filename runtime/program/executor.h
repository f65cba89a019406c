// Runs the functions of a loaded plan. Kernels for control flow see the activation they run in as an Executor.
#pragma once

#include <span>

#include "program/plan.h"

namespace millstream {

struct Frame;

class Executor {
 public:
  explicit Executor(Frame& frame) : frame_(frame) {}

  // Calls another function of the same plan. `inputs` are borrowed; the objects of those where `moved` is 1 are taken over,
  // so that a list nobody else holds changes in place. `outputs` own what they refer to, or refer to the plan's constants.
  Status call(int64_t function, const Tensor* const* inputs, int input_count, Tensor* const* outputs, int output_count,
              const uint8_t* moved = nullptr);
  // For each input of the instruction that runs, which calls functions: 1 for a list that nobody reads afterwards.
  const uint8_t* handed() const;
  // Gives a size known only now its value. Bound twice, both must agree.
  Status bind(int64_t symbol, int64_t size);
  const Module& module() const;

 private:
  Frame& frame_;
};

// Where an output may be put: bytes that nobody reads or writes before, in what `buffer` keeps alive.
struct Place {
  Ref<Buffer> buffer;
  void* data = nullptr;
  size_t bytes = 0;
};

// Runs a function from outside: inputs are borrowed for the time of the call, outputs own what they refer to. An output of as
// many bytes as its place has (`places`: one for each output, or none) is put there where it is computed, not copied.
Status run_function(const Module& module, const Function& function, const Tensor* const* inputs, Tensor* const* outputs,
                    std::span<const Place> places = {});

// Where the last failure on this thread came from: the user's line, or empty. Forgotten once told.
std::string take_failure_source();

}  // namespace millstream
