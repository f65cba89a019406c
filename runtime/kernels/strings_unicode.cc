// Kernels between strings and code points. They refuse numbers of encodings other than those said.
//
// Encodings: 0 UTF-8, 1 UTF-16 and 2 UTF-32, high byte first, 3 and 4 the same, low byte first, 5 one byte a character,
//   by a table int32 [256] (-1 where a byte stands for nothing). Errors: 0 strict, 1 replace, 2 leave out.
// text_decode: x string [n], table -> splits int [n + 1], code points int32 [m], first bytes int64 [m];
//   attributes: encoding, errors, replacement, whether control characters (below 32) are replaced.
// text_encode: code points int32 [m], splits int [n + 1] -> string [n]; attributes: encoding (0 to 2), errors, replacement.
// text_transcode: x string, table -> string; attributes: encoding, errors, replacement, control, encoding of the result.
// text_unicode_case: x string (UTF-8), codes int32 [k] ascending, starts int32 [k + 1], targets int32 -> string: each code
//   replaced by its targets; then cased and ignorable, ascending codes: after a cased one and before none capital sigma
//   becomes final sigma; attribute: 1 to do that.
#include <algorithm>

#include "kernels/strings.h"
#include "memory/objects.h"

namespace millstream {
namespace {

enum Encoding { utf8, utf16_high, utf32_high, utf16_low, utf32_low, by_table };
enum Errors { strict, replace, leave_out };

struct Found {
  int32_t code;  // -1: not valid
  size_t bytes;
};

bool is_code_point(int64_t code) { return code >= 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff); }

// Not valid is as much as could have begun a character, at least one byte.
Found next_utf8(std::string_view rest) {
  const auto byte = [&](size_t i) { return i < rest.size() ? static_cast<uint8_t>(rest[i]) : uint8_t{0}; };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xc2 || lead > 0xf4) return {-1, 1};
  const uint8_t least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const uint8_t most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (byte(1) < least || byte(1) > most) return {-1, 1};
  const size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  int32_t code = (lead & (0x7f >> length)) << 6 | (byte(1) & 0x3f);
  for (size_t i = 2; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {-1, i};
    code = code << 6 | (byte(i) & 0x3f);
  }
  return {code, length};
}

uint32_t unit(std::string_view rest, size_t at, size_t width, bool low_first) {
  uint32_t value = 0;
  for (size_t i = 0; i < width; ++i)
    value = value << 8 | static_cast<uint8_t>(rest[at + (low_first ? width - 1 - i : i)]);
  return value;
}

Found next_utf16(std::string_view rest, bool low_first) {
  if (rest.size() < 2) return {-1, rest.size()};
  const uint32_t first = unit(rest, 0, 2, low_first);
  if (first < 0xd800 || first > 0xdfff) return {static_cast<int32_t>(first), 2};
  if (first > 0xdbff) return {-1, 2};
  if (rest.size() < 4) return {-1, rest.size()};
  const uint32_t second = unit(rest, 2, 2, low_first);
  if (second < 0xdc00 || second > 0xdfff) return {-1, 2};
  return {static_cast<int32_t>(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)), 4};
}

Found next_utf32(std::string_view rest, bool low_first) {
  if (rest.size() < 4) return {-1, rest.size()};
  const uint32_t code = unit(rest, 0, 4, low_first);
  return {is_code_point(code) ? static_cast<int32_t>(code) : -1, 4};
}

Found next(std::string_view rest, int64_t encoding, const int32_t* table) {
  switch (encoding) {
    case utf8:
      return next_utf8(rest);
    case utf16_high:
    case utf16_low:
      return next_utf16(rest, encoding == utf16_low);
    case utf32_high:
    case utf32_low:
      return next_utf32(rest, encoding == utf32_low);
    default:
      return {table[static_cast<uint8_t>(rest[0])], 1};
  }
}

void put(StringWriter& writer, int32_t code, int64_t encoding) {
  const auto c = static_cast<uint32_t>(code);
  const auto byte = [&](uint32_t value) { writer.append(static_cast<char>(value & 0xff)); };
  const auto pair = [&](uint32_t value) {
    byte(value >> 8);
    byte(value);
  };
  if (encoding == utf32_high) {
    pair(c >> 16);
    pair(c);
  } else if (encoding == utf16_high) {
    if (c >= 0x10000) pair(0xd800 + ((c - 0x10000) >> 10));
    pair(c >= 0x10000 ? 0xdc00 + ((c - 0x10000) & 0x3ff) : c);
  } else if (c < 0x80) {
    byte(c);
  } else {
    const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    byte((0xff00u >> (more + 1)) | c >> (6 * more));  // 110, 1110 or 11110 before the first bits
    for (int i = more - 1; i >= 0; --i) byte(0x80 | (c >> (6 * i) & 0x3f));
  }
}

// Calls take(code, first byte) for each character that is to appear.
template <typename Take>
Status each_character(std::string_view text, const Call& call, const int32_t* table, Take&& take) {
  const int64_t encoding = call.attributes[0], errors = call.attributes[1];
  const auto replacement = static_cast<int32_t>(call.attributes[2]);
  const bool control = call.attributes[3] != 0;
  for (size_t at = 0; at < text.size();) {
    const Found found = next(text.substr(at), encoding, table);
    const bool wrong = found.code < 0;
    if (wrong && errors == strict)
      return invalid("Invalid formatting on input string; errors=\"replace\" or \"ignore\" take it.");
    const bool changed = wrong || (control && found.code < 32);
    if (!changed || errors != leave_out) take(changed ? replacement : found.code, at);
    at += found.bytes;
  }
  return Status();
}

Status check_decoding(const Call& call, const char* name, int64_t table) {
  const Tensor& codes = call.in(static_cast<int>(table));
  MS_REQUIRE(
      call.attributes[0] >= utf8 && call.attributes[0] <= by_table && call.attributes[1] >= strict &&
          call.attributes[1] <= leave_out && is_code_point(call.attributes[2]),
      std::string(name) + ": given an unknown encoding or way with errors, or a replacement that is no code point.");
  MS_REQUIRE(call.attributes[0] != by_table || (codes.rank == 1 && codes.dims[0] == 256),
             std::string(name) + ": the table has " + show(codes) + "; 256 code points are needed.");
  return Status();
}

Status check_decode(const Call& call) {
  MS_RETURN_IF_ERROR(check_letters(call, "text_decode", "sI", "iIL", 4));
  MS_REQUIRE(call.in(0).rank == 1 && call.out(0).rank == 1 && call.out(1).rank == 1 && call.out(2).rank == 1,
             "text_decode: takes a vector, gives three vectors.");
  return check_decoding(call, "text_decode", 1);
}

Status run_decode(const Call& call) {
  return guarded("text_decode", [&] {
    const Strings x(call.in(0));
    std::vector<int64_t> splits{0}, codes, starts;
    for (int64_t i = 0; i < call.in(0).count(); ++i) {
      MS_RETURN_IF_ERROR(each_character(x[i], call, call.in(1).as<const int32_t>(), [&](int32_t code, size_t at) {
        codes.push_back(code);
        starts.push_back(static_cast<int64_t>(at));
      }));
      splits.push_back(static_cast<int64_t>(codes.size()));
    }
    give_numbers(call.out(0), splits);
    give_numbers(call.out(1), codes);
    give_numbers(call.out(2), starts);
    return Status();
  });
}

Status check_encode(const Call& call) {
  MS_RETURN_IF_ERROR(check_letters(call, "text_encode", "Ii", "s", 3));
  MS_REQUIRE(
      call.in(0).rank == 1 && call.in(1).rank == 1 && call.out(0).rank == 1 &&
          call.in(1).dims[0] == call.out(0).dims[0] + 1,
      "text_encode: " + show(call.in(0)) + " and " + show(call.in(1)) + " do not give " + show(call.out(0)) + ".");
  MS_REQUIRE(call.attributes[0] >= utf8 && call.attributes[0] <= utf32_high && call.attributes[1] >= strict &&
                 call.attributes[1] <= leave_out && is_code_point(call.attributes[2]),
             "text_encode: given an unknown encoding or way with errors, or a replacement that is no code point.");
  return Status();
}

Status run_encode(const Call& call) {
  return guarded("text_encode", [&] {
    const auto* codes = call.in(0).as<const int32_t>();
    const int64_t total = call.in(0).count(), rows = call.out(0).count(), errors = call.attributes[1];
    if (index_at(call.in(1), 0) != 0) return invalid("First value in input_splits must be zero.");
    StringWriter writer(rows);
    int64_t at = 0;
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t end = index_at(call.in(1), i + 1);
      if (end < at || end > total)
        return invalid("Values in input_splits must be equal or in ascending order, and at most the number of values.");
      for (; at < end; ++at) {
        int32_t code = codes[at];
        if (!is_code_point(code)) {
          if (errors == strict)
            return invalid("Code point is out of range for Unicode, or is a surrogate: " + std::to_string(code) + ".");
          if (errors == leave_out) continue;
          code = static_cast<int32_t>(call.attributes[2]);
        }
        put(writer, code, call.attributes[0]);
      }
      writer.end();
    }
    if (at != total) return invalid("Last value in input_splits must be equal to the number of values.");
    return writer.give(call.out(0));
  });
}

Status check_transcode(const Call& call) {
  MS_RETURN_IF_ERROR(check_letters(call, "text_transcode", "sI", "s", 5));
  MS_REQUIRE(same_dims(call.in(0), call.out(0)), "text_transcode: sizes differ.");
  MS_REQUIRE(call.attributes[4] >= utf8 && call.attributes[4] <= utf32_high, "text_transcode: unknown encoding.");
  return check_decoding(call, "text_transcode", 1);
}

Status run_transcode(const Call& call) {
  return guarded("text_transcode", [&] {
    const Strings x(call.in(0));
    StringWriter writer(call.out(0).count());
    for (int64_t i = 0; i < call.out(0).count(); ++i) {
      MS_RETURN_IF_ERROR(each_character(x[i], call, call.in(1).as<const int32_t>(),
                                        [&](int32_t code, size_t) { put(writer, code, call.attributes[4]); }));
      writer.end();
    }
    return writer.give(call.out(0));
  });
}

Status check_unicode_case(const Call& call) {
  MS_RETURN_IF_ERROR(check_letters(call, "text_unicode_case", "sIIIII", "s", 1));
  MS_REQUIRE(same_dims(call.in(0), call.out(0)), "text_unicode_case: sizes differ.");
  for (int i = 1; i < 6; ++i) MS_REQUIRE(call.in(i).rank == 1, "text_unicode_case: tables are vectors.");
  MS_REQUIRE(call.in(2).dims[0] == call.in(1).dims[0] + 1, "text_unicode_case: starts are one more than codes.");
  return Status();
}

struct Codes {
  const int32_t* first;
  const int32_t* last;
  explicit Codes(const Tensor& table) : first(table.as<const int32_t>()), last(first + table.count()) {}
  int64_t find(int32_t code) const {
    const int32_t* found = std::lower_bound(first, last, code);
    return found != last && *found == code ? found - first : -1;
  }
  bool holds(int32_t code) const { return find(code) >= 0; }
};

Status run_unicode_case(const Call& call) {
  return guarded("text_unicode_case", [&] {
    const Strings x(call.in(0));
    const Codes codes(call.in(1)), cased(call.in(4)), ignorable(call.in(5));
    const auto* starts = call.in(2).as<const int32_t>();
    const auto* targets = call.in(3).as<const int32_t>();
    const int64_t target_count = call.in(3).count();
    StringWriter writer(call.out(0).count());
    std::vector<int32_t> text;
    for (int64_t i = 0; i < call.out(0).count(); ++i) {
      text.clear();
      for (std::string_view rest = x[i]; !rest.empty();) {
        const Found found = next_utf8(rest);
        text.push_back(found.code < 0 ? 0xfffd : found.code);
        rest.remove_prefix(found.bytes);
      }
      const auto near_cased = [&](size_t at, bool forward) {
        for (size_t k = forward ? at + 1 : at - 1; k < text.size(); forward ? ++k : --k) {
          if (ignorable.holds(text[k])) continue;
          return cased.holds(text[k]);
        }
        return false;
      };
      for (size_t k = 0; k < text.size(); ++k) {
        if (call.attributes[0] && text[k] == 0x3a3 && near_cased(k, false) && !near_cased(k, true)) {
          put(writer, 0x3c2, utf8);
          continue;
        }
        const int64_t entry = codes.find(text[k]);
        if (entry < 0) {
          put(writer, text[k], utf8);
          continue;
        }
        const int64_t begin = starts[entry], end = starts[entry + 1];
        if (begin < 0 || end < begin || end > target_count) return invalid("text_unicode_case: a damaged table.");
        for (int64_t t = begin; t < end; ++t) put(writer, targets[t], utf8);
      }
      writer.end();
    }
    return writer.give(call.out(0));
  });
}

const Kernel kernel_decode{"text_decode", check_decode, run_decode, nullptr, true};
const Kernel kernel_encode{"text_encode", check_encode, run_encode};
const Kernel kernel_transcode{"text_transcode", check_transcode, run_transcode};
const Kernel kernel_unicode_case{"text_unicode_case", check_unicode_case, run_unicode_case};

}  // namespace

void register_strings_unicode(Registry& registry) {
  registry.add(kernel_decode);
  registry.add(kernel_encode);
  registry.add(kernel_transcode);
  registry.add(kernel_unicode_case);
}

}  // namespace millstream
