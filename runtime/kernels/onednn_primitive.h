// oneDNN's primitives as our kernels use them: made once for a shape, kept in one bounded cache, run on plain tensors.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <vector>

#include <dnnl.hpp>

#include "kernels/kernel.h"
#include "kernels/matmul.h"

namespace millstream {

// A primitive with its scratchpad and, where it wants another layout than the plain one, reorders before and after.
class OneDnnOperation {
 public:
  struct Argument {
    int name;
    void* data;
    Buffer* buffer = nullptr;  // that owns exactly these bytes, so that another layout of them can be kept with it
  };
  struct Slot {
    int name;
    dnnl::memory::desc plain;   // how the caller's bytes lie
    dnnl::memory::desc wanted;  // how the primitive reads or writes them
    bool output;
    bool kept = false;  // an input worth keeping in the wanted layout from its second use on
  };

  OneDnnOperation(dnnl::primitive primitive, const dnnl::memory::desc& scratchpad, const std::vector<Slot>& slots,
                  int threads);
  OneDnnOperation(const OneDnnOperation&) = delete;
  OneDnnOperation& operator=(const OneDnnOperation&) = delete;
  ~OneDnnOperation();
  Status run(std::initializer_list<Argument> arguments) const;  // one for each slot

 private:
  struct Frame;
  struct Reorder {
    dnnl::primitive primitive;
    size_t offset = 0;  // of the reordered bytes in the scratch buffer
    bool used = false;
  };
  std::unique_ptr<Frame> take_frame() const;
  Ref<Buffer> kept_bytes(size_t slot, const Argument& argument, const std::function<bool(void*)>& reorder) const;

  dnnl::primitive primitive_;
  std::vector<Slot> slots_;
  std::vector<Reorder> reorders_;  // one for each slot
  dnnl::memory::desc scratchpad_;
  size_t reorder_scratch_bytes_ = 0;
  size_t bytes_ = 0;
  int threads_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Frame>> free_;  // one is in use for each thread that runs this now
};

const dnnl::engine& onednn_engine();
dnnl::primitive_attr onednn_attributes();  // scratchpad from the caller
void append_activation(dnnl::post_ops& operations, Activation activation, double alpha);
bool onednn_has_bfloat16();

// oneDNN's relu and relu6 make 0 of NaN, where TensorFlow keeps it.
inline bool drops_nan(Activation activation) {
  return activation == Activation::relu || activation == Activation::relu6;
}
bool all_finite(const Tensor& tensor);                         // float32 or bfloat16
void apply_relu(Activation activation, const Tensor& tensor);  // in place, float32 or bfloat16; keeps NaN

enum class OneDnnKind : int64_t { matmul, convolution, input_gradient, weight_gradient };

// onednn_threads.cc: makes oneDNN run on our pool, and sets how many threads the calling thread's next regions take.
bool onednn_use_our_threads();
void onednn_set_threads(int threads);

// How many threads pay for this much work: waking one costs several microseconds.
int onednn_threads(double multiplications);

// The operation of this key, made by `make` where it is not in the cache. `make` may throw dnnl::error: then, and where
// oneDNN has no fast form (it returns nullptr), the answer is nullptr and the portable kernel runs.
std::shared_ptr<const OneDnnOperation> onednn_operation(std::vector<int64_t> key, int threads, Status& status,
                                                        const std::function<std::shared_ptr<OneDnnOperation>()>& make);

extern const Kernel kernel_matmul_onednn, kernel_dot_onednn;
extern const Kernel kernel_convolution_onednn, kernel_convolution_input_gradient_onednn,
    kernel_convolution_weight_gradient_onednn;
extern const Kernel kernel_depthwise_convolution_onednn, kernel_depthwise_convolution_input_gradient_onednn,
    kernel_depthwise_convolution_weight_gradient_onednn;

}  // namespace millstream
