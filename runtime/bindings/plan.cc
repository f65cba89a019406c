// Plan: verified bytes that run. And how failures become exceptions.
#include "bindings/python.h"

namespace millstream::python {

PyTypeObject* plan_type = nullptr;
PyObject* error_factory = nullptr;

namespace {

thread_local PyObject *kept_type = nullptr, *kept_value = nullptr, *kept_trace = nullptr;

PyObject* plan_new(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  static const char* names[] = {"bytes", nullptr};
  Py_buffer view;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "y*", const_cast<char**>(names), &view)) return nullptr;
  Ref<Module> module;
  Status status;
  try {
    status = Module::load_bytes(view.buf, static_cast<size_t>(view.len), module);
  } catch (const std::bad_alloc&) {
    status = Status(Code::resource_exhausted, "Out of memory while loading a plan.");
  }
  PyBuffer_Release(&view);
  if (!status.ok()) return raise_status(status);
  auto* made = reinterpret_cast<PlanObject*>(type->tp_alloc(type, 0));
  if (made) made->module = module.detach();
  return reinterpret_cast<PyObject*>(made);
}

void plan_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  if (Module* module = reinterpret_cast<PlanObject*>(self)->module) module->release();
  type->tp_free(self);
  Py_DECREF(type);
}

const Function* find_function(PlanObject* self, Py_ssize_t index) {
  if (index < 0 || index >= static_cast<Py_ssize_t>(self->module->functions.size())) {
    PyErr_Format(PyExc_IndexError, "The plan has %zu functions, given index %zd.", self->module->functions.size(),
                 index);
    return nullptr;
  }
  return self->module->functions[static_cast<size_t>(index)].get();
}

PyObject* plan_run(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  if (count != 2 || !PyTuple_Check(arguments[1]))
    return PyErr_Format(PyExc_TypeError, "run takes a function index and a tuple of tensors.");
  auto* plan = reinterpret_cast<PlanObject*>(self);
  const Py_ssize_t index = PyLong_AsSsize_t(arguments[0]);
  if (index == -1 && PyErr_Occurred()) return nullptr;
  const Function* function = find_function(plan, index);
  if (!function) return nullptr;
  const auto inputs = static_cast<size_t>(PyTuple_GET_SIZE(arguments[1]));
  PyObject** items = &PyTuple_GET_ITEM(arguments[1], 0);
  for (size_t i = 0; i < inputs; ++i) {
    if (!is_tensor(items[i]))
      return PyErr_Format(PyExc_TypeError, "Input %zu is no tensor but %s.", i, Py_TYPE(items[i])->tp_name);
  }
  std::vector<PyObject*> outputs(function->outputs.size());
  if (!run_plan(*plan->module, *function, items, inputs, nullptr, 0, outputs.data())) return nullptr;
  return pack_outputs(outputs.data(), outputs.size(), false);
}

PyObject* text_of(std::string_view text) {
  return PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace");
}

bool put(PyObject* dict, const char* name, PyObject* value) {
  const bool good = value && PyDict_SetItemString(dict, name, value) == 0;
  Py_XDECREF(value);
  return good;
}

PyObject* texts_of(const std::vector<std::string_view>& texts) {
  PyObject* list = PyList_New(0);
  for (auto text : texts) {
    PyObject* item = text_of(text);
    if (!item || PyList_Append(list, item) != 0) {
      Py_XDECREF(item);
      Py_DECREF(list);
      return nullptr;
    }
    Py_DECREF(item);
  }
  return list;
}

PyObject* plan_describe(PyObject* self, PyObject*) {
  const Module& module = *reinterpret_cast<PlanObject*>(self)->module;
  PyObject* functions = PyList_New(0);
  for (const auto& function : module.functions) {
    PyObject* record = PyDict_New();
    std::vector<std::string_view> kernels;
    for (const Instruction& item : function->instructions) kernels.emplace_back(item.kernel->name);
    if (!put(record, "name", text_of(function->name)) || !put(record, "instructions", texts_of(kernels)) ||
        !put(record, "inputs", PyLong_FromSize_t(function->inputs.size())) ||
        !put(record, "outputs", PyLong_FromSize_t(function->outputs.size())) ||
        !put(record, "values", PyLong_FromSize_t(function->values.size())) ||
        !put(record, "arena_bytes", PyLong_FromLongLong(function->arena_bytes)) ||
        !put(record, "heavy", PyBool_FromLong(function->heavy)) || PyList_Append(functions, record) != 0) {
      Py_DECREF(record);
      Py_DECREF(functions);
      return nullptr;
    }
    Py_DECREF(record);
  }
  PyObject* signatures = PyList_New(0);
  for (const Signature& signature : module.signatures) {
    PyObject* record = PyDict_New();
    if (!put(record, "name", text_of(signature.name)) ||
        !put(record, "function", PyLong_FromLongLong(signature.function)) ||
        !put(record, "inputs", texts_of(signature.input_names)) ||
        !put(record, "outputs", texts_of(signature.output_names)) || PyList_Append(signatures, record) != 0) {
      Py_DECREF(record);
      Py_DECREF(signatures);
      Py_DECREF(functions);
      return nullptr;
    }
    Py_DECREF(record);
  }
  PyObject* result = PyDict_New();
  put(result, "functions", functions);
  put(result, "signatures", signatures);
  put(result, "constants", PyLong_FromSize_t(module.constants.size()));
  return result;
}

PyMethodDef plan_methods[] = {{"run", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(plan_run)),
                               METH_FASTCALL, "run(function_index, tuple of tensors) -> tuple of tensors"},
                              {"describe", plan_describe, METH_NOARGS, "What the plan holds, as a dict."},
                              {nullptr, nullptr, 0, nullptr}};

}  // namespace

void keep_exception() {
  Py_CLEAR(kept_type);
  Py_CLEAR(kept_value);
  Py_CLEAR(kept_trace);
  PyErr_Fetch(&kept_type, &kept_value, &kept_trace);
}

bool exception_kept() { return kept_type != nullptr; }

PyObject* raise_status(const Status& status) { return raise_status(status, take_failure_source()); }

PyObject* raise_status(const Status& status, const std::string& source) {
  if (kept_type) {
    PyErr_Restore(kept_type, kept_value, kept_trace);
    kept_type = kept_value = kept_trace = nullptr;
    return nullptr;
  }
  if (error_factory) {
    PyObject* message =
        PyUnicode_DecodeUTF8(status.message().data(), static_cast<Py_ssize_t>(status.message().size()), "replace");
    PyObject* error = message ? PyObject_CallFunction(error_factory, "iNs#", static_cast<int>(status.code()), message,
                                                      source.data(), static_cast<Py_ssize_t>(source.size()))
                              : nullptr;
    if (error) {
      PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error)), error);
      Py_DECREF(error);
    }
    return nullptr;
  }
  return PyErr_Format(PyExc_RuntimeError, "%s%s%s (code %d)", status.message().c_str(), source.empty() ? "" : " at ",
                      source.c_str(), static_cast<int>(status.code()));
}

bool run_plan(const Module& module, const Function& function, PyObject* const* inputs, size_t input_count,
              PyObject* const* captures, size_t capture_count, PyObject** outputs) {
  constexpr size_t most_small = 32;
  const size_t count = input_count + capture_count, output_count = function.outputs.size();
  if (count != function.inputs.size()) {
    PyErr_Format(PyExc_TypeError, "The function takes %zu inputs, given %zu.", function.inputs.size(), count);
    return false;
  }
  const Tensor* small_inputs[most_small];
  Tensor* small_outputs[most_small];
  std::vector<const Tensor*> large_inputs;
  std::vector<Tensor*> large_outputs;
  const Tensor** in = small_inputs;
  Tensor** out = small_outputs;
  if (count > most_small) in = (large_inputs.resize(count), large_inputs.data());
  if (output_count > most_small) out = (large_outputs.resize(output_count), large_outputs.data());
  for (size_t i = 0; i < input_count; ++i) in[i] = &tensor_of(inputs[i]);
  for (size_t i = 0; i < capture_count; ++i) in[input_count + i] = &tensor_of(captures[i]);
  for (size_t i = 0; i < output_count; ++i) {
    TensorObject* made = new_tensor();
    if (!made) {
      while (i > 0) Py_DECREF(outputs[--i]);
      return false;
    }
    outputs[i] = reinterpret_cast<PyObject*>(made);
    out[i] = &made->tensor;
  }
  Status status;
  if (function.heavy) {
    PyThreadState* thread = PyEval_SaveThread();
    status = run_function(module, function, in, out);
    PyEval_RestoreThread(thread);
  } else {
    status = run_function(module, function, in, out);
  }
  if (status.ok()) return true;
  for (size_t i = 0; i < output_count; ++i) Py_DECREF(outputs[i]);
  raise_status(status);
  return false;
}

PyObject* pack_outputs(PyObject** outputs, size_t count, bool single) {
  if (single && count == 1) return outputs[0];
  PyObject* tuple = PyTuple_New(static_cast<Py_ssize_t>(count));
  for (size_t i = 0; i < count; ++i) {
    if (tuple) {
      PyTuple_SET_ITEM(tuple, static_cast<Py_ssize_t>(i), outputs[i]);
    } else {
      Py_DECREF(outputs[i]);
    }
  }
  return tuple;
}

bool add_plan_type(PyObject* module) {
  static PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(plan_new)},
                                {Py_tp_dealloc, reinterpret_cast<void*>(plan_dealloc)},
                                {Py_tp_methods, plan_methods},
                                {Py_tp_doc, const_cast<char*>("Plan(bytes): a plan, verified and ready to run.")},
                                {0, nullptr}};
  static PyType_Spec spec = {"millstream._runtime.Plan", sizeof(PlanObject), 0, Py_TPFLAGS_DEFAULT, slots};
  plan_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  return plan_type && PyModule_AddObjectRef(module, "Plan", reinterpret_cast<PyObject*>(plan_type)) == 0;
}

}  // namespace millstream::python
