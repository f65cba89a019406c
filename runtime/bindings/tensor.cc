// TensorBase: a Python object that holds a Tensor, with the buffer protocol, NumPy views, scalars and strings.
#include "bindings/python.h"

#include <limits>
#include <new>

namespace millstream::python {

PyTypeObject* tensor_base = nullptr;
PyTypeObject* tensor_class = nullptr;

namespace {

std::atomic<int64_t> next_id{1};

TensorObject* self_of(PyObject* self) { return reinterpret_cast<TensorObject*>(self); }

void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  TensorObject* object = self_of(self);
  object->tensor.buffer.reset();
  object->tensor.object.reset();
  Py_CLEAR(object->shape);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* get_dtype(PyObject* self, void*) { return PyLong_FromLong(static_cast<long>(tensor_of(self).dtype)); }
PyObject* get_shape(PyObject* self, void*) { return Py_XNewRef(shape_tuple(self_of(self))); }
PyObject* get_rank(PyObject* self, void*) { return PyLong_FromLong(tensor_of(self).rank); }
PyObject* get_count(PyObject* self, void*) { return PyLong_FromLongLong(tensor_of(self).count()); }
PyObject* get_id(PyObject* self, void*) { return PyLong_FromLongLong(self_of(self)->id); }

const char* format_of(DType dtype) {
  switch (dtype) {
    case DType::boolean:
      return "?";
    case DType::int8:
    case DType::qint8:
      return "b";
    case DType::uint8:
    case DType::quint8:
      return "B";
    case DType::int16:
    case DType::qint16:
      return "h";
    case DType::uint16:
    case DType::quint16:
      return "H";
    case DType::int32:
    case DType::qint32:
      return "i";
    case DType::uint32:
      return "I";
    case DType::int64:
      return "l";
    case DType::uint64:
      return "L";
    case DType::float16:
      return "e";
    case DType::float32:
      return "f";
    case DType::float64:
      return "d";
    case DType::complex64:
      return "Zf";
    case DType::complex128:
      return "Zd";
    default:
      return nullptr;
  }
}

struct ViewSizes {
  Py_ssize_t shape[max_rank], strides[max_rank];
};

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  view->obj = nullptr;
  const Tensor& tensor = tensor_of(self);
  const size_t size = element_bytes(tensor.dtype);
  if (size == 0) {
    PyErr_Format(PyExc_BufferError, "A %s tensor has no buffer.", dtype_name(tensor.dtype));
    return -1;
  }
  if (flags & PyBUF_WRITABLE) {
    PyErr_SetString(PyExc_BufferError, "A tensor's bytes cannot be changed.");
    return -1;
  }
  const char* format = format_of(tensor.dtype);
  if ((flags & PyBUF_FORMAT) && !format) {
    PyErr_Format(PyExc_BufferError, "The buffer protocol has no format for %s.", dtype_name(tensor.dtype));
    return -1;
  }
  auto* sizes = new ViewSizes;
  Py_ssize_t stride = static_cast<Py_ssize_t>(size);
  for (int axis = tensor.rank - 1; axis >= 0; --axis) {
    sizes->shape[axis] = tensor.dims[axis];
    sizes->strides[axis] = stride;
    stride *= tensor.dims[axis];
  }
  static char nothing[64];
  view->buf = tensor.data ? tensor.data : nothing;
  view->len = static_cast<Py_ssize_t>(tensor.bytes());
  view->readonly = 1;
  view->itemsize = static_cast<Py_ssize_t>(size);
  view->format = (flags & PyBUF_FORMAT) ? const_cast<char*>(format) : nullptr;
  view->ndim = tensor.rank;
  view->shape = (flags & PyBUF_ND) ? sizes->shape : nullptr;
  view->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? sizes->strides : nullptr;
  view->suboffsets = nullptr;
  view->internal = sizes;
  view->obj = Py_NewRef(self);
  return 0;
}

void release_buffer(PyObject*, Py_buffer* view) { delete static_cast<ViewSizes*>(view->internal); }

// Quantised types are named after the plain integers that they are kept in, with a q before.
constexpr bool is_quantised(DType dtype) {
  return dtype == DType::qint8 || dtype == DType::quint8 || dtype == DType::qint16 || dtype == DType::quint16 ||
         dtype == DType::qint32;
}

PyObject* numpy_dtype(DType dtype) {
  static PyObject* cache[32] = {};
  const auto index = static_cast<size_t>(dtype);
  if (cache[index]) return cache[index];
  PyObject* numpy = PyImport_ImportModule("numpy");
  if (!numpy) return nullptr;
  const char* name = format_of(dtype)            ? dtype_name(dtype) + (is_quantised(dtype) ? 1 : 0)
                     : element_bytes(dtype) == 2 ? "uint16"
                                                 : "uint8";
  cache[index] = PyObject_CallMethod(numpy, "dtype", "s", name);
  Py_DECREF(numpy);
  return cache[index];
}

PyObject* numpy_view(PyObject* self, PyObject*) {
  const Tensor& tensor = tensor_of(self);
  if (element_bytes(tensor.dtype) == 0) {
    return PyErr_Format(PyExc_TypeError, "A %s tensor has no NumPy view; use _strings() for strings.",
                        dtype_name(tensor.dtype));
  }
  static PyObject* make = nullptr;
  static PyObject* names = nullptr;
  if (!make) {
    PyObject* numpy = PyImport_ImportModule("numpy");
    if (!numpy) return nullptr;
    make = PyObject_GetAttrString(numpy, "ndarray");
    Py_DECREF(numpy);
    names = Py_BuildValue("(s)", "buffer");
    if (!make || !names) return nullptr;
  }
  PyObject* dtype = numpy_dtype(tensor.dtype);
  PyObject* shape = shape_tuple(self_of(self));
  if (!dtype || !shape) return nullptr;
  PyObject* arguments[] = {nullptr, shape, dtype, self};
  return PyObject_Vectorcall(make, arguments + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, names);
}

float half_to_float(uint16_t bits) {
  const uint32_t sign = (bits & 0x8000u) << 16, exponent = (bits >> 10) & 31, fraction = bits & 0x3ffu;
  if (exponent == 0) {
    const float small = static_cast<float>(fraction) * 0x1p-24f;
    return sign ? -small : small;
  }
  const uint32_t word =
      sign | (exponent == 31 ? 0x7f800000u | (fraction << 13) : ((exponent + 112) << 23) | (fraction << 13));
  float value;
  std::memcpy(&value, &word, 4);
  return value;
}

PyObject* item(PyObject* self, PyObject*) {
  const Tensor& tensor = tensor_of(self);
  if (tensor.count() != 1) {
    return PyErr_Format(PyExc_ValueError, "Only a tensor of one element becomes a Python scalar, this one has %lld.",
                        static_cast<long long>(tensor.count()));
  }
  switch (tensor.dtype) {
    case DType::boolean:
      return PyBool_FromLong(*tensor.as<bool>());
    case DType::int4:
    case DType::int8:
    case DType::qint8:
      return PyLong_FromLong(*tensor.as<int8_t>());
    case DType::uint4:
    case DType::uint8:
    case DType::quint8:
      return PyLong_FromLong(*tensor.as<uint8_t>());
    case DType::int16:
    case DType::qint16:
      return PyLong_FromLong(*tensor.as<int16_t>());
    case DType::uint16:
    case DType::quint16:
      return PyLong_FromLong(*tensor.as<uint16_t>());
    case DType::int32:
    case DType::qint32:
      return PyLong_FromLong(*tensor.as<int32_t>());
    case DType::uint32:
      return PyLong_FromUnsignedLong(*tensor.as<uint32_t>());
    case DType::int64:
      return PyLong_FromLongLong(*tensor.as<int64_t>());
    case DType::uint64:
      return PyLong_FromUnsignedLongLong(*tensor.as<uint64_t>());
    case DType::float32:
      return PyFloat_FromDouble(static_cast<double>(*tensor.as<float>()));
    case DType::float64:
      return PyFloat_FromDouble(*tensor.as<double>());
    case DType::float16:
      return PyFloat_FromDouble(static_cast<double>(half_to_float(*tensor.as<uint16_t>())));
    case DType::bfloat16: {
      const uint32_t word = static_cast<uint32_t>(*tensor.as<uint16_t>()) << 16;
      float value;
      std::memcpy(&value, &word, 4);
      return PyFloat_FromDouble(static_cast<double>(value));
    }
    case DType::complex64:
      return PyComplex_FromDoubles(static_cast<double>(tensor.as<float>()[0]),
                                   static_cast<double>(tensor.as<float>()[1]));
    case DType::complex128:
      return PyComplex_FromDoubles(tensor.as<double>()[0], tensor.as<double>()[1]);
    case DType::string: {
      const int64_t* offsets = tensor.as<int64_t>();
      return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(offsets + 2) + offsets[0],
                                       offsets[1] - offsets[0]);
    }
    default:
      return PyErr_Format(PyExc_TypeError, "A %s tensor has no Python scalar; view it through ml_dtypes.",
                          dtype_name(tensor.dtype));
  }
}

PyObject* strings(PyObject* self, PyObject*) {
  const Tensor& tensor = tensor_of(self);
  if (tensor.dtype != DType::string)
    return PyErr_Format(PyExc_TypeError, "A %s tensor holds no strings.", dtype_name(tensor.dtype));
  const int64_t count = tensor.count();
  PyObject* list = PyList_New(count);
  if (!list) return nullptr;
  const int64_t* offsets = tensor.as<int64_t>();
  const char* bytes = reinterpret_cast<const char*>(offsets + count + 1);
  for (int64_t i = 0; i < count; ++i) {
    PyObject* bytes_object = PyBytes_FromStringAndSize(bytes + offsets[i], offsets[i + 1] - offsets[i]);
    if (!bytes_object) {
      Py_DECREF(list);
      return nullptr;
    }
    PyList_SET_ITEM(list, i, bytes_object);
  }
  return list;
}

PyMethodDef methods[] = {{"_numpy", numpy_view, METH_NOARGS, "A read-only NumPy array of the same bytes."},
                         {"_item", item, METH_NOARGS, "The Python scalar of a tensor of one element."},
                         {"_strings", strings, METH_NOARGS, "A list of bytes."},
                         {nullptr, nullptr, 0, nullptr}};

PyGetSetDef attributes[] = {{"_dtype", get_dtype, nullptr, "Element type as TensorFlow's number.", nullptr},
                            {"_shape", get_shape, nullptr, "Sizes as a tuple.", nullptr},
                            {"_rank", get_rank, nullptr, "Number of dimensions.", nullptr},
                            {"_count", get_count, nullptr, "Number of elements.", nullptr},
                            {"_id", get_id, nullptr, "A number no other tensor has.", nullptr},
                            {nullptr, nullptr, nullptr, nullptr, nullptr}};

bool parse_shape(PyObject* sequence, Tensor& tensor) {
  PyObject* items = PySequence_Fast(sequence, "shape must be a sequence of int");
  if (!items) return false;
  const Py_ssize_t rank = PySequence_Fast_GET_SIZE(items);
  if (rank > max_rank) {
    Py_DECREF(items);
    PyErr_Format(PyExc_ValueError, "A tensor has at most %d dimensions, given %zd.", max_rank, rank);
    return false;
  }
  tensor.rank = static_cast<int32_t>(rank);
  for (Py_ssize_t i = 0; i < rank; ++i) {
    tensor.dims[i] = PyLong_AsLongLong(PySequence_Fast_GET_ITEM(items, i));
    if (tensor.dims[i] == -1 && PyErr_Occurred()) {
      Py_DECREF(items);
      return false;
    }
  }
  Py_DECREF(items);
  int64_t count, bytes;
  const Status status = literal_count(tensor.dtype, tensor.rank, tensor.dims, count, bytes);
  if (!status.ok()) raise_status(status);
  return status.ok();
}

// from_array(buffer, dtype, shape, copy=True)
PyObject* from_array(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (count < 3 || count > 4)
    return PyErr_Format(PyExc_TypeError, "from_array takes a buffer, a dtype, a shape and optionally copy.");
  Tensor tensor;
  tensor.dtype = static_cast<DType>(PyLong_AsLong(arguments[1]));
  if (PyErr_Occurred()) return nullptr;
  const size_t size = element_bytes(tensor.dtype);
  if (!size) return PyErr_Format(PyExc_TypeError, "from_array cannot make a %s tensor.", dtype_name(tensor.dtype));
  if (!parse_shape(arguments[2], tensor)) return nullptr;
  const bool copy = count < 4 || PyObject_IsTrue(arguments[3]) != 0;
  auto* view = new Py_buffer;
  if (PyObject_GetBuffer(arguments[0], view, PyBUF_C_CONTIGUOUS) != 0) {
    delete view;
    return nullptr;
  }
  const size_t bytes = tensor.bytes();
  if (static_cast<size_t>(view->len) != bytes) {
    PyErr_Format(PyExc_ValueError, "The buffer has %zd bytes, the shape needs %zu.", view->len, bytes);
    PyBuffer_Release(view);
    delete view;
    return nullptr;
  }
  if (copy || reinterpret_cast<uintptr_t>(view->buf) % (size < 16 ? size : 8) != 0) {
    try {
      allocate_data(tensor);
    } catch (const std::bad_alloc&) {
      PyBuffer_Release(view);
      delete view;
      return PyErr_NoMemory();
    }
    std::memcpy(tensor.data, view->buf, bytes);
    PyBuffer_Release(view);
    delete view;
  } else {
    tensor.data = view->buf;
    tensor.buffer = Buffer::wrap(
        view->buf, bytes,
        [](void*, void* context) {
          const PyGILState_STATE gil = PyGILState_Ensure();
          auto* held = static_cast<Py_buffer*>(context);
          PyBuffer_Release(held);
          delete held;
          PyGILState_Release(gil);
        },
        view, false);
  }
  return wrap(std::move(tensor));
}

uint16_t float_to_half(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  bits &= 0x7fffffffu;
  if (bits > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
  if (bits >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
  if (bits < 0x38800000u) {  // a subnormal half: adding 0.5 rounds at the right place
    float magnitude;
    std::memcpy(&magnitude, &bits, 4);
    magnitude += 0.5f;
    uint32_t word;
    std::memcpy(&word, &magnitude, 4);
    return static_cast<uint16_t>(sign | (word - 0x3f000000u));
  }
  const uint32_t odd = (bits >> 13) & 1;
  return static_cast<uint16_t>(sign | ((bits - 0x38000000u + 0xfffu + odd) >> 13));
}

template <typename T>
bool store_integer(PyObject* number, Tensor& tensor) {
  int overflow = 0;
  PyObject* index = PyNumber_Index(number);
  if (!index) return false;
  if constexpr (sizeof(T) == 8 && std::is_unsigned_v<T>) {
    const unsigned long long value = PyLong_AsUnsignedLongLong(index);
    Py_DECREF(index);
    if (PyErr_Occurred()) return false;
    *tensor.as<T>() = value;
    return true;
  } else {
    const long long value = PyLong_AsLongLongAndOverflow(index, &overflow);
    Py_DECREF(index);
    if (overflow || value < static_cast<long long>(std::numeric_limits<T>::min()) ||
        value > static_cast<long long>(std::numeric_limits<T>::max())) {
      PyErr_Format(PyExc_OverflowError, "%R does not fit %s.", number, dtype_name(tensor.dtype));
      return false;
    }
    *tensor.as<T>() = static_cast<T>(value);
    return true;
  }
}

// scalar(number, dtype)
PyObject* scalar(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (count != 2) return PyErr_Format(PyExc_TypeError, "scalar takes a number and a dtype.");
  TensorObject* made = new_tensor();
  if (!made) return nullptr;
  Tensor& tensor = made->tensor;
  tensor.dtype = static_cast<DType>(PyLong_AsLong(arguments[1]));
  PyObject* number = arguments[0];
  bool good = !PyErr_Occurred();
  if (good && !element_bytes(tensor.dtype)) {
    PyErr_Format(PyExc_TypeError, "scalar cannot make a %s tensor.", dtype_name(tensor.dtype));
    good = false;
  }
  if (good) {
    allocate_data(tensor);
    switch (tensor.dtype) {
      case DType::boolean: {
        const int truth = PyObject_IsTrue(number);
        good = truth >= 0;
        *tensor.as<bool>() = truth > 0;
        break;
      }
      case DType::int8:
        good = store_integer<int8_t>(number, tensor);
        break;
      case DType::uint8:
        good = store_integer<uint8_t>(number, tensor);
        break;
      case DType::int16:
        good = store_integer<int16_t>(number, tensor);
        break;
      case DType::uint16:
        good = store_integer<uint16_t>(number, tensor);
        break;
      case DType::int32:
        good = store_integer<int32_t>(number, tensor);
        break;
      case DType::uint32:
        good = store_integer<uint32_t>(number, tensor);
        break;
      case DType::int64:
        good = store_integer<int64_t>(number, tensor);
        break;
      case DType::uint64:
        good = store_integer<uint64_t>(number, tensor);
        break;
      case DType::float32:
        *tensor.as<float>() = static_cast<float>(PyFloat_AsDouble(number));
        break;
      case DType::float64:
        *tensor.as<double>() = PyFloat_AsDouble(number);
        break;
      case DType::float16:
        *tensor.as<uint16_t>() = float_to_half(static_cast<float>(PyFloat_AsDouble(number)));
        break;
      case DType::bfloat16: {
        const auto value = static_cast<float>(PyFloat_AsDouble(number));
        uint32_t bits;
        std::memcpy(&bits, &value, 4);
        *tensor.as<uint16_t>() =
            value != value ? 0x7fc0 : static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1)) >> 16);
        break;
      }
      case DType::complex64:
      case DType::complex128: {
        const Py_complex value = PyComplex_AsCComplex(number);
        if (tensor.dtype == DType::complex64) {
          tensor.as<float>()[0] = static_cast<float>(value.real);
          tensor.as<float>()[1] = static_cast<float>(value.imag);
        } else {
          tensor.as<double>()[0] = value.real;
          tensor.as<double>()[1] = value.imag;
        }
        break;
      }
      default:
        PyErr_Format(PyExc_TypeError, "scalar cannot make a %s tensor; use from_array.", dtype_name(tensor.dtype));
        good = false;
    }
    good = good && !PyErr_Occurred();
  }
  if (!good) {
    Py_DECREF(made);
    return nullptr;
  }
  return reinterpret_cast<PyObject*>(made);
}

// from_strings(list of bytes, shape)
PyObject* from_strings(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (count != 2) return PyErr_Format(PyExc_TypeError, "from_strings takes a list of bytes and a shape.");
  Tensor tensor;
  tensor.dtype = DType::string;
  if (!parse_shape(arguments[1], tensor)) return nullptr;
  PyObject* items = PySequence_Fast(arguments[0], "from_strings takes a sequence of bytes");
  if (!items) return nullptr;
  const Py_ssize_t size = PySequence_Fast_GET_SIZE(items);
  int64_t total = 0;
  for (Py_ssize_t i = 0; i < size; ++i) {
    PyObject* text = PySequence_Fast_GET_ITEM(items, i);
    if (!PyBytes_Check(text)) {
      PyErr_Format(PyExc_TypeError, "from_strings takes bytes, given %s.", Py_TYPE(text)->tp_name);
      Py_DECREF(items);
      return nullptr;
    }
    total += PyBytes_GET_SIZE(text);
  }
  if (size != tensor.count()) {
    PyErr_Format(PyExc_ValueError, "The shape has %lld elements, given %zd strings.",
                 static_cast<long long>(tensor.count()), size);
    Py_DECREF(items);
    return nullptr;
  }
  tensor.buffer = Buffer::allocate(static_cast<size_t>((size + 1) * 8 + total));
  tensor.data = tensor.buffer->data();
  int64_t* offsets = tensor.as<int64_t>();
  char* bytes = reinterpret_cast<char*>(offsets + size + 1);
  offsets[0] = 0;
  for (Py_ssize_t i = 0; i < size; ++i) {
    PyObject* text = PySequence_Fast_GET_ITEM(items, i);
    std::memcpy(bytes + offsets[i], PyBytes_AS_STRING(text), static_cast<size_t>(PyBytes_GET_SIZE(text)));
    offsets[i + 1] = offsets[i] + PyBytes_GET_SIZE(text);
  }
  Py_DECREF(items);
  return wrap(std::move(tensor));
}

// set_tensor_class(cls)
PyObject* set_tensor_class(PyObject*, PyObject* given) {
  if (!PyType_Check(given) || !PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(given), tensor_base)) {
    return PyErr_Format(PyExc_TypeError, "set_tensor_class takes a subclass of TensorBase.");
  }
  PyTypeObject* old = tensor_class;
  tensor_class = reinterpret_cast<PyTypeObject*>(Py_NewRef(given));
  return reinterpret_cast<PyObject*>(old);
}

}  // namespace

PyObject* shape_tuple(TensorObject* self) {
  if (!self->shape) {
    PyObject* shape = PyTuple_New(self->tensor.rank);
    if (!shape) return nullptr;
    for (int i = 0; i < self->tensor.rank; ++i) {
      PyObject* size = PyLong_FromLongLong(self->tensor.dims[i]);
      if (!size) {
        Py_DECREF(shape);
        return nullptr;
      }
      PyTuple_SET_ITEM(shape, i, size);
    }
    self->shape = shape;
  }
  return self->shape;
}

TensorObject* new_tensor() {
  // Zeroed memory is a valid, empty Tensor.
  auto* made = reinterpret_cast<TensorObject*>(tensor_class->tp_alloc(tensor_class, 0));
  if (made) made->id = next_id.fetch_add(1, std::memory_order_relaxed);
  return made;
}

PyObject* wrap(Tensor&& tensor) {
  TensorObject* made = new_tensor();
  if (!made) return nullptr;
  made->tensor = std::move(tensor);
  return reinterpret_cast<PyObject*>(made);
}

PyMethodDef tensor_functions[] = {
    {"from_array", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(from_array)), METH_FASTCALL,
     "from_array(buffer, dtype, shape, copy=True) -> tensor"},
    {"scalar", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(scalar)), METH_FASTCALL,
     "scalar(number, dtype) -> tensor"},
    {"from_strings", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(from_strings)), METH_FASTCALL,
     "from_strings(list of bytes, shape) -> tensor"},
    {"set_tensor_class", set_tensor_class, METH_O,
     "All results become instances of this subclass of TensorBase. Returns the one before."},
    {nullptr, nullptr, 0, nullptr}};

bool add_tensor_type(PyObject* module) {
  static PyType_Slot slots[] = {
      {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
      {Py_tp_methods, methods},
      {Py_tp_getset, attributes},
      {Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)},
      {Py_bf_releasebuffer, reinterpret_cast<void*>(release_buffer)},
      {Py_tp_doc, const_cast<char*>("A tensor of the runtime. Subclass it and call set_tensor_class.")},
      {0, nullptr}};
  static PyType_Spec spec = {"millstream._runtime.TensorBase", sizeof(TensorObject), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  tensor_base = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!tensor_base) return false;
  tensor_class = reinterpret_cast<PyTypeObject*>(Py_NewRef(tensor_base));
  return PyModule_AddObjectRef(module, "TensorBase", reinterpret_cast<PyObject*>(tensor_base)) == 0;
}

}  // namespace millstream::python
