// What the files of the binding share: the tensor object, how results are wrapped, how failures become exceptions.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "memory/objects.h"
#include "program/executor.h"

namespace millstream::python {

struct TensorObject {
  PyObject_HEAD Tensor tensor;
  PyObject* shape;  // cached tuple or nullptr
  int64_t id;
};

struct PlanObject {
  PyObject_HEAD Module* module;
};

extern PyTypeObject* tensor_base;   // TensorBase
extern PyTypeObject* tensor_class;  // what results are instances of
extern PyTypeObject* plan_type;

inline bool is_tensor(PyObject* object) {
  return Py_TYPE(object) == tensor_class || PyObject_TypeCheck(object, tensor_base);
}
inline Tensor& tensor_of(PyObject* object) { return reinterpret_cast<TensorObject*>(object)->tensor; }

// A new, empty result; its tensor is to be filled. nullptr with an exception set on failure.
TensorObject* new_tensor();
PyObject* wrap(Tensor&& tensor);
PyObject* shape_tuple(TensorObject* self);

// Sets the Python exception for a failure and returns nullptr. An exception that a host call raised wins.
PyObject* raise_status(const Status& status);
PyObject* raise_status(const Status& status, const std::string& source);
bool exception_kept();
void keep_exception();  // called where a host call failed: keeps Python's current exception for raise_status

// Runs a function whose inputs and results are tensor objects. `outputs` receives new references.
bool run_plan(const Module& module, const Function& function, PyObject* const* inputs, size_t input_count,
              PyObject* const* captures, size_t capture_count, PyObject** outputs);
// One tensor, or a tuple of them; takes over the references.
PyObject* pack_outputs(PyObject** outputs, size_t count, bool single);

bool add_tensor_type(PyObject* module);
bool add_plan_type(PyObject* module);
bool add_dispatch_types(PyObject* module);
bool add_call_cache_type(PyObject* module);

extern PyMethodDef tensor_functions[];
extern PyMethodDef dlpack_functions[];
extern PyMethodDef state_functions[];
extern PyMethodDef dispatch_functions[];
extern PyObject* error_factory;

// A key of input types and sizes, built without Python.
class Key {
 public:
  void add(int64_t word) {
    if (count_ < small) {
      words_[count_++] = word;
    } else {
      spill(word);
    }
  }
  void add_tensor(const Tensor& tensor);
  void add_value(const Tensor& tensor);  // its content, where it has at most 256 elements
  size_t count() const { return count_; }
  const int64_t* data() const { return more_.empty() ? words_ : more_.data(); }
  uint64_t hash() const {
    uint64_t hash = 0x9e3779b97f4a7c15u;
    const int64_t* words = data();
    for (size_t i = 0; i < count_; ++i) {
      hash = (hash ^ static_cast<uint64_t>(words[i])) * 0xff51afd7ed558ccdu;
      hash ^= hash >> 32;
    }
    return hash;
  }

 private:
  static constexpr size_t small = 96;
  void spill(int64_t word);
  int64_t words_[small];
  size_t count_ = 0;
  std::vector<int64_t> more_;
};

// What a key leads to.
struct Entry {
  uint64_t hash;
  std::vector<int64_t> key;
  PyObject* held;  // keeps the attributes whose identity is in the key
  PlanObject* plan;
  const Function* function;
  PyObject* captures;  // tuple or nullptr
  size_t output_count;
  bool single;
  Entry* next;   // in its bucket
  Entry* newer;  // in order of age
};

// A bounded table: when full, the oldest entry goes.
class Table {
 public:
  explicit Table(size_t most) : most_(most), buckets_(16) {}
  ~Table() { clear(); }
  Entry* find(const Key& key, uint64_t hash) const {
    for (Entry* entry = buckets_[hash & (buckets_.size() - 1)]; entry; entry = entry->next) {
      if (entry->hash == hash && entry->key.size() == key.count() &&
          std::memcmp(entry->key.data(), key.data(), key.count() * sizeof(int64_t)) == 0) {
        return entry;
      }
    }
    return nullptr;
  }
  void add(Entry* entry);
  void clear();
  size_t size() const { return size_; }
  Entry* oldest() const { return oldest_; }

 private:
  void link(Entry* entry) {
    Entry*& bucket = buckets_[entry->hash & (buckets_.size() - 1)];
    entry->next = bucket;
    bucket = entry;
  }
  void drop_oldest();
  size_t most_, size_ = 0;
  std::vector<Entry*> buckets_;
  Entry* oldest_ = nullptr;
  Entry* newest_ = nullptr;
};

extern thread_local int recording __attribute__((tls_model("initial-exec")));
extern thread_local bool tracing __attribute__((tls_model("initial-exec")));

}  // namespace millstream::python
