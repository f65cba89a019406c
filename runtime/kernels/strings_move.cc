// Takes strings by number and runs moving kernels on numbers. Refuses nothing: string tensors are whole when they get here.
#include "kernels/strings_move.h"

#include <cstring>
#include <new>
#include <vector>

#include "kernels/operands.h"

namespace millstream {
namespace {

struct Piece {
  const char* bytes;
  int64_t length;
};

Piece piece_of(const Tensor& tensor, int64_t element) {
  const auto* offsets = tensor.as<const int64_t>();
  const char* bytes = reinterpret_cast<const char*>(offsets + tensor.count() + 1);
  return {bytes + offsets[element], offsets[element + 1] - offsets[element]};
}

}  // namespace

Status take_strings(Tensor& out, StringSource source, const int64_t* numbers) try {
  std::vector<int64_t> starts(static_cast<size_t>(source.count) + 1, 0);
  for (int i = 0; i < source.count; ++i)
    starts[static_cast<size_t>(i) + 1] = starts[static_cast<size_t>(i)] + source.tensors[i]->count();
  const auto find = [&](int64_t number) {
    int i = 0;
    while (number >= starts[static_cast<size_t>(i) + 1]) ++i;
    return piece_of(*source.tensors[i], number - starts[static_cast<size_t>(i)]);
  };
  const int64_t count = out.count();
  int64_t total = 0;
  for (int64_t i = 0; i < count; ++i) total += find(numbers[i]).length;
  const size_t header = static_cast<size_t>(count + 1) * sizeof(int64_t);
  auto buffer = Buffer::allocate(header + static_cast<size_t>(total));
  auto* offsets = static_cast<int64_t*>(buffer->data());
  char* bytes = static_cast<char*>(buffer->data()) + header;
  int64_t at = 0;
  for (int64_t i = 0; i < count; ++i) {
    const Piece piece = find(numbers[i]);
    offsets[i] = at;
    if (piece.length) std::memcpy(bytes + at, piece.bytes, static_cast<size_t>(piece.length));
    at += piece.length;
  }
  offsets[count] = at;
  out.data = buffer->data();
  out.buffer = std::move(buffer);
  return Status();
} catch (const std::bad_alloc&) {
  return out_of_memory("strings", out);
}

Status move_strings(const Call& call, Status (*run)(const Call&)) try {
  std::vector<Tensor> numbered(static_cast<size_t>(call.input_count));
  std::vector<std::vector<int64_t>> numbers(static_cast<size_t>(call.input_count));
  std::vector<const Tensor*> inputs(call.inputs, call.inputs + call.input_count), strings;
  int64_t next = 0;
  for (int i = 0; i < call.input_count; ++i) {
    if (!call.has(i) || call.in(i).dtype != DType::string) continue;
    const auto k = static_cast<size_t>(i);
    strings.push_back(&call.in(i));
    numbers[k].resize(static_cast<size_t>(call.in(i).count()));
    for (int64_t& number : numbers[k]) number = next++;
    numbered[k].dtype = DType::int64;
    numbered[k].rank = call.in(i).rank;
    std::memcpy(numbered[k].dims, call.in(i).dims, sizeof numbered[k].dims);
    numbered[k].data = numbers[k].data();
    inputs[k] = &numbered[k];
  }
  Tensor& out = call.out(0);
  Tensor result;
  result.dtype = DType::int64;
  result.rank = out.rank;
  std::memcpy(result.dims, out.dims, sizeof result.dims);
  std::vector<int64_t> result_numbers(static_cast<size_t>(out.count()));
  result.data = result_numbers.data();
  Tensor* outputs[1] = {&result};
  Call inner = call;
  inner.inputs = inputs.data();
  inner.outputs = outputs;
  MS_RETURN_IF_ERROR(run(inner));
  return take_strings(out, {strings.data(), static_cast<int>(strings.size())}, result_numbers.data());
} catch (const std::bad_alloc&) {
  return out_of_memory("strings", call.out(0));
}

}  // namespace millstream
