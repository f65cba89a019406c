// A loaded plan: the file's records, checked and made ready to run. Immutable, shared by every thread that runs it.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/kernel.h"

namespace millstream {

enum class Storage : int32_t { arena = 0, constant = 1, input = 2, heap = 3, alias = 4 };

struct Expression {
  int64_t opcode, a, b;
};

struct Value {
  DType dtype;
  int32_t rank;
  Storage storage;
  bool binding;   // its kernel decides its sizes
  bool literal;   // all its sizes are known
  bool produced;  // by an instruction
  bool edited;    // by state_edit: the bytes are the variable's own
  int32_t root;   // the value whose bytes it shares in the end; itself if none
  int64_t location;
  int64_t bytes;                   // of a literal one
  const int64_t* sizes;            // rank size operands
  std::vector<int32_t> followers;  // aliases of this root
};

struct Instruction {
  const Kernel* kernel;
  const int64_t* inputs;
  const int64_t* outputs;
  const int64_t* attributes;
  const int64_t* patches;
  const int64_t* releases;
  int32_t input_count, output_count, attribute_count, patch_count, release_count;
  int32_t source;
  bool is_static;               // checked when loaded
  bool plain;                   // nothing to do around its kernel's run
  std::vector<int32_t> drops;   // inputs of the function used here last: lists
  std::vector<uint8_t> handed;  // of a call, branch or loop, for each input: 1 for a list that nobody reads afterwards
  std::shared_ptr<const void> prepared;
};

struct Binding {
  int64_t symbol, input, dimension;
};

struct Frame;
struct Function;

// Frames that wait for the next call of their function.
class FramePool {
 public:
  FramePool() = default;
  ~FramePool();
  Frame* take();
  void give(Frame* frame);

 private:
  std::atomic<Frame*> first_{nullptr};
  std::mutex mutex_;
  std::vector<Frame*> more_;
};

struct Function {
  std::string_view name;
  int64_t symbol_count = 0;
  int64_t arena_bytes = 0;
  std::vector<Expression> expressions;
  std::vector<Value> values;
  std::vector<int32_t> inputs, outputs;
  std::vector<Instruction> instructions;
  std::vector<Binding> bindings;
  int depth = 0;       // calls below it
  bool heavy = false;  // worth letting other threads of the host run
  bool has_host = false;
  mutable FramePool frames;
};

struct Signature {
  std::string_view name;
  int64_t function;
  std::vector<std::string_view> input_names, output_names;
  std::vector<std::pair<int64_t, int64_t>> states;  // input position, state
};

struct StateRecord {
  std::string_view name;
  DType dtype;
  int32_t rank;
  const int64_t* dims;
  int64_t constant;
  int64_t maker;  // the function that makes the object (a table, filled), or -1 for a variable
};

class Module final : public Object {
 public:
  Module() : Object(ObjectKind::buffer) {}
  // Checks everything; `data` is copied where it does not start on 64 bytes, else held.
  static Status load(Ref<Buffer> file, Ref<Module>& out);
  static Status load_bytes(const void* data, size_t bytes, Ref<Module>& out);
  static Status load_path(const char* path, Ref<Module>& out);  // maps the file

  Ref<Buffer> file;
  std::vector<const Kernel*> kernels;
  std::vector<std::unique_ptr<Function>> functions;
  std::vector<Tensor> constants;
  std::vector<Signature> signatures;
  std::vector<std::string_view> sources;
  std::vector<StateRecord> states;
};

// The second half of loading: orders, aliases, sizes, calls, and every static instruction's kernel check.
Status verify_module(Module& module);

// A literal shape's elements and bytes, or an error where they would not fit.
Status literal_count(DType dtype, int64_t rank, const int64_t* dims, int64_t& count, int64_t& bytes);

}  // namespace millstream
