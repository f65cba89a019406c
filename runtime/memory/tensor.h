// A tensor as kernels see it: element type, sizes, bytes. Always dense, row-major.
#pragma once

#include <atomic>
#include <cstdint>

#include "memory/dtype.h"
#include "memory/object.h"

namespace millstream {

constexpr int max_rank = 12;

// Bytes that live as long as somebody holds them. Aligned to 64. Comes from the caching allocator, or wraps foreign
// memory (NumPy, DLPack, a mapped file) with a deleter.
class Buffer : public Object {
 public:
  using Deleter = void (*)(void* data, void* context);
  static Ref<Buffer> allocate(size_t bytes);  // throws std::bad_alloc
  static Ref<Buffer> wrap(void* data, size_t bytes, Deleter deleter, void* context, bool writable);
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  bool writable() const { return writable_; }

  // What was made from the bytes (weights in another layout), kept with them for whoever needs it again; `derive` says no
  // where somebody was first, or where the bytes may change unseen: foreign ones, and those shown outside.
  Ref<Object> derived() const;
  bool derive(const Ref<Object>& made);
  void changing();  // said before bytes that were read are written again: forgets what was made from them
  void expose();    // said before others may write them

 protected:
  Buffer(void* data, size_t bytes, bool writable, bool watched)
      : Object(ObjectKind::buffer), data_(data), bytes_(bytes), writable_(writable), watched_(watched) {}
  ~Buffer() override;
  void* data_;
  size_t bytes_;
  bool writable_;
  std::atomic<bool> watched_;
  std::atomic<Object*> derived_{nullptr};
};

struct Tensor {
  DType dtype = DType::invalid;
  int32_t rank = 0;
  int64_t dims[max_rank] = {};
  void* data = nullptr;  // elements; for strings: offsets then bytes
  Ref<Buffer> buffer;    // keeps `data` alive; empty for arena, constant and borrowed values
  Ref<Object> object;    // resource and variant values

  int64_t count() const {
    int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= dims[i];
    return n;
  }
  size_t bytes() const { return static_cast<size_t>(count()) * element_bytes(dtype); }
  template <typename T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

}  // namespace millstream
