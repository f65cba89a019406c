// Kernels of regular expressions (regex.h). They refuse patterns that RE2 refuses.
//
// text_matches: x string, pattern scalar -> bool: whether the whole string matches. No attributes.
// text_replace: x string, pattern scalar, rewrite scalar -> string; attribute: 1 to replace all matches, 0 the first.
//   In the rewrite \0 to \9 stand for the match and its groups, \\ for a backslash.
#include <algorithm>

#include "kernels/regex.h"
#include "kernels/strings.h"

namespace millstream {
namespace {

Status compiled(std::string_view pattern, regex::Expression& result) {
  const Status status = regex::Expression::compile(pattern, result);
  if (status.ok()) return status;
  return Status(status.code(), "Invalid pattern: " + std::string(pattern) + ", error: " + status.message());
}

Status check_matches(const Call& call) {
  MS_RETURN_IF_ERROR(check_letters(call, "text_matches", "sS", "b", 0));
  MS_REQUIRE(same_dims(call.in(0), call.out(0)), "text_matches: sizes differ.");
  return Status();
}

Status run_matches(const Call& call) {
  return guarded("text_matches", [&] {
    regex::Expression expression;
    MS_RETURN_IF_ERROR(compiled(Strings(call.in(1))[0], expression));
    const Strings x(call.in(0));
    regex::Search search(expression, 0);
    for (int64_t i = 0; i < call.out(0).count(); ++i) call.out(0).as<uint8_t>()[i] = search.find(x[i], 0, true);
    return Status();
  });
}

Status check_replace(const Call& call) {
  MS_RETURN_IF_ERROR(check_letters(call, "text_replace", "sSS", "s", 1));
  MS_REQUIRE(same_dims(call.in(0), call.out(0)), "text_replace: sizes differ.");
  return Status();
}

// The highest group that a rewrite names.
int highest_group(std::string_view rewrite) {
  int highest = 0;
  for (size_t i = 0; i + 1 < rewrite.size(); ++i) {
    if (rewrite[i] != '\\') continue;
    ++i;
    if (rewrite[i] >= '0' && rewrite[i] <= '9') highest = std::max(highest, rewrite[i] - '0');
  }
  return highest;
}

// Appends the rewrite of a match; false, with nothing more appended, at a backslash before anything but 0-9 and \.
bool rewrite_match(StringWriter& writer, std::string_view rewrite, std::string_view text, const regex::Search& search) {
  for (size_t i = 0; i < rewrite.size(); ++i) {
    if (rewrite[i] != '\\') {
      writer.append(rewrite[i]);
      continue;
    }
    const char c = ++i < rewrite.size() ? rewrite[i] : '\0';
    if (c == '\\') {
      writer.append('\\');
    } else if (c >= '0' && c <= '9') {
      const int64_t begin = search.begin(c - '0'), end = search.end(c - '0');
      if (begin >= 0 && end >= begin)
        writer.append(text.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
    } else {
      return false;
    }
  }
  return true;
}

Status run_replace(const Call& call) {
  return guarded("text_replace", [&] {
    regex::Expression expression;
    MS_RETURN_IF_ERROR(compiled(Strings(call.in(1))[0], expression));
    const std::string_view rewrite = Strings(call.in(2))[0];
    const Strings x(call.in(0));
    const int64_t count = call.out(0).count();
    const int highest = highest_group(rewrite);
    const bool all = call.attributes[0] != 0, possible = highest <= expression.groups;
    regex::Search search(expression, possible ? highest : 0);
    StringWriter writer(count);
    for (int64_t i = 0; i < count; ++i) {
      const std::string_view text = x[i];
      size_t at = 0, copied = 0;
      int64_t last_end = -1;
      while (possible && at <= text.size() && search.find(text, at, false)) {
        const auto begin = static_cast<size_t>(search.begin()), end = static_cast<size_t>(search.end());
        if (begin == end && search.begin() == last_end) {
          // No empty match right behind the last one.
          if (at >= text.size()) break;
          at += static_cast<size_t>(regex::decode(text, at).bytes);
          last_end = -1;
          continue;
        }
        writer.append(text.substr(copied, begin - copied));
        rewrite_match(writer, rewrite, text, search);
        at = copied = end;
        last_end = search.end();
        if (!all) break;
      }
      writer.append(text.substr(copied));
      writer.end();
    }
    return writer.give(call.out(0));
  });
}

const Kernel kernel_matches{"text_matches", check_matches, run_matches};
const Kernel kernel_replace{"text_replace", check_replace, run_replace};

}  // namespace

void register_strings_regex(Registry& registry) {
  registry.add(kernel_matches);
  registry.add(kernel_replace);
}

}  // namespace millstream
