// Kernels of TensorFlow's TensorList. A list nobody else holds changes in place; else it is copied first. Elements share
// the bytes of the tensors they came from. "Element sizes" in attributes are: rank or -1, then sizes, -1 where open.
#include <algorithm>

#include "kernels/kernel.h"
#include "memory/objects.h"
#include "program/list_parts.h"

namespace millstream {
namespace {

using namespace lists;

Status check_empty(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "i", "l", 1));
  MS_REQUIRE(call.attribute_count >= 1 && call.attributes[0] > 0 && call.attributes[0] <= 30,
             "a list's element type is unknown");
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
    return invalid("Tried to push item into a full list; it may have " + std::to_string(list->max_elements) +
                   " elements.");
  }
  list->elements.push_back(owned(call.in(1)));
  give_list(call.out(0), std::move(list));
  return Status();
}

Status give_element(const List& list, const Tensor& element, const Call& call, int output, int64_t shape_attribute) {
  Tensor& out = call.out(output);
  if (out.dtype != list.dtype)
    return invalid(std::string("The list holds ") + dtype_name(list.dtype) + ", asked for is " + dtype_name(out.dtype) +
                   ".");
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
    return invalid("Operation expected a list with " + std::to_string(call.attributes[0]) +
                   " elements but got a list with " + std::to_string(count) + " elements.");
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
  if (tensor.rank < 1 || tensor.dims[0] != indices.dims[0])
    return invalid("A scatter into a list needs one index for each row.");
  for (int64_t i = 0; i < indices.dims[0]; ++i) {
    const int64_t index = integer(indices, i);
    if (index < 0)
      return invalid("Indices in a scatter into a list must all be non-negative, given " + std::to_string(index) + ".");
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
  if (out.dtype != list->dtype)
    return invalid(std::string("The list holds ") + dtype_name(list->dtype) + ", asked for is " +
                   dtype_name(out.dtype) + ".");
  if (!element_bytes(list->dtype) && list->dtype != DType::string)
    return invalid("A list of handles cannot become one tensor.");
  Shape shape;
  MS_RETURN_IF_ERROR(merged_shape(*list, shape_at(call, 0), shape));
  for (const Tensor& element : list->elements) {
    if (element.dtype == DType::invalid) continue;
    if (element.rank < 1) return invalid("Concat requires elements of rank 1 or more, one has rank 0.");
    Shape given;
    given.rank = element.rank;
    std::copy(element.dims, element.dims + element.rank, given.dims);
    given.dims[0] = -1;
    if (!shape.admits(given.rank, given.dims))
      return invalid("A list's elements differ in other dimensions than the first.");
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
  if (!shape.known())
    return invalid("The elements' shape " + shape_text(shape.rank, shape.dims) +
                   " is not known, and no element is set.");
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
    if (length < 0 || length > tensor.dims[0] - at)
      return invalid("The lengths of a split must sum up to the tensor's first dimension.");
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
