// Kernel `text_format`: tensors written into a template. Refuses handles.
//
// text_format: template scalar, placeholder scalar, tensors of any type -> string scalar: each placeholder replaced by the
//   next tensor; attribute: how many elements are shown at the ends of each axis, -1 for all.
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "kernels/elementwise_types.h"
#include "kernels/strings.h"

namespace millstream {
namespace {

Status check_format(const Call& call) {
  MS_REQUIRE(call.input_count >= 2 && call.output_count == 1,
             "text_format: takes a template, a placeholder and tensors.");
  MS_RETURN_IF_ERROR(check_operands(call, "text_format", call.input_count, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, "text_format", 1));
  for (int i = 0; i < call.input_count; ++i)
    MS_REQUIRE(moved_bytes(call.in(i).dtype) > 0, "text_format: cannot write " + show(call.in(i)) + ".");
  for (int i = 0; i < 2; ++i)
    MS_REQUIRE(call.in(i).dtype == DType::string && call.in(i).rank == 0,
               "text_format: give two string scalars first.");
  MS_REQUIRE(call.out(0).dtype == DType::string && call.out(0).rank == 0, "text_format: gives a string scalar.");
  return Status();
}

// The fewest of these digits that read back as the same number.
void write_real(std::string& out, double value, bool narrow) {
  char text[40];
  if (std::isnan(value)) {
    out += "nan";
    return;
  }
  if (std::isinf(value)) {
    out += value < 0 ? "-inf" : "inf";
    return;
  }
  std::snprintf(text, sizeof text, "%.*g", narrow ? 6 : 15, value);
  const bool same =
      narrow ? std::strtof(text, nullptr) == static_cast<float>(value) : std::strtod(text, nullptr) == value;
  if (!same) std::snprintf(text, sizeof text, "%.*g", narrow ? 9 : 17, value);
  out += text;
}

void write_text(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (c == '"' || c == '\'' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 32 || byte == 127) {
      char octal[8];
      std::snprintf(octal, sizeof octal, "\\%03o", byte);
      out += octal;
    } else {
      out += c;
    }
  }
  out += '"';
}

void write_element(std::string& out, const Tensor& x, int64_t i) {
  switch (x.dtype) {
    case DType::string:
      return write_text(out, Strings(x)[i]);
    case DType::float32:
      return write_real(out, static_cast<double>(x.as<const float>()[i]), true);
    case DType::float64:
      return write_real(out, x.as<const double>()[i], false);
    case DType::float16:
      return write_real(out, static_cast<double>(float_of_half(x.as<const uint16_t>()[i])), true);
    case DType::bfloat16:
      return write_real(out, static_cast<double>(float_of_bfloat16(x.as<const uint16_t>()[i])), true);
    case DType::complex64:
    case DType::complex128:
      out += '(';
      for (int64_t part = 2 * i; part < 2 * i + 2; ++part) {
        if (part > 2 * i) out += ',';
        if (x.dtype == DType::complex64) {
          write_real(out, static_cast<double>(x.as<const float>()[part]), true);
        } else {
          write_real(out, x.as<const double>()[part], false);
        }
      }
      out += ')';
      return;
    case DType::uint64:
      out += std::to_string(x.as<const uint64_t>()[i]);
      return;
    case DType::int64:
      out += std::to_string(x.as<const int64_t>()[i]);
      return;
    case DType::uint32:
      out += std::to_string(x.as<const uint32_t>()[i]);
      return;
    case DType::int32:
      out += std::to_string(x.as<const int32_t>()[i]);
      return;
    case DType::uint16:
      out += std::to_string(x.as<const uint16_t>()[i]);
      return;
    case DType::int16:
      out += std::to_string(x.as<const int16_t>()[i]);
      return;
    case DType::int8:
      out += std::to_string(x.as<const int8_t>()[i]);
      return;
    default:
      out += std::to_string(x.as<const uint8_t>()[i]);
  }
}

void write_axis(std::string& out, const Tensor& x, int axis, int64_t first, int64_t summarize) {
  if (axis == x.rank) return write_element(out, x, first);
  const int64_t count = x.dims[axis], step = product(x.dims, axis + 1, x.rank);
  const bool all = summarize < 0 || count <= 2 * summarize;
  const std::string gap = axis == x.rank - 1 ? std::string(" ")
                                             : std::string(static_cast<size_t>(x.rank - 1 - axis), '\n') +
                                                   std::string(static_cast<size_t>(axis) + 1, ' ');
  out += '[';
  for (int64_t i = 0; i < count; ++i) {
    if (i > 0) out += gap;
    if (!all && i == summarize) {
      out += "...";
      i = count - summarize - 1;
      continue;
    }
    write_axis(out, x, axis + 1, first + i * step, summarize);
  }
  out += ']';
}

Status run_format(const Call& call) {
  return guarded("text_format", [&] {
    const std::string_view text = Strings(call.in(0))[0], placeholder = Strings(call.in(1))[0];
    StringWriter writer(1);
    size_t at = 0;
    int input = 2;
    for (; !placeholder.empty() && input < call.input_count; ++input) {
      const size_t found = text.find(placeholder, at);
      if (found == std::string_view::npos) break;
      writer.append(text.substr(at, found - at));
      write_axis(writer.text(), call.in(input), 0, 0, call.attributes[0]);
      at = found + placeholder.size();
    }
    if (input < call.input_count || (!placeholder.empty() && text.find(placeholder, at) != std::string_view::npos))
      return invalid("num placeholders in template and num inputs must match; given are " +
                     std::to_string(call.input_count - 2) + " inputs.");
    writer.append(text.substr(at));
    writer.end();
    return writer.give(call.out(0));
  });
}

const Kernel kernel_format{"text_format", check_format, run_format};

}  // namespace

void register_strings_format(Registry& registry) { registry.add(kernel_format); }

}  // namespace millstream
