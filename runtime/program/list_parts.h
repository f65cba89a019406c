// What the kernels of tensor lists share: element shapes, indices, joining elements and cutting rows.
#pragma once

#include <algorithm>
#include <cstring>

#include "kernels/kernel.h"
#include "memory/objects.h"

namespace millstream::lists {

constexpr int64_t most_elements = int64_t{1} << 24;

struct Shape {
  int32_t rank = -1;
  int64_t dims[max_rank] = {};

  bool known() const {
    return rank >= 0 && std::all_of(dims, dims + rank, [](int64_t size) { return size >= 0; });
  }
  bool admits(int given_rank, const int64_t* given) const {
    if (rank < 0) return true;
    if (rank != given_rank) return false;
    for (int i = 0; i < rank; ++i) {
      if (dims[i] >= 0 && given[i] >= 0 && dims[i] != given[i]) return false;
    }
    return true;
  }
  // Fills what is open here from another shape it admits.
  void merge(int given_rank, const int64_t* given) {
    if (given_rank < 0) return;
    if (rank < 0) {
      rank = given_rank;
      std::copy(given, given + given_rank, dims);
      return;
    }
    for (int i = 0; i < rank; ++i) {
      if (dims[i] < 0) dims[i] = given[i];
    }
  }
};

inline Status check_shape(const Call& call, int64_t at) {
  MS_REQUIRE(call.attribute_count > at, "a list kernel needs its element sizes");
  const int64_t rank = call.attributes[at];
  MS_REQUIRE(rank >= -1 && rank <= max_rank && call.attribute_count == at + 1 + std::max<int64_t>(rank, 0),
             "a list kernel's element sizes do not fit its attributes");
  for (int64_t i = 0; i < rank; ++i) MS_REQUIRE(call.attributes[at + 1 + i] >= -1, "an element size is below -1");
  return Status();
}

inline Shape shape_at(const Call& call, int64_t at) {
  Shape shape;
  shape.rank = static_cast<int32_t>(call.attributes[at]);
  for (int i = 0; i < shape.rank; ++i) shape.dims[i] = call.attributes[at + 1 + i];
  return shape;
}

inline Status merged_shape(const List& list, Shape shape, Shape& out) {
  if (list.rank >= 0 && !shape.admits(list.rank, list.dims)) {
    return invalid("The list's elements have the shape " + shape_text(list.rank, list.dims) + ", asked for is " +
                   shape_text(shape.rank, shape.dims) + ".");
  }
  shape.merge(list.rank, list.dims);
  out = shape;
  return Status();
}

inline bool is_integer(const Tensor& tensor) { return tensor.dtype == DType::int32 || tensor.dtype == DType::int64; }
inline int64_t integer(const Tensor& tensor, int64_t i) {
  return tensor.dtype == DType::int32 ? tensor.as<int32_t>()[i] : tensor.as<int64_t>()[i];
}

// Kinds of operand: l a list, i an integer scalar, v integers in a row, t any tensor.
inline Status check_operands(const Call& call, const char* inputs, const char* outputs, int optional = 0) {
  const int most = static_cast<int>(std::strlen(inputs));
  MS_REQUIRE(call.input_count <= most && call.input_count >= most - optional,
             "a list kernel has another number of inputs");
  MS_REQUIRE(call.output_count == static_cast<int>(std::strlen(outputs)),
             "a list kernel has another number of outputs");
  for (int i = 0; i < call.input_count; ++i) {
    if (i >= most - optional && !call.has(i)) continue;
    MS_REQUIRE(call.has(i), "a list kernel needs all its inputs");
    const Tensor& tensor = call.in(i);
    MS_REQUIRE(inputs[i] != 'l' || tensor.dtype == DType::variant, "a list kernel takes a variant");
    MS_REQUIRE((inputs[i] != 'i' && inputs[i] != 'v') || is_integer(tensor),
               "a list kernel takes int32 or int64 indices");
    MS_REQUIRE(inputs[i] != 'i' || tensor.rank == 0, "a list kernel takes a scalar index");
    MS_REQUIRE(inputs[i] != 'v' || tensor.rank == 1, "a list kernel takes indices of rank 1");
  }
  for (int i = 0; i < call.output_count; ++i) {
    const bool variant = call.out(i).dtype == DType::variant;
    MS_REQUIRE(outputs[i] != 'l' || variant, "a list kernel gives a variant");
    MS_REQUIRE(outputs[i] != 'i' || (call.out(i).dtype == DType::int32 && call.out(i).rank == 0),
               "a list's length is an int32 scalar");
  }
  return Status();
}

inline Status not_a_list() { return invalid("A variant that is no tensor list was used as one."); }

inline Status find_list(const Call& call, int input, List*& list) {
  list = object_as<List>(call.in(input), ObjectKind::list);
  return list ? Status() : not_a_list();
}

inline void give_list(Tensor& out, Ref<List> list) {
  out.rank = 0;
  out.dtype = DType::variant;
  out.data = nullptr;
  out.buffer.reset();
  out.object = std::move(list);
}

// The list to change: the input's own if nobody else holds it, else a copy.
inline Status own_list(const Call& call, int input, Ref<List>& out) {
  List* const list = object_as<List>(call.in(input), ObjectKind::list);
  if (!list) return not_a_list();
  if (list->unique()) {
    out = Ref<List>::share(list);
    return Status();
  }
  out = Ref<List>::adopt(new List);
  out->dtype = list->dtype;
  out->rank = list->rank;
  std::copy(list->dims, list->dims + max_rank, out->dims);
  out->max_elements = list->max_elements;
  out->elements = list->elements;
  return Status();
}

inline Ref<List> new_list(DType dtype, const Shape& shape) {
  auto list = Ref<List>::adopt(new List);
  list->dtype = dtype;
  list->rank = shape.rank;
  std::copy(shape.dims, shape.dims + max_rank, list->dims);
  return list;
}

inline Status check_element(const List& list, const Tensor& tensor) {
  if (tensor.dtype != list.dtype) {
    return invalid(std::string("The list holds ") + dtype_name(list.dtype) + ", given " + dtype_name(tensor.dtype) +
                   ".");
  }
  Shape shape;
  shape.rank = list.rank;
  std::copy(list.dims, list.dims + max_rank, shape.dims);
  if (!shape.admits(tensor.rank, tensor.dims)) {
    return invalid("The list's elements have the shape " + shape_text(list.rank, list.dims) + ", given " +
                   shape_text(tensor.rank, tensor.dims) + ".");
  }
  return Status();
}

inline Status check_size(int64_t count) {
  if (count < 0) return invalid("A list cannot have " + std::to_string(count) + " elements.");
  if (count > most_elements)
    return Status(Code::resource_exhausted, "A list has at most " + std::to_string(most_elements) + " elements.");
  return Status();
}

inline Status index_in(const List& list, int64_t index) {
  if (index < 0 || index >= static_cast<int64_t>(list.elements.size())) {
    return invalid("Tried to access element " + std::to_string(index) + " in a list with " +
                   std::to_string(list.elements.size()) + " elements.");
  }
  return Status();
}

// A new tensor of zeros, or of empty strings.
inline Status zeros(DType dtype, const Shape& shape, Tensor& out) {
  if (!shape.known()) {
    return invalid("An element that was never set was read, and its shape " + shape_text(shape.rank, shape.dims) +
                   " is not known. Set it first, or state its shape.");
  }
  if (!element_bytes(dtype) && dtype != DType::string) return invalid("An element that was never set was read.");
  Tensor made;
  made.dtype = dtype;
  made.rank = shape.rank;
  std::copy(shape.dims, shape.dims + max_rank, made.dims);
  const size_t bytes = dtype == DType::string ? static_cast<size_t>(made.count() + 1) * 8 : made.bytes();
  made.buffer = Buffer::allocate(bytes);
  made.data = made.buffer->data();
  std::memset(made.data, 0, bytes);
  out = std::move(made);
  return Status();
}

// Lays elements one after another. `out` has its sizes; all elements together have its count.
inline Status join(const std::vector<const Tensor*>& elements, Tensor& out) {
  if (out.dtype != DType::string) {
    allocate_data(out);
    char* to = out.as<char>();
    for (const Tensor* element : elements) {
      const size_t bytes = element->bytes();
      if (bytes) std::memcpy(to, element->data, bytes);
      to += bytes;
    }
    return Status();
  }
  const int64_t count = out.count();
  size_t text = 0;
  for (const Tensor* element : elements) text += static_cast<size_t>(element->as<int64_t>()[element->count()]);
  out.buffer = Buffer::allocate(static_cast<size_t>(count + 1) * 8 + text);
  out.data = out.buffer->data();
  int64_t* offsets = out.as<int64_t>();
  char* bytes = reinterpret_cast<char*>(offsets + count + 1);
  int64_t at = 0, base = 0;
  offsets[0] = 0;
  for (const Tensor* element : elements) {
    const int64_t size = element->count();
    const int64_t* given = element->as<int64_t>();
    for (int64_t i = 1; i <= size; ++i) offsets[++at] = base + given[i];
    std::memcpy(bytes + base, given + size + 1, static_cast<size_t>(given[size]));
    base += given[size];
  }
  return Status();
}

// Rows `first` to `first + count` of a tensor, sharing its bytes. With `keep` as a tensor of that many rows, else one row.
inline Tensor rows(const Tensor& tensor, int64_t first, int64_t count, bool keep) {
  Tensor out;
  out.dtype = tensor.dtype;
  out.rank = keep ? tensor.rank : tensor.rank - 1;
  std::copy(tensor.dims + (keep ? 0 : 1), tensor.dims + tensor.rank, out.dims);
  if (keep) out.dims[0] = count;
  int64_t row = 1;
  for (int i = 1; i < tensor.rank; ++i) row *= tensor.dims[i];
  if (tensor.dtype != DType::string) {
    out.buffer = tensor.buffer;
    out.data = tensor.as<char>() + static_cast<size_t>(first * row) * element_bytes(tensor.dtype);
    return out;
  }
  const int64_t size = count * row;
  const int64_t* given = tensor.as<int64_t>() + first * row;
  const char* text = reinterpret_cast<const char*>(tensor.as<int64_t>() + tensor.count() + 1);
  out.buffer = Buffer::allocate(static_cast<size_t>((size + 1) * 8 + given[size] - given[0]));
  out.data = out.buffer->data();
  for (int64_t i = 0; i <= size; ++i) out.as<int64_t>()[i] = given[i] - given[0];
  std::memcpy(out.as<int64_t>() + size + 1, text + given[0], static_cast<size_t>(given[size] - given[0]));
  return out;
}

// The shape shared by all elements that are set; what stays open afterwards cannot be laid out.
inline Status common_shape(const List& list, const std::vector<int64_t>& indices, Shape& shape) {
  for (int64_t index : indices) {
    const Tensor& element = list.elements[static_cast<size_t>(index)];
    if (element.dtype == DType::invalid) continue;
    if (!shape.admits(element.rank, element.dims)) {
      return invalid("A list's elements have the shapes " + shape_text(shape.rank, shape.dims) + " and " +
                     shape_text(element.rank, element.dims) + "; to lie in one tensor they must have one.");
    }
    shape.merge(element.rank, element.dims);
  }
  if (!shape.known()) {
    return invalid("The elements' shape " + shape_text(shape.rank, shape.dims) +
                   " is not known, and no element is set.");
  }
  if (shape.rank + 1 > max_rank) return invalid("A tensor has at most 12 dimensions.");
  return Status();
}

inline Status stack_elements(const Call& call, const List& list, const std::vector<int64_t>& indices, Shape shape) {
  Tensor& out = call.out(0);
  if (out.dtype != list.dtype)
    return invalid(std::string("The list holds ") + dtype_name(list.dtype) + ", asked for is " + dtype_name(out.dtype) +
                   ".");
  if (!element_bytes(list.dtype) && list.dtype != DType::string)
    return invalid("A list of handles cannot become one tensor.");
  MS_RETURN_IF_ERROR(common_shape(list, indices, shape));
  Tensor zero;
  std::vector<const Tensor*> elements;
  for (int64_t index : indices) {
    const Tensor& element = list.elements[static_cast<size_t>(index)];
    if (element.dtype == DType::invalid && !zero.buffer) MS_RETURN_IF_ERROR(zeros(list.dtype, shape, zero));
    elements.push_back(element.dtype == DType::invalid ? &zero : &element);
  }
  out.rank = shape.rank + 1;
  out.dims[0] = static_cast<int64_t>(indices.size());
  std::copy(shape.dims, shape.dims + shape.rank, out.dims + 1);
  return join(elements, out);
}

}  // namespace millstream::lists
