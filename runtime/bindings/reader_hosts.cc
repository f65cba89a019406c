// What readers ask of Python while they read. Whatever it raises is a failure of the element.
#include "bindings/reader_hosts.h"

#include <nanobind/stl/string.h>

#include "data/compiled.h"
#include "program/stopping.h"

namespace millstream::python {

Held held(PyObject* object) {
  return Held(Py_NewRef(object), [](PyObject* last) {
    if (!Py_IsInitialized()) return;
    const Lock lock;
    Py_DECREF(last);
  });
}

Failure python_failure() {
  PyObject *type, *error, *trace;
  PyErr_Fetch(&type, &error, &trace);
  PyErr_NormalizeException(&type, &error, &trace);
  if (error && trace) PyException_SetTraceback(error, trace);
  Failure failure;
  failure.status = Status(Code::unknown, "Python raised an exception.");
  if (error) {
    failure.exception = held(error);
    if (PyObject* text = PyObject_Str(error)) {
      if (const char* message = PyUnicode_AsUTF8(text)) failure.status = Status(Code::unknown, message);
      Py_DECREF(text);
    }
    PyErr_Clear();
  }
  Py_XDECREF(type);
  Py_XDECREF(error);
  Py_XDECREF(trace);
  return failure;
}

namespace {

void capture(Failure& failure) {
  if (!exception_kept()) return;
  const Lock lock;
  raise_status(failure.status);
  failure.exception = python_failure().exception;
}

// A thread keeps its Python state from the first call to the last.
struct PythonThread {
  PyGILState_STATE state;
  PyThreadState* thread;
};

void* thread_begins() {
  auto* made = new PythonThread;
  made->state = PyGILState_Ensure();
  made->thread = PyEval_SaveThread();
  return made;
}

void thread_ends(void* given) {
  auto* made = static_cast<PythonThread*>(given);
  PyEval_RestoreThread(made->thread);
  PyGILState_Release(made->state);
  delete made;
}

bool stop_was_asked(Failure& failure) {
  if (const StopFlag* flag = stop_flag(); flag && flag->is_set()) {
    failure.status = stopped();
    return true;
  }
  const Lock lock;
  if (PyErr_CheckSignals() == 0) return false;
  failure = python_failure();
  return true;
}

PyObject* decorate = nullptr;  // (error, stage, index, in_function) -> error

}  // namespace

void raise_failure(const Failure& failure) {
  nb::object error;
  if (failure.exception) {
    error = nb::borrow(static_cast<PyObject*>(failure.exception.get()));
  } else {
    raise_status(failure.status, failure.source);
    const Failure made = python_failure();
    error = nb::borrow(static_cast<PyObject*>(made.exception.get()));
  }
  if (!failure.stage.empty() && decorate) {
    error = nb::handle(decorate)(error, failure.stage, failure.index, failure.in_function);
  }
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.ptr())), error.ptr());
  throw nb::python_error();
}

void name_failures_by(PyObject* function) {
  Py_XDECREF(decorate);
  decorate = Py_NewRef(function);
}

bool element_of(PyObject* given, Element& out) {
  PyObject* items = PySequence_Fast(given, "An element is a tuple of tensors.");
  if (!items) return false;
  const Py_ssize_t count = PySequence_Fast_GET_SIZE(items);
  out.clear();
  out.reserve(static_cast<size_t>(count));
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* item = PySequence_Fast_GET_ITEM(items, i);
    if (!is_tensor(item)) {
      PyErr_Format(PyExc_TypeError, "An element is a tuple of tensors; part %zd is %s.", i, Py_TYPE(item)->tp_name);
      Py_DECREF(items);
      return false;
    }
    out.push_back(tensor_of(item));
  }
  Py_DECREF(items);
  return true;
}

nb::object tuple_of(Element&& element) {
  PyObject* tuple = PyTuple_New(static_cast<Py_ssize_t>(element.size()));
  for (size_t i = 0; tuple && i < element.size(); ++i) {
    PyObject* tensor = wrap(std::move(element[i]));
    if (!tensor) Py_CLEAR(tuple);
    if (tuple) PyTuple_SET_ITEM(tuple, static_cast<Py_ssize_t>(i), tensor);
  }
  if (!tuple) throw nb::python_error();
  return nb::steal(tuple);
}

// Flags of the thread belong to the code around a call of Python.
PyObject* call_python(PyObject* callable, PyObject* arguments) {
  const int outer_recording = std::exchange(recording, 0);
  const bool outer_tracing = std::exchange(tracing, false);
  PyObject* result = arguments ? PyObject_CallObject(callable, arguments) : PyObject_CallNoArgs(callable);
  recording = outer_recording;
  tracing = outer_tracing;
  return result;
}

namespace {

class PythonReader final : public Reader {
 public:
  explicit PythonReader(Held following) : following_(std::move(following)) {}
  Found next(Element& out, Failure& failure) override {
    const Lock lock;
    PyObject* result = call_python(following_.get(), nullptr);
    if (!result && PyErr_ExceptionMatches(PyExc_StopIteration)) {
      PyErr_Clear();
      return Found::end;
    }
    const bool good = result && element_of(result, out);
    Py_XDECREF(result);
    if (!good) failure = python_failure();
    return good ? Found::element : Found::failure;
  }
  void save(Marks&) override {}
  bool restore(Marks&) override { return true; }

 private:
  Held following_;
};

class PythonFunction final : public MappedFunction {
 public:
  explicit PythonFunction(Held compiler) : compiler_(std::move(compiler)) {}

 protected:
  std::shared_ptr<const Compiled> compile(const Element& in, Failure& failure) override {
    const Lock lock;
    auto made = std::make_shared<Compiled>();
    PyObject* arguments = PyTuple_New(static_cast<Py_ssize_t>(in.size()));
    for (size_t i = 0; i < in.size(); ++i) {
      PyTuple_SET_ITEM(arguments, static_cast<Py_ssize_t>(i), wrap(Tensor(in[i])));
    }
    PyObject* answer = call_python(compiler_.get(), arguments);
    Py_DECREF(arguments);
    bool good = answer != nullptr;
    if (good && (!PyTuple_Check(answer) || PyTuple_GET_SIZE(answer) != 2 ||
                 !Py_IS_TYPE(PyTuple_GET_ITEM(answer, 0), plan_type))) {
      PyErr_SetString(PyExc_TypeError, "The compiler of a mapped function gives a Plan and what it captured.");
      good = false;
    }
    if (good) {
      auto* plan = reinterpret_cast<PlanObject*>(PyTuple_GET_ITEM(answer, 0));
      made->module = Ref<Module>::share(plan->module);
      made->function = plan->module->functions[0].get();
      good = element_of(PyTuple_GET_ITEM(answer, 1), made->captures);
    }
    Py_XDECREF(answer);
    if (good) return made;
    failure = python_failure();
    return nullptr;
  }

 private:
  Held compiler_;
};

// A function in which Python takes part in every call.
class PythonCall final : public MappedFunction {
 public:
  explicit PythonCall(Held callable) : callable_(std::move(callable)) { calls_host = true; }

  bool call(const Element& in, Element& out, Failure& failure, std::span<const Place>) override {
    const Lock lock;
    PyObject* arguments = PyTuple_New(static_cast<Py_ssize_t>(in.size()));
    for (size_t i = 0; i < in.size(); ++i) {
      PyTuple_SET_ITEM(arguments, static_cast<Py_ssize_t>(i), wrap(Tensor(in[i])));
    }
    PyObject* answer = call_python(callable_.get(), arguments);
    Py_DECREF(arguments);
    const bool good = answer && element_of(answer, out);
    Py_XDECREF(answer);
    if (!good) failure = python_failure();
    return good;
  }

 private:
  Held callable_;
};

class PythonBlocks final : public Blocks {
 public:
  explicit PythonBlocks(Held read) : read_(std::move(read)) {}
  bool more(std::string& data, Failure& failure) override {
    const Lock lock;
    PyObject* block = call_python(read_.get(), nullptr);
    const bool good = block && PyBytes_Check(block);
    if (good) {
      data.append(PyBytes_AS_STRING(block), static_cast<size_t>(PyBytes_GET_SIZE(block)));
    } else {
      if (block) PyErr_SetString(PyExc_TypeError, "A block of a file is bytes.");
      failure = python_failure();
    }
    Py_XDECREF(block);
    return good;
  }

 private:
  Held read_;
};

}  // namespace

ReaderRef python_reader(PyObject* following) { return std::make_shared<PythonReader>(held(following)); }
FunctionRef python_function(PyObject* compiler) { return std::make_shared<PythonFunction>(held(compiler)); }
FunctionRef python_call(PyObject* callable) { return std::make_shared<PythonCall>(held(callable)); }
ReaderHooks python_hooks() { return {thread_begins, thread_ends, capture, stop_was_asked}; }

WriteElements writer(const nb::object& write) {
  return [write = held(write.ptr())](const std::string& data, bool is_last, Failure& failure) {
    const Lock lock;
    PyObject* arguments =
        Py_BuildValue("(y#O)", data.data(), static_cast<Py_ssize_t>(data.size()), is_last ? Py_True : Py_False);
    PyObject* answer = arguments ? call_python(write.get(), arguments) : nullptr;
    Py_XDECREF(arguments);
    if (!answer) failure = python_failure();
    Py_XDECREF(answer);
    return answer != nullptr;
  };
}

OpenFile opener(const nb::object& open) {
  return [open = held(open.ptr())](const std::string& name, Failure& failure) -> BlocksRef {
    const Lock lock;
    PyObject* arguments = Py_BuildValue("(y#)", name.data(), static_cast<Py_ssize_t>(name.size()));
    PyObject* read = arguments ? call_python(open.get(), arguments) : nullptr;
    Py_XDECREF(arguments);
    if (!read) {
      failure = python_failure();
      return nullptr;
    }
    auto made = std::make_shared<PythonBlocks>(held(read));
    Py_DECREF(read);
    return made;
  };
}

}  // namespace millstream::python
