// Kernels that take each string by itself, or two of them. They refuse unequal sizes.
//
// text_compare: x, y string of one size -> bool; attribute: 1 for "differs", 0 for "equals".
// text_length: x string -> int32; attribute: 0 bytes, 1 characters of UTF-8 (bytes that do not continue one).
// text_strip: x string -> string without white space at both ends.
// text_case: x string -> string in small (attribute 0) or capital (1) ASCII letters.
// text_cut: x string, position int, length int of one size -> string; attribute: 0 bytes, 1 characters.
#include <algorithm>

#include "kernels/strings.h"

namespace millstream {
namespace {

constexpr int64_t strings_at_once = 8192;  // worth a thread

Status check_same(const Call& call, const char* name) {
  for (int i = 0; i < call.input_count; ++i) {
    if (!same_dims(call.in(i), call.out(0)))
      return invalid(std::string(name) + ": " + show(call.in(i)) + " does not fit " + show(call.out(0)) + ".");
  }
  return Status();
}

Status check_compare(const Call& call) {
  MS_RETURN_IF_ERROR(check_letters(call, "text_compare", "ss", "b", 1));
  return check_same(call, "text_compare");
}

Status run_compare(const Call& call) {
  const Strings x(call.in(0)), y(call.in(1));
  const bool differs = call.attributes[0] != 0;
  auto* out = call.out(0).as<uint8_t>();
  parallel_for(call.out(0).count(), strings_at_once, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out[i] = (x[i] == y[i]) != differs;
  });
  return Status();
}

// Bytes that begin a character: all but those of the form 10xxxxxx.
bool begins(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; }

Status check_length(const Call& call) {
  MS_RETURN_IF_ERROR(check_letters(call, "text_length", "s", "I", 1));
  return check_same(call, "text_length");
}

Status run_length(const Call& call) {
  const Strings x(call.in(0));
  const bool characters = call.attributes[0] != 0;
  auto* out = call.out(0).as<int32_t>();
  parallel_for(call.out(0).count(), strings_at_once, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const std::string_view text = x[i];
      const auto length =
          characters ? std::count_if(text.begin(), text.end(), begins) : static_cast<int64_t>(text.size());
      out[i] = static_cast<int32_t>(length);
    }
  });
  return Status();
}

Status check_strip(const Call& call) {
  MS_RETURN_IF_ERROR(check_letters(call, "text_strip", "s", "s", 0));
  return check_same(call, "text_strip");
}

Status run_strip(const Call& call) {
  return guarded("text_strip", [&] {
    const Strings x(call.in(0));
    const int64_t count = call.out(0).count();
    StringWriter writer(count);
    for (int64_t i = 0; i < count; ++i) writer.add(stripped(x[i]));
    return writer.give(call.out(0));
  });
}

Status check_case(const Call& call) {
  MS_RETURN_IF_ERROR(check_letters(call, "text_case", "s", "s", 1));
  return check_same(call, "text_case");
}

Status run_case(const Call& call) {
  return guarded("text_case", [&] {
    const Strings x(call.in(0));
    const int64_t count = call.out(0).count();
    const char first = call.attributes[0] ? 'a' : 'A';
    StringWriter writer(count);
    for (int64_t i = 0; i < count; ++i) writer.add(x[i]);
    for (char& c : writer.text()) {
      if (c >= first && c < first + 26) c = static_cast<char>(c ^ 0x20);
    }
    return writer.give(call.out(0));
  });
}

Status check_cut(const Call& call) {
  MS_RETURN_IF_ERROR(check_letters(call, "text_cut", "sii", "s", 1));
  return check_same(call, "text_cut");
}

// Where character `number` begins, from the front (or the back, where it is negative); -1 where there is none.
int64_t character(std::string_view text, int64_t number) {
  const auto size = static_cast<int64_t>(text.size());
  if (number >= 0) {
    int64_t at = 0;
    for (; number > 0 && at < size; --number) {
      for (++at; at < size && !begins(text[static_cast<size_t>(at)]);) ++at;
    }
    return number > 0 ? -1 : at;
  }
  int64_t at = size;
  for (; number < 0 && at > 0; ++number) {
    for (--at; at > 0 && !begins(text[static_cast<size_t>(at)]);) --at;
  }
  return number < 0 ? -1 : at;
}

Status run_cut(const Call& call) {
  return guarded("text_cut", [&] {
    const Strings x(call.in(0));
    const int64_t count = call.out(0).count();
    const bool characters = call.attributes[0] != 0;
    StringWriter writer(count);
    for (int64_t i = 0; i < count; ++i) {
      const std::string_view text = x[i];
      const auto size = static_cast<int64_t>(text.size());
      const int64_t position = index_at(call.in(1), i), length = index_at(call.in(2), i);
      int64_t begin = characters ? character(text, position) : position >= 0 ? position : size + position;
      if (begin < 0 || begin > size) {
        return invalid("pos " + std::to_string(position) + " out of range for string" +
                       (characters ? "" : " b'" + quoted(text) + "'") + " at index " + std::to_string(i) +
                       "; positions go from minus the length to the length.");
      }
      const std::string_view rest = text.substr(static_cast<size_t>(begin));
      auto kept = static_cast<int64_t>(rest.size());
      // A negative length counts from the end of the string, as TensorFlow's arithmetic on sizes has it: it keeps all.
      if (length >= 0 && characters) {
        const int64_t end = character(rest, length);
        if (end >= 0) kept = end;
      } else if (length >= 0) {
        kept = std::min(kept, length);
      }
      writer.add(rest.substr(0, static_cast<size_t>(kept)));
    }
    return writer.give(call.out(0));
  });
}

const Kernel kernels[] = {
    {"text_compare", check_compare, run_compare},
    {"text_length", check_length, run_length},
    {"text_strip", check_strip, run_strip},
    {"text_case", check_case, run_case},
    {"text_cut", check_cut, run_cut},
};

}  // namespace

void register_strings_simple(Registry& registry) {
  for (const Kernel& kernel : kernels) registry.add(kernel);
}

}  // namespace millstream
