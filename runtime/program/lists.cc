// Kernels of TensorFlow's TensorList. A list nobody else holds changes in place; else it is copied first. Elements share
// the bytes of the tensors they came from. "Element sizes" in attributes are: rank or -1, then sizes, -1 where open.
#include <algorithm>

#include "kernels/kernel.h"
#include "memory/objects.h"

namespace millstream {
namespace {

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

Status check_shape(const Call& call, int64_t at) {
  MS_REQUIRE(call.attribute_count > at, "a list kernel needs its element sizes");
  const int64_t rank = call.attributes[at];
  MS_REQUIRE(rank >= -1 && rank <= max_rank && call.attribute_count == at + 1 + std::max<int64_t>(rank, 0),
             "a list kernel's element sizes do not fit its attributes");
  for (int64_t i = 0; i < rank; ++i) MS_REQUIRE(call.attributes[at + 1 + i] >= -1, "an element size is below -1");
  return Status();
}

Shape shape_at(const Call& call, int64_t at) {
  Shape shape;
  shape.rank = static_cast<int32_t>(call.attributes[at]);
  for (int i = 0; i < shape.rank; ++i) shape.dims[i] = call.attributes[at + 1 + i];
  return shape;
}

Status merged_shape(const List& list, Shape shape, Shape& out) {
  if (list.rank >= 0 && !shape.admits(list.rank, list.dims)) {
    return invalid("The list's elements have the shape " + shape_text(list.rank, list.dims) + ", asked for is " +
                   shape_text(shape.rank, shape.dims) + ".");
  }
  shape.merge(list.rank, list.dims);
  out = shape;
  return Status();
}

bool is_integer(const Tensor& tensor) { return tensor.dtype == DType::int32 || tensor.dtype == DType::int64; }
int64_t integer(const Tensor& tensor, int64_t i) {
  return tensor.dtype == DType::int32 ? tensor.as<int32_t>()[i] : tensor.as<int64_t>()[i];
}

// Kinds of operand: l a list, i an integer scalar, v integers in a row, t any tensor.
Status check_operands(const Call& call, const char* inputs, const char* outputs, int optional = 0) {
  const int most = static_cast<int>(std::strlen(inputs));
  MS_REQUIRE(call.input_count <= most && call.input_count >= most - optional, "a list kernel has another number of inputs");
  MS_REQUIRE(call.output_count == static_cast<int>(std::strlen(outputs)), "a list kernel has another number of outputs");
  for (int i = 0; i < call.input_count; ++i) {
    if (i >= most - optional && !call.has(i)) continue;
    MS_REQUIRE(call.has(i), "a list kernel needs all its inputs");
    const Tensor& tensor = call.in(i);
    MS_REQUIRE(inputs[i] != 'l' || tensor.dtype == DType::variant, "a list kernel takes a variant");
    MS_REQUIRE((inputs[i] != 'i' && inputs[i] != 'v') || is_integer(tensor), "a list kernel takes int32 or int64 indices");
    MS_REQUIRE(inputs[i] != 'i' || tensor.rank == 0, "a list kernel takes a scalar index");
    MS_REQUIRE(inputs[i] != 'v' || tensor.rank == 1, "a list kernel takes indices of rank 1");
  }
  for (int i = 0; i < call.output_count; ++i) {
    const bool variant = call.out(i).dtype == DType::variant;
    MS_REQUIRE(outputs[i] != 'l' || variant, "a list kernel gives a variant");
    MS_REQUIRE(outputs[i] != 'i' || (call.out(i).dtype == DType::int32 && call.out(i).rank == 0), "a list's length is an int32 scalar");
  }
  return Status();
}

Status find_list(const Call& call, int input, List*& list) {
  list = object_as<List>(call.in(input), ObjectKind::list);
  return list ? Status() : invalid("A variant that is no tensor list was used as one.");
}

void give_list(Tensor& out, Ref<List> list) {
  out.rank = 0;
  out.dtype = DType::variant;
  out.data = nullptr;
  out.buffer.reset();
  out.object = std::move(list);
}

// The list to change: the input's own if nobody else holds it, else a copy.
Status own_list(const Call& call, int input, Ref<List>& out) {
  List* list;
  MS_RETURN_IF_ERROR(find_list(call, input, list));
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

Ref<List> new_list(DType dtype, const Shape& shape) {
  auto list = Ref<List>::adopt(new List);
  list->dtype = dtype;
  list->rank = shape.rank;
  std::copy(shape.dims, shape.dims + max_rank, list->dims);
  return list;
}

Status check_element(const List& list, const Tensor& tensor) {
  if (tensor.dtype != list.dtype) {
    return invalid(std::string("The list holds ") + dtype_name(list.dtype) + ", given " + dtype_name(tensor.dtype) + ".");
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

Status check_size(int64_t count) {
  if (count < 0) return invalid("A list cannot have " + std::to_string(count) + " elements.");
  if (count > most_elements) return Status(Code::resource_exhausted, "A list has at most " + std::to_string(most_elements) + " elements.");
  return Status();
}

Status index_in(const List& list, int64_t index) {
  if (index < 0 || index >= static_cast<int64_t>(list.elements.size())) {
    return invalid("Tried to access element " + std::to_string(index) + " in a list with " + std::to_string(list.elements.size()) +
                   " elements.");
  }
  return Status();
}

// A new tensor of zeros, or of empty strings.
Status zeros(DType dtype, const Shape& shape, Tensor& out) {
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
Status join(const std::vector<const Tensor*>& elements, Tensor& out) {
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
Tensor rows(const Tensor& tensor, int64_t first, int64_t count, bool keep) {
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
Status common_shape(const List& list, const std::vector<int64_t>& indices, Shape& shape) {
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
    return invalid("The elements' shape " + shape_text(shape.rank, shape.dims) + " is not known, and no element is set.");
  }
  if (shape.rank + 1 > max_rank) return invalid("A tensor has at most 12 dimensions.");
  return Status();
}

Status stack_elements(const Call& call, const List& list, const std::vector<int64_t>& indices, Shape shape) {
  Tensor& out = call.out(0);
  if (out.dtype != list.dtype) return invalid(std::string("The list holds ") + dtype_name(list.dtype) + ", asked for is " + dtype_name(out.dtype) + ".");
  if (!element_bytes(list.dtype) && list.dtype != DType::string) return invalid("A list of handles cannot become one tensor.");
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

Status check_empty(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "i", "l", 1));
  MS_REQUIRE(call.attribute_count >= 1 && call.attributes[0] > 0 && call.attributes[0] <= 30, "a list's element type is unknown");
  return check_shape(call, 1);
}

Status run_empty(const Call& call) {
  auto list = new_list(static_cast<DType>(call.attributes[0]), shape_at(call, 1));
  if (call.has(0)) list->max_elements = integer(call.in(0), 0);
  give_list(call.out(0), std::move(list));
  return Status();
}

Status check_reserve(const Call& call) {
  MS_REQUIRE(call.input_count == 1 && call.has(0), "list_reserve takes the number of elements");
  return check_empty(call);
}

Status run_reserve(const Call& call) {
  const int64_t count = integer(call.in(0), 0);
  MS_RETURN_IF_ERROR(check_size(count));
  auto list = new_list(static_cast<DType>(call.attributes[0]), shape_at(call, 1));
  list->elements.resize(static_cast<size_t>(count));
  give_list(call.out(0), std::move(list));
  return Status();
}

Status check_push(const Call& call) { return check_operands(call, "lt", "l"); }
Status run_push(const Call& call) {
  Ref<List> list;
  MS_RETURN_IF_ERROR(own_list(call, 0, list));
  MS_RETURN_IF_ERROR(check_element(*list, call.in(1)));
  const auto count = static_cast<int64_t>(list->elements.size());
  MS_RETURN_IF_ERROR(check_size(count + 1));
  if (list->max_elements >= 0 && count >= list->max_elements) {
    return invalid("Tried to push item into a full list; it may have " + std::to_string(list->max_elements) + " elements.");
  }
  list->elements.push_back(owned(call.in(1)));
  give_list(call.out(0), std::move(list));
  return Status();
}

Status give_element(const List& list, const Tensor& element, const Call& call, int output, int64_t shape_attribute) {
  Tensor& out = call.out(output);
  if (out.dtype != list.dtype) return invalid(std::string("The list holds ") + dtype_name(list.dtype) + ", asked for is " + dtype_name(out.dtype) + ".");
  if (element.dtype != DType::invalid) {
    out = element;
    return Status();
  }
  Shape shape;
  MS_RETURN_IF_ERROR(merged_shape(list, shape_at(call, shape_attribute), shape));
  // As TensorFlow does: what is still open comes from any element that is set.
  for (const Tensor& other : list.elements) {
    if (shape.known()) break;
    if (other.dtype != DType::invalid && shape.admits(other.rank, other.dims)) shape.merge(other.rank, other.dims);
  }
  return zeros(list.dtype, shape, out);
}

Status check_pop(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "l", "lt"));
  return check_shape(call, 0);
}
Status run_pop(const Call& call) {
  Ref<List> list;
  MS_RETURN_IF_ERROR(own_list(call, 0, list));
  if (list->elements.empty()) return invalid("Trying to pop from an empty list.");
  MS_RETURN_IF_ERROR(give_element(*list, list->elements.back(), call, 1, 0));
  list->elements.pop_back();
  give_list(call.out(0), std::move(list));
  return Status();
}

Status check_get(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "li", "t"));
  return check_shape(call, 0);
}
Status run_get(const Call& call) {
  List* list;
  MS_RETURN_IF_ERROR(find_list(call, 0, list));
  const int64_t index = integer(call.in(1), 0);
  MS_RETURN_IF_ERROR(index_in(*list, index));
  return give_element(*list, list->elements[static_cast<size_t>(index)], call, 0, 0);
}

// attributes: 1 to grow the list where the index lies behind its end (optional)
Status check_set(const Call& call) { return check_operands(call, "lit", "l"); }
Status run_set(const Call& call) {
  Ref<List> list;
  MS_RETURN_IF_ERROR(own_list(call, 0, list));
  const int64_t index = integer(call.in(1), 0);
  if (call.attribute_count > 0 && call.attributes[0] && index >= static_cast<int64_t>(list->elements.size())) {
    MS_RETURN_IF_ERROR(check_size(index + 1));
    list->elements.resize(static_cast<size_t>(index) + 1);
  }
  MS_RETURN_IF_ERROR(index_in(*list, index));
  MS_RETURN_IF_ERROR(check_element(*list, call.in(2)));
  list->elements[static_cast<size_t>(index)] = owned(call.in(2));
  give_list(call.out(0), std::move(list));
  return Status();
}

// attributes: wanted number of elements or -1, element sizes
Status check_stack(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "l", "t"));
  return check_shape(call, 1);
}
Status run_stack(const Call& call) {
  List* list;
  MS_RETURN_IF_ERROR(find_list(call, 0, list));
  const auto count = static_cast<int64_t>(list->elements.size());
  if (call.attributes[0] >= 0 && call.attributes[0] != count) {
    return invalid("Operation expected a list with " + std::to_string(call.attributes[0]) + " elements but got a list with " +
                   std::to_string(count) + " elements.");
  }
  Shape shape;
  MS_RETURN_IF_ERROR(merged_shape(*list, shape_at(call, 1), shape));
  std::vector<int64_t> indices(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) indices[static_cast<size_t>(i)] = i;
  return stack_elements(call, *list, indices, shape);
}

Status check_from_tensor(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "t", "l"));
  MS_REQUIRE(call.in(0).rank >= 1, "list_from_tensor takes a tensor of rank 1 or more");
  return check_shape(call, 0);
}
Status run_from_tensor(const Call& call) {
  const Tensor tensor = owned(call.in(0));
  MS_RETURN_IF_ERROR(check_size(tensor.dims[0]));
  auto list = new_list(tensor.dtype, shape_at(call, 0));
  Tensor first = tensor.dims[0] ? rows(tensor, 0, 1, false) : Tensor();
  if (tensor.dims[0]) MS_RETURN_IF_ERROR(check_element(*list, first));
  for (int64_t i = 0; i < tensor.dims[0]; ++i) list->elements.push_back(rows(tensor, i, 1, false));
  give_list(call.out(0), std::move(list));
  return Status();
}

Status check_length(const Call& call) { return check_operands(call, "l", "i"); }
Status run_length(const Call& call) {
  List* list;
  MS_RETURN_IF_ERROR(find_list(call, 0, list));
  *call.out(0).as<int32_t>() = static_cast<int32_t>(list->elements.size());
  return Status();
}

Status check_gather(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "lv", "t"));
  return check_shape(call, 0);
}
Status run_gather(const Call& call) {
  List* list;
  MS_RETURN_IF_ERROR(find_list(call, 0, list));
  Shape shape;
  MS_RETURN_IF_ERROR(merged_shape(*list, shape_at(call, 0), shape));
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < call.in(1).dims[0]; ++i) {
    indices.push_back(integer(call.in(1), i));
    MS_RETURN_IF_ERROR(index_in(*list, indices.back()));
  }
  return stack_elements(call, *list, indices, shape);
}

Status scatter(List& list, const Tensor& given, const Tensor& indices) {
  const Tensor tensor = owned(given);
  if (tensor.rank < 1 || tensor.dims[0] != indices.dims[0]) return invalid("A scatter into a list needs one index for each row.");
  for (int64_t i = 0; i < indices.dims[0]; ++i) {
    const int64_t index = integer(indices, i);
    if (index < 0) return invalid("Indices in a scatter into a list must all be non-negative, given " + std::to_string(index) + ".");
    MS_RETURN_IF_ERROR(check_size(index + 1));
    if (index >= static_cast<int64_t>(list.elements.size())) list.elements.resize(static_cast<size_t>(index) + 1);
    Tensor row = rows(tensor, i, 1, false);
    MS_RETURN_IF_ERROR(check_element(list, row));
    list.elements[static_cast<size_t>(index)] = std::move(row);
  }
  return Status();
}

Status check_scatter(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "tvi", "l", 1));
  return check_shape(call, 0);
}
Status run_scatter(const Call& call) {
  auto list = new_list(call.in(0).dtype, shape_at(call, 0));
  const int64_t count = call.has(2) ? integer(call.in(2), 0) : -1;
  if (count >= 0) {
    MS_RETURN_IF_ERROR(check_size(count));
    list->elements.resize(static_cast<size_t>(count));
  }
  MS_RETURN_IF_ERROR(scatter(*list, call.in(0), call.in(1)));
  give_list(call.out(0), std::move(list));
  return Status();
}

Status check_scatter_into(const Call& call) { return check_operands(call, "ltv", "l"); }
Status run_scatter_into(const Call& call) {
  Ref<List> list;
  MS_RETURN_IF_ERROR(own_list(call, 0, list));
  MS_RETURN_IF_ERROR(scatter(*list, call.in(1), call.in(2)));
  give_list(call.out(0), std::move(list));
  return Status();
}

// attributes: element sizes, the first is the open length of each; input 1 (optional): lengths of elements never set
Status check_concat(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "lv", "tt", 1));
  MS_REQUIRE(call.out(1).dtype == DType::int64, "list_concat gives int64 lengths");
  return check_shape(call, 0);
}
Status run_concat(const Call& call) {
  List* list;
  MS_RETURN_IF_ERROR(find_list(call, 0, list));
  Tensor& out = call.out(0);
  if (out.dtype != list->dtype) return invalid(std::string("The list holds ") + dtype_name(list->dtype) + ", asked for is " + dtype_name(out.dtype) + ".");
  if (!element_bytes(list->dtype) && list->dtype != DType::string) return invalid("A list of handles cannot become one tensor.");
  Shape shape;
  MS_RETURN_IF_ERROR(merged_shape(*list, shape_at(call, 0), shape));
  for (const Tensor& element : list->elements) {
    if (element.dtype == DType::invalid) continue;
    if (element.rank < 1) return invalid("Concat requires elements of rank 1 or more, one has rank 0.");
    Shape given;
    given.rank = element.rank;
    std::copy(element.dims, element.dims + element.rank, given.dims);
    given.dims[0] = -1;
    if (!shape.admits(given.rank, given.dims)) return invalid("A list's elements differ in other dimensions than the first.");
    shape.merge(given.rank, given.dims);
  }
  if (shape.rank < 1) return invalid("The elements' shape is not known, and no element is set.");
  const auto count = static_cast<int64_t>(list->elements.size());
  std::vector<Tensor> missing;
  missing.reserve(static_cast<size_t>(count));
  std::vector<const Tensor*> elements;
  Tensor& lengths = call.out(1);
  lengths.rank = 1;
  lengths.dims[0] = count;
  allocate_data(lengths);
  int64_t total = 0;
  for (int64_t i = 0; i < count; ++i) {
    const Tensor* element = &list->elements[static_cast<size_t>(i)];
    if (element->dtype == DType::invalid) {
      Shape wanted = shape;
      if (call.has(1) && i < call.in(1).dims[0]) wanted.dims[0] = integer(call.in(1), i);
      missing.emplace_back();
      MS_RETURN_IF_ERROR(zeros(list->dtype, wanted, missing.back()));
      element = &missing.back();
    }
    elements.push_back(element);
    lengths.as<int64_t>()[i] = element->dims[0];
    total += element->dims[0];
  }
  shape.dims[0] = total;
  if (!shape.known()) return invalid("The elements' shape " + shape_text(shape.rank, shape.dims) + " is not known, and no element is set.");
  out.rank = shape.rank;
  std::copy(shape.dims, shape.dims + shape.rank, out.dims);
  return join(elements, out);
}

Status check_split(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "tv", "l"));
  MS_REQUIRE(call.in(0).rank >= 1, "list_split takes a tensor of rank 1 or more");
  return check_shape(call, 0);
}
Status run_split(const Call& call) {
  const Tensor tensor = owned(call.in(0));
  const Tensor& lengths = call.in(1);
  auto list = new_list(tensor.dtype, shape_at(call, 0));
  int64_t at = 0;
  for (int64_t i = 0; i < lengths.dims[0]; ++i) {
    const int64_t length = integer(lengths, i);
    if (length < 0 || length > tensor.dims[0] - at) return invalid("The lengths of a split must sum up to the tensor's first dimension.");
    list->elements.push_back(rows(tensor, at, length, true));
    MS_RETURN_IF_ERROR(check_element(*list, list->elements.back()));
    at += length;
  }
  if (at != tensor.dims[0]) return invalid("The lengths of a split must sum up to the tensor's first dimension.");
  give_list(call.out(0), std::move(list));
  return Status();
}

Status check_resize(const Call& call) { return check_operands(call, "li", "l"); }
Status run_resize(const Call& call) {
  Ref<List> list;
  MS_RETURN_IF_ERROR(own_list(call, 0, list));
  const int64_t count = integer(call.in(1), 0);
  MS_RETURN_IF_ERROR(check_size(count));
  list->elements.resize(static_cast<size_t>(count));
  give_list(call.out(0), std::move(list));
  return Status();
}

const Kernel kernels[] = {
    {"list_empty", check_empty, run_empty, nullptr, true},
    {"list_reserve", check_reserve, run_reserve, nullptr, true},
    {"list_push", check_push, run_push, nullptr, true},
    {"list_pop", check_pop, run_pop, nullptr, true},
    {"list_get", check_get, run_get, nullptr, true},
    {"list_set", check_set, run_set, nullptr, true},
    {"list_stack", check_stack, run_stack, nullptr, true},
    {"list_from_tensor", check_from_tensor, run_from_tensor, nullptr, true},
    {"list_length", check_length, run_length},
    {"list_gather", check_gather, run_gather, nullptr, true},
    {"list_scatter", check_scatter, run_scatter, nullptr, true},
    {"list_scatter_into", check_scatter_into, run_scatter_into, nullptr, true},
    {"list_concat", check_concat, run_concat, nullptr, true},
    {"list_split", check_split, run_split, nullptr, true},
    {"list_resize", check_resize, run_resize, nullptr, true},
};

}  // namespace

void register_lists(Registry& registry) {
  for (const Kernel& kernel : kernels) registry.add(kernel);
}

}  // namespace millstream
