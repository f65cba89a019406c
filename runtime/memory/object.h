// Counted objects: what a tensor's bytes, a variable, a list and a host callback have in common.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace millstream {

enum class ObjectKind : int32_t { buffer, state, list, host, optional, table, layouts };

class Object {
 public:
  explicit Object(ObjectKind kind) : kind_(kind) {}
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  virtual ~Object() = default;

  ObjectKind kind() const { return kind_; }
  void retain() { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) dispose();
  }
  bool unique() const { return references_.load(std::memory_order_acquire) == 1; }

 protected:
  virtual void dispose() { delete this; }

 private:
  std::atomic<int32_t> references_{1};
  ObjectKind kind_;
};

// An intrusive counted pointer. `Ref<T>::adopt` takes over the reference that `new` made.
template <typename T>
class Ref {
 public:
  Ref() = default;
  Ref(const Ref& other) : object_(other.object_) {
    if (object_) object_->retain();
  }
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  template <typename U>
  Ref(const Ref<U>& other) : object_(other.get()) {
    if (object_) object_->retain();
  }
  ~Ref() { reset(); }
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  static Ref adopt(T* object) {
    Ref ref;
    ref.object_ = object;
    return ref;
  }
  static Ref share(T* object) {
    if (object) object->retain();
    return adopt(object);
  }
  void reset() {
    if (object_) std::exchange(object_, nullptr)->release();
  }
  T* detach() { return std::exchange(object_, nullptr); }  // the caller takes over the reference
  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  T* object_ = nullptr;
};

}  // namespace millstream
