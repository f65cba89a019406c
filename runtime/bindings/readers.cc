// Readers of datasets as Python objects; what they ask of Python while they read: elements, plans, files, turns.
#include "bindings/python.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "data/compiled.h"
#include "memory/crc32c.h"

namespace millstream::python {
namespace {

namespace nb = nanobind;
using Held = std::shared_ptr<PyObject>;

struct Lock {
  Lock() : state(PyGILState_Ensure()) {}
  ~Lock() { PyGILState_Release(state); }
  PyGILState_STATE state;
};

struct Unlock {
  Unlock() : state(PyEval_SaveThread()) {}
  ~Unlock() { PyEval_RestoreThread(state); }
  PyThreadState* state;
};

Held held(PyObject* object) {
  return Held(Py_NewRef(object), [](PyObject* last) {
    if (!Py_IsInitialized()) return;
    const Lock lock;
    Py_DECREF(last);
  });
}

// Takes the exception that is set.
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
  const Lock lock;
  if (PyErr_CheckSignals() == 0) return false;
  failure = python_failure();
  return true;
}

PyObject* decorate = nullptr;  // (error, stage, index, in_function) -> error

// Raises a failure as an exception of Python.
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

  bool call(const Element& in, Element& out, Failure& failure) override {
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

// What Python holds. It goes without Python's lock: threads that wait for the lock may hold the reader's.
struct Handle {
  explicit Handle(ReaderRef given) : reader(std::move(given)) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    const Unlock unlock;
    reader.reset();
  }
  ReaderRef reader;
};

Handle* handle_of(ReaderRef reader) { return new Handle(std::move(reader)); }

// What only Python understands, on its way through the runtime.
class Opaque final : public Host {
 public:
  explicit Opaque(Held given) : value(std::move(given)) {}
  Status call(const Tensor* const*, int, Tensor* const*, int) override {
    return Status(Code::internal, "A value of Python's was called.");
  }
  Held value;
};

struct FunctionHandle {
  FunctionRef function;
};

struct CacheHandle {
  CacheRef cache;
};

struct BudgetHandle {
  BudgetRef budget;
};

// The next element as a tuple, or nothing at the end.
nb::object next_element(Handle& handle) {
  Element element;
  Failure failure;
  Found found;
  {
    const Unlock unlock;
    found = next_of(*handle.reader, element, failure);
  }
  if (found == Found::failure) raise_failure(failure);
  return found == Found::end ? nb::none() : tuple_of(std::move(element));
}

nb::object following(Handle& handle) {
  nb::object found = next_element(handle);
  if (found.is_none()) throw nb::stop_iteration();
  return found;
}

nb::list read_many(Handle& handle, int64_t count) {
  std::vector<Element> elements;
  Failure failure;
  Found found = Found::element;
  {
    const Unlock unlock;
    for (int64_t i = 0; i < count; ++i) {
      Element element;
      found = next_of(*handle.reader, element, failure);
      if (found != Found::element) break;
      elements.push_back(std::move(element));
    }
  }
  if (found == Found::failure) raise_failure(failure);
  nb::list list;
  for (Element& element : elements) list.append(tuple_of(std::move(element)));
  return list;
}

nb::list marks_of(Handle& handle) {
  Marks marks;
  {
    const Unlock unlock;
    handle.reader->save(marks);
  }
  nb::list list;
  for (Marks::Mark& mark : marks.marks) {
    list.append(mark.is_tensor ? nb::steal(wrap(std::move(mark.tensor))) : nb::int_(mark.number));
  }
  return list;
}

bool restore(Handle& handle, const nb::list& list) {
  Marks marks;
  for (nb::handle item : list) {
    if (is_tensor(item.ptr())) {
      marks.put(tensor_of(item.ptr()));
    } else {
      marks.put(nb::cast<int64_t>(item));
    }
  }
  const Unlock unlock;
  return handle.reader->restore(marks) && marks.at == marks.marks.size();
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

// The handle that Python gave, or nothing where it gave None; false where it failed.
bool reader_of(PyObject* answer, ReaderRef& reader, Failure& failure) {
  bool good = answer != nullptr;
  if (good && answer != Py_None) {
    Handle* handle = nullptr;
    good = nb::try_cast<Handle*>(nb::handle(answer), handle) && handle;
    if (good) {
      reader = handle->reader;
    } else {
      PyErr_SetString(PyExc_TypeError, "What Python makes to be read is a reader or None.");
    }
  }
  Py_XDECREF(answer);
  if (!good) failure = python_failure();
  return good;
}

NextTurn turns_of(const nb::object& turns) {
  return [turns = held(turns.ptr())](bool empty, ReaderRef& next, Failure& failure) {
    const Lock lock;
    PyObject* arguments = Py_BuildValue("(O)", empty ? Py_True : Py_False);
    PyObject* answer = arguments ? call_python(turns.get(), arguments) : nullptr;
    Py_XDECREF(arguments);
    return reader_of(answer, next, failure);
  };
}

// open(place, index, *tensors) -> the reader of what an element stands for
OpenNested nested_opener(const nb::object& open) {
  return [open = held(open.ptr())](int64_t place, int64_t index, const Element& element, ReaderRef& opened,
                                   Failure& failure) {
    const Lock lock;
    PyObject* arguments = PyTuple_New(static_cast<Py_ssize_t>(element.size() + 2));
    PyTuple_SET_ITEM(arguments, 0, PyLong_FromLongLong(place));
    PyTuple_SET_ITEM(arguments, 1, PyLong_FromLongLong(index));
    for (size_t i = 0; i < element.size(); ++i) {
      PyTuple_SET_ITEM(arguments, static_cast<Py_ssize_t>(i + 2), wrap(Tensor(element[i])));
    }
    PyObject* answer = call_python(open.get(), arguments);
    Py_DECREF(arguments);
    return reader_of(answer, opened, failure) && opened;
  };
}

// A record as it stands in a TFRecord file: length, its sum, data, their sum.
nb::bytes framed_record(const nb::bytes& data) {
  constexpr size_t head = 12, foot = 4;
  const uint64_t size = data.size();
  PyObject* made = PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(head + size + foot));
  if (!made) throw nb::python_error();
  char* const out = PyBytes_AS_STRING(made);
  std::memcpy(out, &size, sizeof size);
  const uint32_t length_sum = masked_sum(crc32c(0, out, sizeof size));
  std::memcpy(out + sizeof size, &length_sum, sizeof length_sum);
  std::memcpy(out + head, data.c_str(), size);
  const uint32_t data_sum = masked_sum(crc32c(0, data.c_str(), size));
  std::memcpy(out + head + size, &data_sum, sizeof data_sum);
  return nb::steal<nb::bytes>(made);
}

std::vector<Tensor> tensors_of(const nb::handle& given) {
  Element element;
  if (!element_of(given.ptr(), element)) throw nb::python_error();
  return element;
}

}  // namespace

void add_readers(nb::module_& m) {
  reader_hooks = {thread_begins, thread_ends, capture, stop_was_asked};
  nb::class_<Handle>(m, "ReaderHandle", "A reader of the runtime. Private to millstream.data.")
      .def("next", following, "The next element as a tuple of tensors; StopIteration at the end.")
      .def("read", read_many, "At most so many elements.")
      .def("marks", marks_of, "Where it stands: whole numbers and tensors.")
      .def("restore", restore, "Goes on from marks; False where they are not its own.")
      .def(
          "pause",
          [](Handle& handle) {
            const Unlock unlock;
            handle.reader->pause();
          },
          "Its threads stop reading, until go_on.")
      .def("go_on", [](Handle& handle) {
        const Unlock unlock;
        handle.reader->go_on();
      });
  nb::class_<FunctionHandle>(m, "MappedFunction");
  nb::class_<BudgetHandle>(m, "Budget").def("left", [](BudgetHandle& handle) { return handle.budget->left.load(); });
  m.def("make_budget", [](int64_t bytes) { return BudgetHandle{std::make_shared<Budget>(bytes)}; });
  m.def(
      "make_mapped_function",
      [](const nb::object& compiler, int64_t random_scope, bool calls_host) {
        auto made = std::make_shared<PythonFunction>(held(compiler.ptr()));
        made->random_scope = random_scope;
        made->calls_host = calls_host;
        return FunctionHandle{std::move(made)};
      },
      "compiler(*tensors) -> (Plan, captures) for tensors of these types and sizes");
  m.def(
      "make_called_function",
      [](const nb::object& callable) { return FunctionHandle{std::make_shared<PythonCall>(held(callable.ptr()))}; },
      "callable(*tensors) -> tensors, called for each element");
  m.def(
      "set_reader_failure",
      [](const nb::object& function) {
        Py_XDECREF(decorate);
        decorate = Py_NewRef(function.ptr());
      },
      "function(error, stage, index, in_function) -> the error that names them");
  m.def(
      "opaque",
      [](const nb::object& value) {
        Tensor tensor;
        tensor.dtype = DType::variant;
        tensor.object = Ref<Object>::adopt(new Opaque(held(value.ptr())));
        return nb::steal(wrap(std::move(tensor)));
      },
      "A variant tensor that holds an object of Python.");
  m.def("opaque_value", [](const nb::object& tensor) {
    const auto* found =
        is_tensor(tensor.ptr()) ? dynamic_cast<const Opaque*>(tensor_of(tensor.ptr()).object.get()) : nullptr;
    if (!found) throw nb::type_error("opaque_value takes what opaque made.");
    return nb::borrow(found->value.get());
  });
  m.def("framed_record", framed_record, "Bytes as a record of a TFRecord file.");
  m.def("stop_readers", [](double seconds) {
    const Unlock unlock;
    stop_readers(seconds);
  });
  m.def("read_python",
        [](const nb::object& next) { return handle_of(std::make_shared<PythonReader>(held(next.ptr()))); });
  m.def("read_range", [](int dtype, int64_t start, int64_t step, int64_t count) {
    return handle_of(read_range(static_cast<DType>(dtype), start, step, count));
  });
  m.def("read_rows",
        [](const nb::object& columns, int64_t count) { return handle_of(read_rows(tensors_of(columns), count)); });
  m.def("read_files", [](Handle& names, const nb::object& open, int kind, int64_t length, int64_t header,
                         int64_t footer, const std::string& stage) {
    return handle_of(
        read_files(names.reader, opener(open), static_cast<FileKind>(kind), {length, header, footer}, stage));
  });
  m.def("read_csv", [](Handle& names, const nb::object& open, const nb::object& defaults,
                       const std::vector<int64_t>& chosen, const std::string& delimiter, bool quotes, bool header,
                       const std::string& missing, const std::string& stage) {
    CsvSettings settings{tensors_of(defaults), chosen, delimiter[0], quotes, header, missing};
    return handle_of(read_csv(names.reader, opener(open), std::move(settings), stage));
  });
  m.def("read_mapped", [](Handle& before, FunctionHandle& function, const std::string& stage) {
    return handle_of(read_mapped(before.reader, function.function, stage));
  });
  m.def("read_mapped_by_threads", [](Handle& before, FunctionHandle& function, const std::string& stage, int64_t most,
                                     bool tuned, bool ordered, BudgetHandle& budget) {
    return handle_of(
        read_mapped_by_threads(before.reader, function.function, stage, {most, tuned, ordered, budget.budget}));
  });
  m.def("read_filtered", [](Handle& before, FunctionHandle& function, const std::string& stage, bool stops) {
    return handle_of(read_filtered(before.reader, function.function, stage, stops));
  });
  m.def("read_taken", [](Handle& before, int64_t count) { return handle_of(read_taken(before.reader, count)); });
  m.def("read_skipped", [](Handle& before, int64_t first, int64_t between) {
    return handle_of(read_skipped(before.reader, first, between));
  });
  m.def("read_turns", [](const nb::object& turns) { return handle_of(read_turns(turns_of(turns))); });
  m.def("read_zipped", [](const std::vector<Handle*>& parts) {
    std::vector<ReaderRef> readers;
    for (const Handle* part : parts) readers.push_back(part->reader);
    return handle_of(read_zipped(std::move(readers)));
  });
  m.def("read_numbered", [](Handle& before, int64_t start) { return handle_of(read_numbered(before.reader, start)); });
  m.def("read_shuffled", [](Handle& before, int64_t size, uint64_t seed, uint64_t seed2) {
    return handle_of(read_shuffled(before.reader, size, seed, seed2));
  });
  m.def("read_scanned",
        [](Handle& before, FunctionHandle& function, const nb::object& state, const std::string& stage) {
          return handle_of(read_scanned(before.reader, function.function, tensors_of(state), stage));
        });
  m.def("read_batches", [](Handle& before, const std::vector<int64_t>& sizes, bool drop, const std::string& stage) {
    if (sizes.empty()) throw nb::value_error("Batches have sizes.");
    return handle_of(read_batches(before.reader, sizes, drop, stage));
  });
  m.def("read_batches_by_threads", [](Handle& before, int64_t size, bool drop, const std::string& stage, int64_t most,
                                      bool tuned, bool ordered, BudgetHandle& budget) {
    return handle_of(read_mapped_by_threads(read_groups(before.reader, size, drop), joining(), stage,
                                            {most, tuned, ordered, budget.budget}));
  });
  m.def("read_padded_batches",
        [](Handle& before, int64_t size, bool drop, const std::vector<std::vector<int64_t>>& shapes,
           const nb::object& values, const std::string& stage) {
          std::vector<Tensor> fillers = tensors_of(values);
          if (fillers.size() != shapes.size()) throw nb::value_error("There are as many shapes as values.");
          std::vector<Padding> paddings;
          for (size_t i = 0; i < shapes.size(); ++i) {
            if (fillers[i].rank) throw nb::value_error("A padding value is a scalar.");
            paddings.push_back({shapes[i], fillers[i]});
          }
          return handle_of(read_padded_batches(before.reader, size, drop, std::move(paddings), stage));
        });
  m.def("read_unbatched",
        [](Handle& before, const std::string& stage) { return handle_of(read_unbatched(before.reader, stage)); });
  nb::class_<CacheHandle>(m, "Cache").def("is_whole", [](CacheHandle& handle) {
    std::lock_guard lock(handle.cache->mutex);
    return handle.cache->elements != nullptr;
  });
  m.def("make_cache", [] { return CacheHandle{std::make_shared<Cache>()}; });
  m.def("read_cached",
        [](Handle& before, CacheHandle& cache) { return handle_of(read_cached(before.reader, cache.cache)); });
  m.def("read_nested", [](Handle& before, const nb::object& open, int64_t cycle, int64_t block) {
    return handle_of(read_nested(before.reader, nested_opener(open), cycle, block));
  });
  m.def("read_nested_by_threads",
        [](Handle& before, const nb::object& open, int64_t cycle, int64_t block, int64_t threads, bool ordered) {
          return handle_of(read_nested_by_threads(before.reader, nested_opener(open), cycle, block, threads, ordered));
        });
  m.def("read_ahead", [](Handle& before, int64_t size, bool tuned, BudgetHandle& budget) {
    return handle_of(read_ahead(before.reader, size, tuned, budget.budget));
  });
}

}  // namespace millstream::python
