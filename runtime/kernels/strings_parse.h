// Numbers out of text, as TensorFlow reads them: white space around is passed over, hexadecimal reals are read.
#pragma once

#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>
#include <type_traits>

#include "kernels/strings.h"

namespace millstream {

template <typename T>
bool parse_number(std::string_view text, T& value) {
  text = stripped(text);
  if (!text.empty() && text[0] == '+') {
    text.remove_prefix(1);
    if (!text.empty() && (text[0] == '-' || text[0] == '+')) return false;
  }
  if (text.empty()) return false;
  const char* const end = text.data() + text.size();
  const auto found = std::from_chars(text.data(), end, value);
  if constexpr (std::is_integral_v<T>) {
    return found.ec == std::errc() && found.ptr == end;
  } else {
    // strtod also takes nan(...), which TensorFlow does not.
    if (text.find('(') != std::string_view::npos || is_space(text[0])) return false;
    if (found.ec == std::errc() && found.ptr == end) return true;
    // What is too large or too small for the type, and hexadecimal digits.
    const std::string terminated(text);
    char* stop = nullptr;
    value = sizeof(T) == 4 ? static_cast<T>(std::strtof(terminated.c_str(), &stop))
                           : static_cast<T>(std::strtod(terminated.c_str(), &stop));
    return stop == terminated.c_str() + terminated.size();
  }
}

}  // namespace millstream
