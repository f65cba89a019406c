// Kernels that join strings of rows and cut strings into parts. They refuse operands whose sizes do not fit.
//
// text_join_rows: x string [n, m], separator scalar -> string [n].
// text_join_segments: x string [n, m], ids int [n], separator scalar -> string [k, m]: rows of one id, in their order.
// text_split: x string [n], separator scalar -> places int64 [parts, 2] (row, part of the row), parts string, the sizes
//   of the matrix int64 [2]; attributes: how, most cuts or -1. How: 0 at each separator (white space where it is empty),
//   1 at each byte that is in the separator (each byte for itself where it is empty), 2 so, without empty parts.
// text_ngrams: x string, splits int [r], separator, left, right scalars -> string, splits int [r]; attributes: padding width
//   (-1: width - 1), whether short rows are kept whole, then the widths.
#include <algorithm>

#include "kernels/strings.h"
#include "memory/objects.h"

namespace millstream {
namespace {

Status check_join_rows(const Call& call) {
  MS_RETURN_IF_ERROR(check_letters(call, "text_join_rows", "sS", "s", 0));
  MS_REQUIRE(call.in(0).rank == 2 && call.out(0).rank == 1 && call.in(0).dims[0] == call.out(0).dims[0],
             "text_join_rows: " + show(call.in(0)) + " does not give " + show(call.out(0)) + ".");
  return Status();
}

Status run_join_rows(const Call& call) {
  return guarded("text_join_rows", [&] {
    const Strings x(call.in(0));
    const std::string_view separator = Strings(call.in(1))[0];
    const int64_t rows = call.in(0).dims[0], columns = call.in(0).dims[1];
    StringWriter writer(rows);
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j) {
        if (j) writer.append(separator);
        writer.append(x[i * columns + j]);
      }
      writer.end();
    }
    return writer.give(call.out(0));
  });
}

Status check_join_segments(const Call& call) {
  MS_RETURN_IF_ERROR(check_letters(call, "text_join_segments", "siS", "s", 0));
  const Tensor &x = call.in(0), &ids = call.in(1), &out = call.out(0);
  MS_REQUIRE(x.rank == 2 && out.rank == 2 && ids.rank == 1 && ids.dims[0] == x.dims[0] && out.dims[1] == x.dims[1],
             "text_join_segments: " + show(x) + " and " + show(ids) + " do not give " + show(out) + ".");
  return Status();
}

Status run_join_segments(const Call& call) {
  return guarded("text_join_segments", [&] {
    const Strings x(call.in(0));
    const std::string_view separator = Strings(call.in(2))[0];
    const int64_t rows = call.in(0).dims[0], columns = call.in(0).dims[1], segments = call.out(0).dims[0];
    std::vector<std::vector<int64_t>> members(static_cast<size_t>(segments));
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t id = index_at(call.in(1), i);
      if (id < 0 || id >= segments)
        return invalid("segment_ids are not allowed to exceed num_segments or to have negative values; given is " +
                       std::to_string(id) + " of " + std::to_string(segments) + ".");
      members[static_cast<size_t>(id)].push_back(i);
    }
    StringWriter writer(segments * columns);
    for (const auto& rows_of_one : members) {
      for (int64_t j = 0; j < columns; ++j) {
        bool first = true;
        for (const int64_t i : rows_of_one) {
          if (!first) writer.append(separator);
          first = false;
          writer.append(x[i * columns + j]);
        }
        writer.end();
      }
    }
    return writer.give(call.out(0));
  });
}

enum How { at_separator, at_bytes, at_bytes_dropping_empty };

Status check_split(const Call& call) {
  MS_RETURN_IF_ERROR(check_letters(call, "text_split", "sS", "LsL", 2));
  MS_REQUIRE(call.in(0).rank == 1 && call.out(0).rank == 2 && call.out(1).rank == 1 && call.out(2).rank == 1,
             "text_split: takes a vector, gives a matrix and two vectors.");
  MS_REQUIRE(call.attributes[0] >= at_separator && call.attributes[0] <= at_bytes_dropping_empty,
             "text_split: how is 0 to 2.");
  return Status();
}

// After the last cut the rest is a part, even where it is empty.
template <typename Take>
void split_at_space(std::string_view text, int64_t most, Take&& take) {
  const auto skip = [&] {
    size_t n = 0;
    while (n < text.size() && is_space(text[n])) ++n;
    text.remove_prefix(n);
  };
  if (most == 0) return take(text);
  skip();
  for (int64_t cuts = 0; !text.empty();) {
    size_t n = 0;
    while (n < text.size() && !is_space(text[n])) ++n;
    take(text.substr(0, n));
    text.remove_prefix(n);
    skip();
    if (++cuts == most) return take(text);
  }
}

template <typename Take>
void split_at(std::string_view text, std::string_view separator, int64_t most, Take&& take) {
  if (separator.empty()) return split_at_space(text, most, take);
  for (int64_t cuts = 0;; ++cuts) {
    const size_t found = cuts == most ? std::string_view::npos : text.find(separator);
    take(text.substr(0, found));
    if (found == std::string_view::npos) return;
    text.remove_prefix(found + separator.size());
  }
}

template <typename Take>
void split_at_bytes(std::string_view text, std::string_view bytes, bool drop, Take&& take) {
  if (bytes.empty()) {
    for (size_t i = 0; i < text.size(); ++i) take(text.substr(i, 1));
    return;
  }
  if (text.empty()) return;
  for (;;) {
    const size_t found = text.find_first_of(bytes);
    if (found != 0 || !drop) {
      if (!(drop && text.empty())) take(text.substr(0, found));
    }
    if (found == std::string_view::npos) return;
    text.remove_prefix(found + 1);
  }
}

Status run_split(const Call& call) {
  return guarded("text_split", [&] {
    const Strings x(call.in(0));
    const std::string_view separator = Strings(call.in(1))[0];
    const int64_t count = call.in(0).count(), how = call.attributes[0], most = call.attributes[1];
    StringWriter writer(count);
    std::vector<int64_t> places;
    int64_t widest = 0;
    for (int64_t i = 0; i < count; ++i) {
      int64_t part = 0;
      const auto take = [&](std::string_view piece) {
        writer.add(piece);
        places.push_back(i);
        places.push_back(part++);
      };
      if (how == at_separator) {
        split_at(x[i], separator, most, take);
      } else {
        split_at_bytes(x[i], separator, how == at_bytes_dropping_empty, take);
      }
      widest = std::max(widest, part);
    }
    Tensor& out = call.out(0);
    out.dims[0] = writer.count();
    out.dims[1] = 2;
    allocate_data(out);
    if (!places.empty()) std::memcpy(out.data, places.data(), places.size() * sizeof(int64_t));
    call.out(1).dims[0] = writer.count();
    MS_RETURN_IF_ERROR(writer.give(call.out(1)));
    give_numbers(call.out(2), {count, widest});
    return Status();
  });
}

Status check_ngrams(const Call& call) {
  MS_RETURN_IF_ERROR(check_letters(call, "text_ngrams", "siSSS", "si", -1));
  MS_REQUIRE(call.in(0).rank == 1 && call.in(1).rank == 1 && call.out(0).rank == 1 && call.out(1).rank == 1 &&
                 call.attribute_count >= 2 && call.in(1).dtype == call.out(1).dtype,
             "text_ngrams: takes two vectors, gives two vectors.");
  for (int64_t i = 2; i < call.attribute_count; ++i)
    MS_REQUIRE(call.attributes[i] > 0,
               "ngram_widths must contain positive values, given is " + std::to_string(call.attributes[i]) + ".");
  return Status();
}

Status run_ngrams(const Call& call) {
  return guarded("text_ngrams", [&] {
    const Strings x(call.in(0));
    const std::string_view separator = Strings(call.in(2))[0], left = Strings(call.in(3))[0],
                           right = Strings(call.in(4))[0];
    const int64_t rows = call.in(1).count(), pad_limit = call.attributes[0], total = call.in(0).count();
    const bool keep_short = call.attributes[1] != 0;
    StringWriter writer(total);
    std::vector<int64_t> splits;
    if (rows > 0 && index_at(call.in(1), 0) != 0)
      return invalid("First split value must be 0, got " + std::to_string(index_at(call.in(1), 0)) + ".");
    if (rows > 0) splits.push_back(0);
    for (int64_t row = 1; row < rows; ++row) {
      const int64_t begin = index_at(call.in(1), row - 1), end = index_at(call.in(1), row);
      if (end < begin || end > total)
        return invalid("Invalid split value " + std::to_string(end) + ", must be in [" + std::to_string(begin) + ", " +
                       std::to_string(total) + "].");
      const int64_t length = end - begin;
      bool any = false;
      for (int64_t k = 2; k < call.attribute_count; ++k) {
        const int64_t width = call.attributes[k];
        const int64_t padding = std::min(pad_limit < 0 ? width - 1 : pad_limit, width - 1);
        const int64_t grams = length + 2 * padding - width + 1;
        for (int64_t first = -padding; first < grams - padding; ++first) {
          for (int64_t j = first; j < first + width; ++j) {
            if (j > first) writer.append(separator);
            writer.append(j < 0 ? left : j >= length ? right : x[begin + j]);
          }
          writer.end();
          any = true;
        }
      }
      if (!any && keep_short && length > 0) {
        const int64_t most = pad_limit < 0 ? 0 : pad_limit;
        for (int64_t j = -most; j < length + most; ++j) {
          if (j > -most) writer.append(separator);
          writer.append(j < 0 ? left : j >= length ? right : x[begin + j]);
        }
        writer.end();
      }
      splits.push_back(writer.count());
    }
    if (rows > 0 && index_at(call.in(1), rows - 1) != total)
      return invalid("Last split value must be data size. Expected " + std::to_string(total) + ", got " +
                     std::to_string(index_at(call.in(1), rows - 1)) + ".");
    call.out(0).dims[0] = writer.count();
    MS_RETURN_IF_ERROR(writer.give(call.out(0)));
    give_numbers(call.out(1), splits);
    return Status();
  });
}

const Kernel kernel_join_rows{"text_join_rows", check_join_rows, run_join_rows};
const Kernel kernel_join_segments{"text_join_segments", check_join_segments, run_join_segments};
const Kernel kernel_split{"text_split", check_split, run_split, nullptr, true};
const Kernel kernel_ngrams{"text_ngrams", check_ngrams, run_ngrams, nullptr, true};

}  // namespace

void register_strings_parts(Registry& registry) {
  registry.add(kernel_join_rows);
  registry.add(kernel_join_segments);
  registry.add(kernel_split);
  registry.add(kernel_ngrams);
}

}  // namespace millstream
