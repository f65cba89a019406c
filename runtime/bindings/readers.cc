// Readers of datasets as Python objects; what they ask of Python while they read: elements, plans, files, turns.
#include "bindings/reader_hosts.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "memory/crc32c.h"

namespace millstream::python {
namespace {

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

struct ElementsHandle {
  Ref<HeldElements> held;
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

// Marks show windows as lists of elements.
nb::object shown(Tensor&& tensor) {
  const auto* held = dynamic_cast<const HeldElements*>(tensor.object.get());
  if (!held) return nb::steal(wrap(std::move(tensor)));
  nb::list rows;
  for (const Element& element : held->elements) {
    nb::list row;
    for (const Tensor& part : element) row.append(shown(Tensor(part)));
    rows.append(row);
  }
  return rows;
}

Tensor taken(nb::handle given) {
  if (is_tensor(given.ptr())) return tensor_of(given.ptr());
  std::vector<Element> elements;
  for (nb::handle row : nb::cast<nb::list>(given)) {
    Element& element = elements.emplace_back();
    for (nb::handle part : nb::cast<nb::list>(row)) element.push_back(taken(part));
  }
  return window_of(std::move(elements));
}

nb::list marks_of(Handle& handle) {
  Marks marks;
  {
    const Unlock unlock;
    handle.reader->save(marks);
  }
  nb::list list;
  for (Marks::Mark& mark : marks.marks) {
    list.append(mark.is_tensor ? shown(std::move(mark.tensor)) : nb::int_(mark.number));
  }
  return list;
}

bool restore(Handle& handle, const nb::list& list) {
  Marks marks;
  for (nb::handle item : list) {
    if (nb::isinstance<nb::int_>(item)) {
      marks.put(nb::cast<int64_t>(item));
    } else {
      marks.put(taken(item));
    }
  }
  const Unlock unlock;
  return handle.reader->restore(marks) && marks.at == marks.marks.size();
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

nb::object opaque_value(const nb::object& tensor) {
  Object* object = is_tensor(tensor.ptr()) ? tensor_of(tensor.ptr()).object.get() : nullptr;
  if (const auto* made = dynamic_cast<const Opaque*>(object)) return nb::borrow(made->value.get());
  if (auto* held = dynamic_cast<HeldElements*>(object)) return nb::cast(ElementsHandle{Ref<HeldElements>::share(held)});
  throw nb::type_error("opaque_value takes what opaque made.");
}

nb::bytes packed(const nb::object& tensors) {
  const Element element = tensors_of(tensors);
  for (const Tensor& tensor : element) {
    if (tensor.object) throw nb::type_error("Handles have no bytes.");
  }
  std::string data;
  pack(element, data);
  return nb::bytes(data.data(), data.size());
}

nb::object unpacked(const nb::bytes& data) {
  Element element;
  if (!unpack({data.c_str(), data.size()}, element)) {
    raise_status(Status(Code::data_loss, "A record of elements is damaged."));
    throw nb::python_error();
  }
  return tuple_of(std::move(element));
}

}  // namespace

void add_readers(nb::module_& m) {
  reader_hooks = python_hooks();
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
        FunctionRef made = python_function(compiler.ptr());
        made->random_scope = random_scope;
        made->calls_host = calls_host;
        return FunctionHandle{std::move(made)};
      },
      "compiler(*tensors) -> (Plan, captures) for tensors of these types and sizes");
  m.def(
      "make_called_function", [](const nb::object& callable) { return FunctionHandle{python_call(callable.ptr())}; },
      "callable(*tensors) -> tensors, called for each element");
  m.def(
      "set_reader_failure", [](const nb::object& function) { name_failures_by(function.ptr()); },
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
  m.def("opaque_value", opaque_value, "What `opaque` was given, or the elements that a window holds.");
  nb::class_<ElementsHandle>(m, "Elements", "Elements that are at hand. Private to millstream.data.")
      .def("__init__",
           [](ElementsHandle* made, const nb::list& rows) {
             std::vector<Element> elements;
             for (nb::handle row : rows) elements.push_back(tensors_of(row));
             new (made) ElementsHandle{Ref<HeldElements>::adopt(new HeldElements(std::move(elements)))};
           })
      .def("__len__", [](ElementsHandle& handle) { return handle.held->elements.size(); });
  m.def("read_held", [](ElementsHandle& handle) { return handle_of(read_held(handle.held)); });
  m.def("read_windows",
        [](Handle& before, const std::vector<int64_t>& widths, int64_t size, int64_t shift, int64_t stride, bool drop) {
          return handle_of(read_windows(before.reader, widths, {size, shift, stride, drop}));
        });
  m.def("read_grouped", [](Handle& before, const nb::object& open, FunctionHandle& key, FunctionHandle& size,
                           const std::string& stage) {
    return handle_of(read_grouped(before.reader, key.function, size.function, nested_opener(open), stage));
  });
  m.def("pack_tensors", packed, "Tensors as bytes; TypeError for handles.");
  m.def("unpack_tensors", unpacked,
        "The tensors that `pack_tensors` was given; DataLossError where the bytes are others.");
  m.def("read_element_files",
        [](Handle& names, const nb::object& open, const std::vector<int>& types, const std::string& stage) {
          std::vector<DType> kinds;
          for (const int type : types) kinds.push_back(static_cast<DType>(type));
          return handle_of(read_element_files(names.reader, opener(open), std::move(kinds), stage));
        });
  m.def("read_written",
        [](Handle& before, const nb::object& write) { return handle_of(read_written(before.reader, writer(write))); });
  m.def("framed_record", framed_record, "Bytes as a record of a TFRecord file.");
  m.def("stop_readers", [](double seconds) {
    const Unlock unlock;
    stop_readers(seconds);
  });
  m.def("read_python", [](const nb::object& next) { return handle_of(python_reader(next.ptr())); });
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
  m.def("read_ragged_batches", [](Handle& before, int64_t size, bool drop, const std::vector<int>& ragged,
                                  const std::vector<int>& splits, const std::string& stage) {
    if (ragged.size() != splits.size()) throw nb::value_error("Each component has its row splits.");
    std::vector<RaggedAxes> axes;
    for (size_t i = 0; i < ragged.size(); ++i)
      axes.push_back({ragged[i], static_cast<DType>(splits[i]) == DType::int64});
    return handle_of(read_ragged_batches(before.reader, size, drop, std::move(axes), stage));
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
