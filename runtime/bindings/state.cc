// Variables, hash tables and host objects as Python handles: resource tensors.
#include "bindings/python.h"
#include "memory/lookup_table.h"
#include "program/kept_hosts.h"

namespace millstream::python {
namespace {

PyObject* wrap_object(Ref<Object> object) {
  Tensor tensor;
  tensor.dtype = DType::resource;
  tensor.object = std::move(object);
  return wrap(std::move(tensor));
}

State* state_of(PyObject* handle) {
  State* state = is_tensor(handle) ? object_as<State>(tensor_of(handle), ObjectKind::state) : nullptr;
  if (!state) PyErr_Format(PyExc_TypeError, "Expected the handle of a variable, given %s.", Py_TYPE(handle)->tp_name);
  return state;
}

// make_state(dtype, shape or None, name); a size that is None or -1 is open
PyObject* make_state(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (count != 3) return PyErr_Format(PyExc_TypeError, "make_state takes a dtype, a shape or None, and a name.");
  auto state = Ref<State>::adopt(new State);
  state->dtype = static_cast<DType>(PyLong_AsLong(arguments[0]));
  const char* name = PyErr_Occurred() ? nullptr : PyUnicode_AsUTF8(arguments[2]);
  if (!name) return nullptr;
  state->name = name;
  if (arguments[1] != Py_None) {
    PyObject* items = PySequence_Fast(arguments[1], "shape must be a sequence of int, or None");
    if (!items) return nullptr;
    const Py_ssize_t rank = PySequence_Fast_GET_SIZE(items);
    for (Py_ssize_t i = 0; i < rank && i < max_rank; ++i) {
      PyObject* item = PySequence_Fast_GET_ITEM(items, i);
      state->dims[i] = item == Py_None ? -1 : PyLong_AsLongLong(item);
    }
    Py_DECREF(items);
    if (PyErr_Occurred()) return nullptr;
    if (rank > max_rank)
      return PyErr_Format(PyExc_ValueError, "A variable has at most %d dimensions, given %zd.", max_rank, rank);
    state->rank = static_cast<int32_t>(rank);
  }
  return wrap_object(state);
}

PyObject* state_value(PyObject*, PyObject* handle) {
  State* state = state_of(handle);
  if (!state) return nullptr;
  Tensor value;
  {
    std::lock_guard lock(state->mutex);
    if (!state->is_set) Py_RETURN_NONE;
    value = state->value;
  }
  return wrap(std::move(value));
}

PyObject* state_assign(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (count != 2 || !is_tensor(arguments[1]))
    return PyErr_Format(PyExc_TypeError, "state_assign takes a variable's handle and a tensor.");
  State* state = state_of(arguments[0]);
  if (!state) return nullptr;
  const Status status = state->write(tensor_of(arguments[1]));
  if (!status.ok()) return raise_status(status);
  Py_RETURN_NONE;
}

PyObject* state_clear(PyObject*, PyObject* handle) {
  State* state = state_of(handle);
  if (!state) return nullptr;
  Tensor old;
  {
    std::lock_guard lock(state->mutex);
    std::swap(old, state->value);
    state->is_set = false;
  }
  Py_RETURN_NONE;
}

// state_info(handle) -> dict of dtype, shape (None, or a tuple with None where open), name, is_set, value_shape
PyObject* state_info(PyObject*, PyObject* handle) {
  State* state = state_of(handle);
  if (!state) return nullptr;
  Tensor value;
  bool is_set;
  {
    std::lock_guard lock(state->mutex);
    value = state->value;
    is_set = state->is_set;
  }
  auto sizes = [](int rank, const int64_t* dims) -> PyObject* {
    if (rank < 0) return Py_NewRef(Py_None);
    PyObject* tuple = PyTuple_New(rank);
    for (int i = 0; tuple && i < rank; ++i)
      PyTuple_SET_ITEM(tuple, i, dims[i] < 0 ? Py_NewRef(Py_None) : PyLong_FromLongLong(dims[i]));
    return tuple;
  };
  return Py_BuildValue("{s:i,s:N,s:s,s:O,s:N}", "dtype", static_cast<int>(state->dtype), "shape",
                       sizes(state->rank, state->dims), "name", state->name.c_str(), "is_set",
                       is_set ? Py_True : Py_False, "value_shape",
                       is_set ? sizes(value.rank, value.dims) : Py_NewRef(Py_None));
}

// table_info(handle) -> (key type, value type, shape of a value)
PyObject* table_info(PyObject*, PyObject* handle) {
  LookupTable* table = is_tensor(handle) ? object_as<LookupTable>(tensor_of(handle), ObjectKind::table) : nullptr;
  if (!table)
    return PyErr_Format(PyExc_TypeError, "Expected the handle of a hash table, given %s.", Py_TYPE(handle)->tp_name);
  PyObject* shape = PyTuple_New(table->rank);
  for (int i = 0; shape && i < table->rank; ++i) PyTuple_SET_ITEM(shape, i, PyLong_FromLongLong(table->dims[i]));
  return Py_BuildValue("iiN", static_cast<int>(table->key_type), static_cast<int>(table->value_type), shape);
}

// list_rank(handle, index) -> how many axes an element of a list has, counted from the end below 0. Where it was not set: the
// first that was, or what is said of all; -1: nothing is.
PyObject* list_rank(PyObject*, PyObject* arguments) {
  PyObject* handle = nullptr;
  Py_ssize_t index = 0;
  if (!PyArg_ParseTuple(arguments, "On", &handle, &index)) return nullptr;
  const List* list = is_tensor(handle) ? object_as<List>(tensor_of(handle), ObjectKind::list) : nullptr;
  if (!list) return PyErr_Format(PyExc_TypeError, "Expected a list of tensors, given %s.", Py_TYPE(handle)->tp_name);
  const auto count = static_cast<Py_ssize_t>(list->elements.size());
  if (index < 0) index += count;
  if (index >= 0 && index < count && list->elements[static_cast<size_t>(index)].dtype != DType::invalid)
    return PyLong_FromLong(list->elements[static_cast<size_t>(index)].rank);
  for (const Tensor& element : list->elements) {
    if (element.dtype != DType::invalid) return PyLong_FromLong(element.rank);
  }
  return PyLong_FromLong(list->rank);
}

class PythonHost final : public Host {
 public:
  explicit PythonHost(PyObject* callable) : callable_(Py_NewRef(callable)) {}
  ~PythonHost() override {
    if (!Py_IsInitialized()) return;
    const PyGILState_STATE gil = PyGILState_Ensure();
    Py_DECREF(callable_);
    PyGILState_Release(gil);
  }

  Status call(const Tensor* const* inputs, int input_count, Tensor* const* outputs, int output_count) override {
    const PyGILState_STATE gil = PyGILState_Ensure();
    Status status = answer(inputs, input_count, outputs, output_count);
    if (PyErr_Occurred()) keep_exception();
    PyGILState_Release(gil);
    return status;
  }

  PyObject* callable() const { return callable_; }

 private:
  Status answer(const Tensor* const* inputs, int input_count, Tensor* const* outputs, int output_count) {
    const Status failed(Code::unknown, "A host call failed.");
    PyObject* arguments = PyTuple_New(input_count);
    if (!arguments) return failed;
    for (int i = 0; i < input_count; ++i) {
      PyObject* item = wrap(Tensor(*inputs[i]));
      if (!item) {
        Py_DECREF(arguments);
        return failed;
      }
      PyTuple_SET_ITEM(arguments, i, item);
    }
    // Flags of the thread belong to the code around the call, not to the callback.
    const int outer_recording = std::exchange(recording, 0);
    const bool outer_tracing = std::exchange(tracing, false);
    PyObject* result = PyObject_Call(callable_, arguments, nullptr);
    recording = outer_recording;
    tracing = outer_tracing;
    Py_DECREF(arguments);
    if (!result) return failed;
    Status status = failed;
    if (result == Py_None && output_count == 0) {
      status = Status();
    } else if (is_tensor(result) && output_count == 1) {
      *outputs[0] = tensor_of(result);
      status = Status();
    } else if ((PyTuple_Check(result) || PyList_Check(result)) && PySequence_Fast_GET_SIZE(result) == output_count) {
      status = Status();
      for (int i = 0; i < output_count && status.ok(); ++i) {
        PyObject* item = PySequence_Fast_GET_ITEM(result, i);
        if (is_tensor(item)) {
          *outputs[i] = tensor_of(item);
        } else {
          PyErr_Format(PyExc_TypeError, "A host call must return tensors, given %s.", Py_TYPE(item)->tp_name);
          status = failed;
        }
      }
    } else {
      PyErr_Format(PyExc_TypeError, "A host call must return %d tensors, given %s.", output_count,
                   Py_TYPE(result)->tp_name);
    }
    Py_DECREF(result);
    return status;
  }

  PyObject* callable_;
};

PyObject* make_host(PyObject*, PyObject* callable) {
  if (!PyCallable_Check(callable))
    return PyErr_Format(PyExc_TypeError, "make_host takes a callable, given %s.", Py_TYPE(callable)->tp_name);
  return wrap_object(Ref<Object>::adopt(new PythonHost(callable)));
}

PyObject* host_callable(PyObject*, PyObject* handle) {
  Host* host = is_tensor(handle) ? object_as<Host>(tensor_of(handle), ObjectKind::host) : nullptr;
  auto* made = dynamic_cast<PythonHost*>(host);
  if (!made)
    return PyErr_Format(PyExc_TypeError, "Expected a handle of make_host, given %s.", Py_TYPE(handle)->tp_name);
  return Py_NewRef(made->callable());
}

PyObject* keep_host(PyObject*, PyObject* callable) {
  if (!PyCallable_Check(callable))
    return PyErr_Format(PyExc_TypeError, "keep_host takes a callable, given %s.", Py_TYPE(callable)->tp_name);
  return PyLong_FromLongLong(millstream::keep_host(Ref<Object>::adopt(new PythonHost(callable))));
}

}  // namespace

PyMethodDef state_functions[] = {
    {"make_state", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(make_state)), METH_FASTCALL,
     "make_state(dtype, shape or None, name) -> handle"},
    {"state_value", state_value, METH_O, "The variable's value, or None."},
    {"state_assign", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(state_assign)), METH_FASTCALL,
     "state_assign(handle, tensor)"},
    {"state_clear", state_clear, METH_O,
     "Forgets the variable's value: reading it is an error until the next assignment."},
    {"state_info", state_info, METH_O, "dtype, shape, name, is_set, value_shape as a dict."},
    {"table_info", table_info, METH_O, "table_info(handle) -> (key type, value type, shape of a value)"},
    {"list_rank", list_rank, METH_VARARGS,
     "list_rank(handle, index) -> how many axes an element has, -1: nothing says it"},
    {"keep_host", keep_host, METH_O, "keep_host(callable) -> number for host_kept; kept until the process ends"},
    {"host_callable", host_callable, METH_O, "The callable that make_host was given."},
    {"make_host", make_host, METH_O, "make_host(callable) -> handle for host_call"},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace millstream::python
