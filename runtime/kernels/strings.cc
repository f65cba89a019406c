// Reads and writes string tensors for the kernels on text. Refuses operands that do not fit.
#include "kernels/strings.h"

#include <cstring>

#include "memory/objects.h"

namespace millstream {

Status StringWriter::give(Tensor& out) const {
  if (out.count() != count()) return Status(Code::internal, "Strings are missing for " + show(out) + ".");
  const size_t header = (ends_.size() + 1) * sizeof(int64_t);
  auto buffer = Buffer::allocate(header + text_.size());
  auto* offsets = static_cast<int64_t*>(buffer->data());
  offsets[0] = 0;
  if (!ends_.empty()) std::memcpy(offsets + 1, ends_.data(), ends_.size() * sizeof(int64_t));
  if (!text_.empty()) std::memcpy(static_cast<char*>(buffer->data()) + header, text_.data(), text_.size());
  out.data = buffer->data();
  out.buffer = std::move(buffer);
  return Status();
}

namespace {

bool fits(char letter, const Tensor& tensor) {
  switch (letter) {
    case 's':
      return tensor.dtype == DType::string;
    case 'S':
      return tensor.dtype == DType::string && tensor.rank == 0;
    case 'i':
      return tensor.dtype == DType::int32 || tensor.dtype == DType::int64;
    case 'I':
      return tensor.dtype == DType::int32;
    case 'L':
      return tensor.dtype == DType::int64;
    case 'b':
      return tensor.dtype == DType::boolean;
    default:
      return moved_bytes(tensor.dtype) > 0;
  }
}

}  // namespace

Status check_letters(const Call& call, const char* name, const char* inputs, const char* outputs, int64_t words) {
  MS_RETURN_IF_ERROR(
      check_operands(call, name, static_cast<int>(std::strlen(inputs)), static_cast<int>(std::strlen(outputs))));
  if (words >= 0) MS_RETURN_IF_ERROR(check_attributes(call, name, words));
  for (int i = 0; i < call.input_count; ++i) {
    if (!fits(inputs[i], call.in(i)))
      return invalid(std::string(name) + ": input " + std::to_string(i) + " may not be " + show(call.in(i)) + ".");
  }
  for (int i = 0; i < call.output_count; ++i) {
    if (!fits(outputs[i], call.out(i)))
      return invalid(std::string(name) + ": output " + std::to_string(i) + " may not be " + show(call.out(i)) + ".");
  }
  return Status();
}

void give_numbers(Tensor& out, const std::vector<int64_t>& numbers) {
  out.rank = 1;
  out.dims[0] = static_cast<int64_t>(numbers.size());
  allocate_data(out);
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (out.dtype == DType::int32) {
      out.as<int32_t>()[i] = static_cast<int32_t>(numbers[i]);
    } else {
      out.as<int64_t>()[i] = numbers[i];
    }
  }
}

std::string quoted(std::string_view text) {
  std::string result;
  for (const char c : text) {
    static const char digits[] = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 32 && byte < 127) {
      result += c;
    } else {
      result += "\\x";
      result += digits[byte >> 4];
      result += digits[byte & 15];
    }
  }
  return result;
}

}  // namespace millstream
