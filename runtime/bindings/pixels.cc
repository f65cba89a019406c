// Pixels of images that Python's codecs hold, as tensors: through the Arrow C data interface, whose structure this is.
#include "bindings/python.h"

#include <nanobind/nanobind.h>

#include "memory/objects.h"

namespace millstream::python {
namespace {

namespace nb = nanobind;

struct ArrowArray {
  int64_t length, null_count, offset, n_buffers, n_children;
  const void** buffers;
  ArrowArray** children;
  ArrowArray* dictionary;
  void (*release)(ArrowArray*);
  void* private_data;
};

// A colour has a fourth byte that says nothing.
#if defined(__x86_64__)
__attribute__((target_clones("ssse3", "default")))
#endif
void copy_colours(const uint8_t* from, uint8_t* to, int64_t count) {
  using Bytes = uint8_t __attribute__((vector_size(16)));
  const Bytes kept = {0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 0, 0, 0, 0};
  int64_t i = 0;
  for (; i + 8 <= count; i += 4) {  // what is written too much is written over
    Bytes four;
    std::memcpy(&four, from + 4 * i, sizeof four);
    four = __builtin_shuffle(four, kept);
    std::memcpy(to + 3 * i, &four, sizeof four);
  }
  for (; i < count; ++i) std::memcpy(to + 3 * i, from + 4 * i, 3);
}

// uint8 [rows, columns, channels] of an array of bytes (1 channel), or of lists of four bytes.
nb::object from_arrow(const nb::object& capsule, int64_t rows, int64_t columns, int64_t channels) {
  auto* array = static_cast<ArrowArray*>(PyCapsule_GetPointer(capsule.ptr(), "arrow_array"));
  if (!array) throw nb::python_error();
  const ArrowArray* bytes = array->n_children == 1 ? array->children[0] : array;
  const int64_t width = channels == 1 ? 1 : 4, count = rows * columns;
  if (!array->release || rows < 0 || columns < 0 || (channels != 1 && channels != 3 && channels != 4) ||
      (array->n_children == 1) != (channels > 1) || array->length != count || array->offset || bytes->offset ||
      bytes->length != count * width || bytes->n_buffers != 2) {
    throw nb::value_error("The pixels have another layout than rows x columns x channels bytes.");
  }
  Tensor tensor;
  tensor.dtype = DType::uint8;
  tensor.rank = 3;
  tensor.dims[0] = rows;
  tensor.dims[1] = columns;
  tensor.dims[2] = channels;
  {
    const nb::gil_scoped_release unlocked;
    allocate_data(tensor);
    const auto* pixels = static_cast<const uint8_t*>(bytes->buffers[1]);
    if (channels == 3) {
      copy_colours(pixels, tensor.as<uint8_t>(), count);
    } else if (count) {
      std::memcpy(tensor.data, pixels, static_cast<size_t>(count * channels));
    }
  }
  return nb::steal(wrap(std::move(tensor)));
}

}  // namespace

void add_pixels(nb::module_& m) {
  m.def("from_arrow", from_arrow,
        "from_arrow(capsule, rows, columns, channels) -> uint8 tensor; colours hold 4 bytes there");
}

}  // namespace millstream::python
