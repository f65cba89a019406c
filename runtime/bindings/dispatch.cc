// The dispatcher: from an op and its inputs to a plan that runs, without Python where the inputs' types and sizes were seen before.
#include <algorithm>

#include "bindings/python.h"

namespace millstream::python {

thread_local int recording = 0;
thread_local bool tracing = false;

namespace {

constexpr size_t most_entries = 4096;

struct HandleObject {
  PyObject_HEAD PyObject* name;
  PyObject* compile;
  std::vector<int64_t>* value_inputs;
  Table* table;
};

PyTypeObject* handle_type = nullptr;
PyObject* record_hook = nullptr;
PyObject* failure_hook = nullptr;

HandleObject* handle_of(PyObject* self) { return reinterpret_cast<HandleObject*>(self); }

PyObject* handle_new(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  static const char* names[] = {"name", "value_inputs", "compile", nullptr};
  PyObject *name, *value_inputs, *compile;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "UO!O", const_cast<char**>(names), &name, &PyTuple_Type,
                                   &value_inputs, &compile)) {
    return nullptr;
  }
  std::vector<int64_t> positions;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(value_inputs); ++i) {
    positions.push_back(PyLong_AsLongLong(PyTuple_GET_ITEM(value_inputs, i)));
    if (PyErr_Occurred()) return nullptr;
  }
  HandleObject* made = handle_of(type->tp_alloc(type, 0));
  if (!made) return nullptr;
  made->name = Py_NewRef(name);
  made->compile = Py_NewRef(compile);
  made->value_inputs = new std::vector<int64_t>(std::move(positions));
  made->table = new Table(most_entries);
  return reinterpret_cast<PyObject*>(made);
}

void handle_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  HandleObject* handle = handle_of(self);
  PyObject_GC_UnTrack(self);
  delete handle->table;
  delete handle->value_inputs;
  Py_XDECREF(handle->name);
  Py_XDECREF(handle->compile);
  type->tp_free(self);
  Py_DECREF(type);
}

int handle_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(handle_of(self)->compile);
  Py_VISIT(Py_TYPE(self));
  return 0;
}

int handle_clear(PyObject* self) {
  Py_CLEAR(handle_of(self)->compile);
  return 0;
}

PyObject* cache_size(PyObject* self, PyObject*) { return PyLong_FromSize_t(handle_of(self)->table->size()); }

PyObject* cache_clear(PyObject* self, PyObject*) {
  handle_of(self)->table->clear();
  Py_RETURN_NONE;
}

PyObject* get_name(PyObject* self, void*) { return Py_NewRef(handle_of(self)->name); }

PyMethodDef handle_methods[] = {{"cache_size", cache_size, METH_NOARGS, "How many plans this op holds."},
                                {"cache_clear", cache_clear, METH_NOARGS, "Forgets its plans."},
                                {nullptr, nullptr, 0, nullptr}};
PyGetSetDef handle_attributes[] = {{"name", get_name, nullptr, "The op's name.", nullptr},
                                   {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyObject* tuple_of(PyObject* const* items, Py_ssize_t count) {
  PyObject* tuple = PyTuple_New(count);
  for (Py_ssize_t i = 0; tuple && i < count; ++i) PyTuple_SET_ITEM(tuple, i, Py_NewRef(items[i]));
  return tuple;
}

// Asks Python for a plan. The caller owns the result.
Entry* compile(HandleObject* handle, PyObject* attributes, PyObject* const* inputs, Py_ssize_t count) {
  PyObject* tuple = tuple_of(inputs, count);
  if (!tuple) return nullptr;
  PyObject* function = Py_NewRef(handle->compile);
  PyObject* arguments[] = {nullptr, tuple, attributes};
  PyObject* answer = PyObject_Vectorcall(function, arguments + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
  Py_DECREF(function);
  Py_DECREF(tuple);
  if (!answer) return nullptr;
  const Py_ssize_t size = PyTuple_Check(answer) ? PyTuple_GET_SIZE(answer) : 0;
  if (size < 2 || size > 3 || !Py_IS_TYPE(PyTuple_GET_ITEM(answer, 0), plan_type)) {
    PyErr_Format(PyExc_TypeError,
                 "The compiler of %U must return (Plan, function index) or (Plan, function index, outputs).",
                 handle->name);
    Py_DECREF(answer);
    return nullptr;
  }
  auto* plan = reinterpret_cast<PlanObject*>(PyTuple_GET_ITEM(answer, 0));
  const Py_ssize_t index = PyLong_AsSsize_t(PyTuple_GET_ITEM(answer, 1));
  const Py_ssize_t functions = static_cast<Py_ssize_t>(plan->module->functions.size());
  if (index < 0 || index >= functions) {
    if (!PyErr_Occurred())
      PyErr_Format(PyExc_IndexError, "The plan of %U has %zd functions, given index %zd.", handle->name, functions,
                   index);
    Py_DECREF(answer);
    return nullptr;
  }
  const Function* chosen = plan->module->functions[static_cast<size_t>(index)].get();
  const Py_ssize_t outputs =
      size == 3 ? PyLong_AsSsize_t(PyTuple_GET_ITEM(answer, 2)) : static_cast<Py_ssize_t>(chosen->outputs.size());
  if (outputs < 0 || outputs > static_cast<Py_ssize_t>(chosen->outputs.size()) || PyErr_Occurred()) {
    if (!PyErr_Occurred())
      PyErr_Format(PyExc_ValueError, "The plan of %U has fewer than %zd outputs.", handle->name, outputs);
    Py_DECREF(answer);
    return nullptr;
  }
  auto* entry = new Entry{};
  entry->plan = reinterpret_cast<PlanObject*>(Py_NewRef(reinterpret_cast<PyObject*>(plan)));
  entry->function = chosen;
  entry->output_count = static_cast<size_t>(outputs);
  entry->single = outputs == 1;
  Py_DECREF(answer);
  return entry;
}

bool call_record_hook(PyObject* handle, PyObject* attributes, PyObject* const* inputs, Py_ssize_t count,
                      PyObject** outputs, size_t output_count) {
  if (!record_hook) return true;
  PyObject* given = tuple_of(inputs, count);
  PyObject* made = tuple_of(outputs, static_cast<Py_ssize_t>(output_count));
  PyObject* answer = nullptr;
  if (given && made) {
    PyObject* hook = Py_NewRef(record_hook);
    PyObject* arguments[] = {nullptr, handle, attributes, given, made};
    answer = PyObject_Vectorcall(hook, arguments + 1, 4 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
    Py_DECREF(hook);
  }
  Py_XDECREF(given);
  Py_XDECREF(made);
  Py_XDECREF(answer);
  return answer != nullptr;
}

// Lets Python add to the error that is set what it knows of the call. The error stays the one to be raised.
PyObject* failed(PyObject* handle, PyObject* attributes, PyObject* const* inputs, Py_ssize_t count) {
  if (!failure_hook) return nullptr;
  PyObject *type, *error, *trace;
  PyErr_Fetch(&type, &error, &trace);
  PyErr_NormalizeException(&type, &error, &trace);
  if (error && trace) PyException_SetTraceback(error, trace);
  PyObject* given = tuple_of(inputs, count);
  PyObject* hook = Py_NewRef(failure_hook);
  PyObject* arguments[] = {nullptr, handle, attributes, given, error};
  PyObject* answer =
      given && error ? PyObject_Vectorcall(hook, arguments + 1, 4 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr) : nullptr;
  if (!answer) PyErr_WriteUnraisable(hook);
  Py_XDECREF(answer);
  Py_DECREF(hook);
  Py_XDECREF(given);
  PyErr_Restore(type, error, trace);
  return nullptr;
}

// execute(handle, attributes, *inputs)
PyObject* execute(PyObject*, PyObject* const* arguments, Py_ssize_t argument_count) {
  if (tracing) Py_RETURN_NOTIMPLEMENTED;
  if (argument_count < 2 || !Py_IS_TYPE(arguments[0], handle_type)) {
    return PyErr_Format(PyExc_TypeError, "execute takes an OpHandle, the attributes and the inputs.");
  }
  HandleObject* handle = handle_of(arguments[0]);
  PyObject* attributes = arguments[1];
  PyObject* const* inputs = arguments + 2;
  const Py_ssize_t count = argument_count - 2;
  Key key;
  key.add(static_cast<int64_t>(reinterpret_cast<uintptr_t>(attributes)));
  for (Py_ssize_t i = 0; i < count; ++i) {
    if (!is_tensor(inputs[i])) Py_RETURN_NOTIMPLEMENTED;
    key.add_tensor(tensor_of(inputs[i]));
  }
  for (int64_t position : *handle->value_inputs) {
    const int64_t at = position < 0 ? position + count : position;
    if (at >= 0 && at < count) key.add_value(tensor_of(inputs[at]));
  }
  const uint64_t hash = key.hash();
  Entry* entry = handle->table->find(key, hash);
  Ref<Module> held;
  const Function* function;
  size_t output_count;
  bool single;
  if (entry) {
    held = Ref<Module>::share(entry->plan->module);
    function = entry->function;
    output_count = entry->output_count;
    single = entry->single;
  } else {
    entry = compile(handle, attributes, inputs, count);
    if (!entry) return failed(arguments[0], attributes, inputs, count);
    held = Ref<Module>::share(entry->plan->module);
    function = entry->function;
    output_count = entry->output_count;
    single = entry->single;
    entry->held = Py_NewRef(attributes);
    entry->hash = hash;
    entry->key.assign(key.data(), key.data() + key.count());
    if (!handle->table->find(key, hash)) {  // compiling may have run this very op
      handle->table->add(entry);
    } else {
      Py_DECREF(entry->held);
      Py_DECREF(reinterpret_cast<PyObject*>(entry->plan));
      delete entry;
    }
  }
  constexpr size_t most_small = 16;
  PyObject* small[most_small];
  std::vector<PyObject*> large;
  PyObject** outputs = small;
  const size_t all = function->outputs.size();
  if (all > most_small) outputs = (large.resize(all), large.data());
  if (!run_plan(*held, *function, inputs, static_cast<size_t>(count), nullptr, 0, outputs)) {
    return failed(arguments[0], attributes, inputs, count);
  }
  for (size_t i = output_count; i < all; ++i) Py_DECREF(outputs[i]);
  if (recording > 0 && !call_record_hook(arguments[0], attributes, inputs, count, outputs, output_count)) {
    for (size_t i = 0; i < output_count; ++i) Py_DECREF(outputs[i]);
    return nullptr;
  }
  return pack_outputs(outputs, output_count, single);
}

PyObject* set_recording(PyObject*, PyObject* given) {
  const long value = PyLong_AsLong(given);
  if (value == -1 && PyErr_Occurred()) return nullptr;
  recording = static_cast<int>(value);
  Py_RETURN_NONE;
}

PyObject* set_tracing(PyObject*, PyObject* given) {
  const int value = PyObject_IsTrue(given);
  if (value < 0) return nullptr;
  tracing = value;
  Py_RETURN_NONE;
}

PyObject* get_recording(PyObject*, PyObject*) { return PyLong_FromLong(recording); }
PyObject* get_tracing(PyObject*, PyObject*) { return PyBool_FromLong(tracing); }

PyObject* set_record_hook(PyObject*, PyObject* hook) {
  PyObject* old = record_hook;
  record_hook = hook == Py_None ? nullptr : Py_NewRef(hook);
  return old ? old : Py_NewRef(Py_None);
}

PyObject* set_failure_hook(PyObject*, PyObject* hook) {
  PyObject* old = failure_hook;
  failure_hook = hook == Py_None ? nullptr : Py_NewRef(hook);
  return old ? old : Py_NewRef(Py_None);
}

}  // namespace

PyMethodDef dispatch_functions[] = {
    {"execute", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(execute)), METH_FASTCALL,
     "execute(handle, attributes, *inputs) -> tensor, tuple of tensors, or NotImplemented where Python must decide"},
    {"set_recording", set_recording, METH_O,
     "This thread calls the record hook after each op while the number is above 0."},
    {"recording", get_recording, METH_NOARGS, "This thread's number."},
    {"set_tracing", set_tracing, METH_O, "While true, execute on this thread returns NotImplemented."},
    {"tracing", get_tracing, METH_NOARGS, "This thread's flag."},
    {"set_record_hook", set_record_hook, METH_O, "hook(handle, attributes, inputs, outputs). Returns the one before."},
    {"set_failure_hook", set_failure_hook, METH_O,
     "hook(handle, attributes, inputs, error) adds to the error of a call what it knows. Returns the one before."},
    {nullptr, nullptr, 0, nullptr}};

bool add_dispatch_types(PyObject* module) {
  static PyType_Slot slots[] = {
      {Py_tp_new, reinterpret_cast<void*>(handle_new)},
      {Py_tp_dealloc, reinterpret_cast<void*>(handle_dealloc)},
      {Py_tp_traverse, reinterpret_cast<void*>(handle_traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(handle_clear)},
      {Py_tp_methods, handle_methods},
      {Py_tp_getset, handle_attributes},
      {Py_tp_doc, const_cast<char*>("OpHandle(name, value_inputs, compile): an op and its plans.")},
      {0, nullptr}};
  static PyType_Spec spec = {"millstream._runtime.OpHandle", sizeof(HandleObject), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
  handle_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  return handle_type && PyModule_AddObjectRef(module, "OpHandle", reinterpret_cast<PyObject*>(handle_type)) == 0;
}

}  // namespace millstream::python
