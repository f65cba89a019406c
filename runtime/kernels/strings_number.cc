// Kernels from numbers to text and back. They refuse complex numbers as results, and text that is no number.
//
// text_to_number: x string -> float32, float64, int32, int64, uint32 or uint64 of the same sizes. No attributes.
// text_of_number: x -> string of the same sizes; input 1 the fill, a string scalar of at most one byte; attributes:
//   form (0 fixed, 1 scientific, 2 shortest), precision or -1, width or -1.
#include <cmath>
#include <cstdio>

#include "kernels/elementwise_types.h"
#include "kernels/strings_parse.h"

namespace millstream {
namespace {

Status check_to_number(const Call& call) {
  MS_RETURN_IF_ERROR(check_letters(call, "text_to_number", "s", "t", 0));
  const DType type = call.out(0).dtype;
  MS_REQUIRE(
      same_dims(call.in(0), call.out(0)) && (type == DType::float32 || type == DType::float64 || type == DType::int32 ||
                                             type == DType::int64 || type == DType::uint32 || type == DType::uint64),
      "text_to_number: " + show(call.in(0)) + " does not give " + show(call.out(0)) + ".");
  return Status();
}

template <typename T>
Status parse_all(const Call& call) {
  const Strings x(call.in(0));
  for (int64_t i = 0; i < call.out(0).count(); ++i) {
    if (!parse_number(x[i], call.out(0).as<T>()[i]))
      return invalid("StringToNumberOp could not correctly convert string: " + quoted(x[i]));
  }
  return Status();
}

Status run_to_number(const Call& call) {
  return guarded("text_to_number", [&] {
    switch (call.out(0).dtype) {
      case DType::float32:
        return parse_all<float>(call);
      case DType::float64:
        return parse_all<double>(call);
      case DType::int32:
        return parse_all<int32_t>(call);
      case DType::uint32:
        return parse_all<uint32_t>(call);
      case DType::uint64:
        return parse_all<uint64_t>(call);
      default:
        return parse_all<int64_t>(call);
    }
  });
}

Status check_of_number(const Call& call) {
  MS_RETURN_IF_ERROR(check_letters(call, "text_of_number", "tS", "s", 3));
  MS_REQUIRE(same_dims(call.in(0), call.out(0)), "text_of_number: sizes differ.");
  MS_REQUIRE(call.attributes[0] >= 0 && call.attributes[0] <= 2, "text_of_number: form is 0 to 2.");
  MS_REQUIRE(call.attributes[1] >= -1 && call.attributes[1] <= 1000 && call.attributes[2] >= -1 &&
                 call.attributes[2] <= 100000,
             "text_of_number: precision is at most 1000 and width at most 100000.");
  return Status();
}

struct Form {
  std::string start;  // "%", flags, width, precision
  char letter;
  int64_t width;
};

template <typename... Values>
void print(StringWriter& writer, const std::string& format, Values... values) {
  char small[64];
  const int size = std::snprintf(small, sizeof small, format.c_str(), values...);
  if (size < static_cast<int>(sizeof small)) {
    writer.append(std::string_view(small, static_cast<size_t>(size)));
    return;
  }
  std::string large(static_cast<size_t>(size) + 1, '\0');
  std::snprintf(large.data(), large.size(), format.c_str(), values...);
  writer.append(std::string_view(large.data(), static_cast<size_t>(size)));
}

void print_real(StringWriter& writer, const Form& form, double value) {
  print(writer, form.start + form.letter, value);
}

void print_element(StringWriter& writer, const Form& form, const Tensor& x, int64_t i) {
  const auto whole = [&](long long value) { print(writer, form.start + "lld", value); };
  const auto natural = [&](unsigned long long value) { print(writer, form.start + "llu", value); };
  switch (x.dtype) {
    case DType::float32:
      return print_real(writer, form, static_cast<double>(x.as<const float>()[i]));
    case DType::float64:
      return print_real(writer, form, x.as<const double>()[i]);
    case DType::float16:
      return print_real(writer, form, static_cast<double>(float_of_half(x.as<const uint16_t>()[i])));
    case DType::bfloat16:
      return print_real(writer, form, static_cast<double>(float_of_bfloat16(x.as<const uint16_t>()[i])));
    case DType::int8:
      return whole(x.as<const int8_t>()[i]);
    case DType::int16:
      return whole(x.as<const int16_t>()[i]);
    case DType::int32:
      return whole(x.as<const int32_t>()[i]);
    case DType::int64:
      return whole(x.as<const int64_t>()[i]);
    case DType::uint8:
      return natural(x.as<const uint8_t>()[i]);
    case DType::uint16:
      return natural(x.as<const uint16_t>()[i]);
    case DType::uint32:
      return natural(x.as<const uint32_t>()[i]);
    case DType::uint64:
      return natural(x.as<const uint64_t>()[i]);
    case DType::boolean:
      return writer.append(x.as<const uint8_t>()[i] ? "true" : "false");
    default:
      break;
  }
  const bool wide = x.dtype == DType::complex128;
  writer.append('(');
  for (int64_t part = 0; part < 2; ++part) {
    if (part) writer.append(',');
    print_real(writer, form,
               wide ? x.as<const double>()[2 * i + part] : static_cast<double>(x.as<const float>()[2 * i + part]));
  }
  writer.append(')');
}

Status run_of_number(const Call& call) {
  return guarded("text_of_number", [&] {
    const Tensor& x = call.in(0);
    const std::string_view fill = Strings(call.in(1))[0];
    if (fill.size() > 1 || (fill.size() == 1 && std::string_view("0+- ").find(fill[0]) == std::string_view::npos))
      return invalid("Fill string must be one or fewer characters out of '0', '+', '-' and ' ', given is \"" +
                     quoted(fill) + "\".");
    Form form{"%", "feg"[call.attributes[0]], call.attributes[2]};
    form.start += fill;
    if (form.width > -1) form.start += std::to_string(form.width);
    if (call.attributes[1] > -1) form.start += "." + std::to_string(call.attributes[1]);
    const int64_t count = x.count();
    StringWriter writer(count);
    for (int64_t i = 0; i < count; ++i) {
      if (x.dtype == DType::string) {
        const std::string_view text = Strings(x)[i];
        const size_t blanks =
            form.width > static_cast<int64_t>(text.size()) ? static_cast<size_t>(form.width) - text.size() : 0;
        if (fill != "-") writer.text().append(blanks, ' ');
        writer.append(text);
        if (fill == "-") writer.text().append(blanks, ' ');
      } else {
        print_element(writer, form, x, i);
      }
      writer.end();
    }
    return writer.give(call.out(0));
  });
}

const Kernel kernel_to_number{"text_to_number", check_to_number, run_to_number};
const Kernel kernel_of_number{"text_of_number", check_of_number, run_of_number};

}  // namespace

void register_strings_number(Registry& registry) {
  registry.add(kernel_to_number);
  registry.add(kernel_of_number);
}

}  // namespace millstream
