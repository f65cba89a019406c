// The strided copy: drops and joins axes, then copies rows, fills, transposes tiles or steps element by element.
#include "kernels/strided.h"

#include <algorithm>
#include <cstring>

#include "threads/pool.h"

namespace millstream {
namespace {

constexpr int64_t piece_bytes = 64 << 10;  // least work worth a thread
constexpr int64_t most_repeats = 16;

struct Wide {
  uint64_t low, high;
};

// A pixel of three channels.
template <typename E>
struct Triple {
  E parts[3];
};

// A vector of 16 bytes of elements E, and the two halves of interleaving two of them.
template <typename E>
struct Lanes {
  typedef E type __attribute__((vector_size(16)));
  static constexpr int count = 16 / static_cast<int>(sizeof(E));
};

template <typename E, int... i>
inline typename Lanes<E>::type interleave(typename Lanes<E>::type a, typename Lanes<E>::type b, int half,
                                          std::integer_sequence<int, i...>) {
  constexpr int n = Lanes<E>::count;
  if (half == 0) return __builtin_shufflevector(a, b, (i / 2 + (i & 1) * n)...);
  return __builtin_shufflevector(a, b, (n / 2 + i / 2 + (i & 1) * n)...);
}

// Transposes an n x n block, n elements in 16 bytes: log2(n) rounds of interleaving row i with row i + n/2.
template <typename E>
inline void transpose_block(char* to, int64_t to_row, const char* from, int64_t from_row) {
  using V = typename Lanes<E>::type;
  constexpr int n = Lanes<E>::count;
  constexpr auto all = std::make_integer_sequence<int, n>();
  V row[n], next[n];
  for (int i = 0; i < n; ++i) std::memcpy(&row[i], from + i * from_row, 16);
  for (int round = 1; round < n; round *= 2) {
    for (int i = 0; i < n / 2; ++i) {
      next[2 * i] = interleave<E>(row[i], row[i + n / 2], 0, all);
      next[2 * i + 1] = interleave<E>(row[i], row[i + n / 2], 1, all);
    }
    for (int i = 0; i < n; ++i) row[i] = next[i];
  }
  for (int i = 0; i < n; ++i) std::memcpy(to + i * to_row, &row[i], 16);
}

// to[b · to_row + a · width] = from[a · from_row + b · width] for a < columns, b < rows.
template <typename E>
void transpose_plane(char* to, int64_t to_row, int64_t rows, const char* from, int64_t from_row, int64_t columns) {
  constexpr int64_t width = sizeof(E);
  constexpr int64_t tile = 64 / width;  // a cache line each way
  for (int64_t b0 = 0; b0 < rows; b0 += tile) {
    const int64_t b1 = std::min(b0 + tile, rows);
    for (int64_t a0 = 0; a0 < columns; a0 += tile) {
      const int64_t a1 = std::min(a0 + tile, columns);
      int64_t b = b0;
      if constexpr (width < 16) {
        constexpr int64_t n = Lanes<E>::count;
        for (; b + n <= b1; b += n) {
          int64_t a = a0;
          for (; a + n <= a1; a += n) {
            transpose_block<E>(to + b * to_row + a * width, to_row, from + a * from_row + b * width, from_row);
          }
          for (; a < a1; ++a) {
            for (int64_t i = b; i < b + n; ++i)
              std::memcpy(to + i * to_row + a * width, from + a * from_row + i * width, width);
          }
        }
      }
      for (; b < b1; ++b) {
        for (int64_t a = a0; a < a1; ++a)
          std::memcpy(to + b * to_row + a * width, from + a * from_row + b * width, width);
      }
    }
  }
}

template <typename E>
void copy_row(char* to, int64_t to_step, const char* from, int64_t from_step, int64_t count) {
  constexpr int64_t width = sizeof(E);
  if (to_step == width && from_step == -width) {
    for (int64_t i = 0; i < count; ++i) std::memcpy(to + i * width, from - i * width, width);
  } else if (to_step == width && from_step == 2 * width) {
    for (int64_t i = 0; i < count; ++i) std::memcpy(to + i * width, from + 2 * i * width, width);
  } else if (to_step == width && from_step == 0) {
    E value;
    std::memcpy(&value, from, width);
    for (int64_t i = 0; i < count; ++i) std::memcpy(to + i * width, &value, width);
  } else {
    for (int64_t i = 0; i < count; ++i) std::memcpy(to + i * to_step, from + i * from_step, width);
  }
}

// Every element `times` times.
template <typename E, int64_t some>
void repeat_elements(char* to, const char* from, int64_t from_step, int64_t count, int64_t times) {
  constexpr int64_t width = sizeof(E);
  const int64_t copies = some ? some : times;
  for (int64_t i = 0; i < count; ++i, from += from_step, to += copies * width) {
    E value;
    std::memcpy(&value, from, width);
    for (int64_t k = 0; k < copies; ++k) std::memcpy(to + k * width, &value, width);
  }
}
template <typename E>
void repeat_row(char* to, const char* from, int64_t from_step, int64_t count, int64_t times) {
  constexpr int64_t width = sizeof(E);
  if (times == 2 && from_step == width) return repeat_elements<E, 2>(to, from, width, count, 2);
  if (times == 3 && from_step == width) return repeat_elements<E, 3>(to, from, width, count, 3);
  if (times == 4 && from_step == width) return repeat_elements<E, 4>(to, from, width, count, 4);
  repeat_elements<E, 0>(to, from, from_step, count, times);
}
void repeat_row_any(char* to, const char* from, int64_t from_step, int64_t count, int64_t times, int64_t width) {
  switch (width) {
    case 1:
      return repeat_row<uint8_t>(to, from, from_step, count, times);
    case 2:
      return repeat_row<uint16_t>(to, from, from_step, count, times);
    case 4:
      return repeat_row<uint32_t>(to, from, from_step, count, times);
    case 8:
      return repeat_row<uint64_t>(to, from, from_step, count, times);
    default:
      return repeat_row<Wide>(to, from, from_step, count, times);
  }
}

void copy_row_any(char* to, int64_t to_step, const char* from, int64_t from_step, int64_t count, int64_t width) {
  switch (width) {
    case 1:
      return copy_row<uint8_t>(to, to_step, from, from_step, count);
    case 2:
      return copy_row<uint16_t>(to, to_step, from, from_step, count);
    case 3:
      return copy_row<Triple<uint8_t>>(to, to_step, from, from_step, count);
    case 4:
      return copy_row<uint32_t>(to, to_step, from, from_step, count);
    case 6:
      return copy_row<Triple<uint16_t>>(to, to_step, from, from_step, count);
    case 8:
      return copy_row<uint64_t>(to, to_step, from, from_step, count);
    case 12:
      return copy_row<Triple<uint32_t>>(to, to_step, from, from_step, count);
    case 16:
      return copy_row<Wide>(to, to_step, from, from_step, count);
    default:
      for (int64_t i = 0; i < count; ++i)
        std::memcpy(to + i * to_step, from + i * from_step, static_cast<size_t>(width));
  }
}

void transpose_any(char* to, int64_t to_row, int64_t rows, const char* from, int64_t from_row, int64_t columns,
                   int64_t width) {
  switch (width) {
    case 1:
      return transpose_plane<uint8_t>(to, to_row, rows, from, from_row, columns);
    case 2:
      return transpose_plane<uint16_t>(to, to_row, rows, from, from_row, columns);
    case 4:
      return transpose_plane<uint32_t>(to, to_row, rows, from, from_row, columns);
    case 8:
      return transpose_plane<uint64_t>(to, to_row, rows, from, from_row, columns);
    default:
      return transpose_plane<Wide>(to, to_row, rows, from, from_row, columns);
  }
}

void remove_axis(StridedCopy& copy, int axis) {
  for (int i = axis; i + 1 < copy.rank; ++i) {
    copy.sizes[i] = copy.sizes[i + 1];
    copy.to_bytes[i] = copy.to_bytes[i + 1];
    copy.from_bytes[i] = copy.from_bytes[i + 1];
  }
  --copy.rank;
}

// Axes of size 1 go, neighbours that lie behind each other in both layouts are joined, and an innermost run that is
// dense in both becomes a wider element.
void simplify(StridedCopy& copy) {
  for (int i = copy.rank - 1; i >= 0; --i) {
    if (copy.sizes[i] == 1) remove_axis(copy, i);
  }
  for (int i = copy.rank - 2; i >= 0; --i) {
    if (copy.to_bytes[i] == copy.to_bytes[i + 1] * copy.sizes[i + 1] &&
        copy.from_bytes[i] == copy.from_bytes[i + 1] * copy.sizes[i + 1]) {
      copy.sizes[i + 1] *= copy.sizes[i];
      remove_axis(copy, i);
    }
  }
  if (copy.rank > 0) {
    const int last = copy.rank - 1;
    if (copy.to_bytes[last] == copy.width && copy.from_bytes[last] == copy.width) {
      copy.width *= copy.sizes[last];
      remove_axis(copy, last);
    }
  }
}

bool is_lane_width(int64_t width) { return width == 1 || width == 2 || width == 4 || width == 8 || width == 16; }

// The outer axes of a copy, stepped through from any position.
struct Outer {
  const StridedCopy& copy;
  int axes;

  template <typename F>
  void each(int64_t begin, int64_t end, F&& visit) const {
    int64_t at[max_rank] = {};
    int64_t to = 0, from = 0, rest = begin;
    for (int i = axes - 1; i >= 0; --i) {
      at[i] = rest % copy.sizes[i];
      rest /= copy.sizes[i];
      to += at[i] * copy.to_bytes[i];
      from += at[i] * copy.from_bytes[i];
    }
    for (int64_t n = begin; n < end; ++n) {
      visit(to, from);
      for (int i = axes - 1; i >= 0; --i) {
        to += copy.to_bytes[i];
        from += copy.from_bytes[i];
        if (++at[i] < copy.sizes[i]) break;
        to -= at[i] * copy.to_bytes[i];
        from -= at[i] * copy.from_bytes[i];
        at[i] = 0;
      }
    }
  }
};

void run_transposed(char* to, const char* from, const StridedCopy& given, int across) {
  StridedCopy copy = given;
  const int last = copy.rank - 1;
  const int64_t columns = copy.sizes[last], from_row = copy.from_bytes[last];
  const int64_t rows = copy.sizes[across], to_row = copy.to_bytes[across];
  remove_axis(copy, last);
  remove_axis(copy, across);
  const int64_t planes = [&] {
    int64_t n = 1;
    for (int i = 0; i < copy.rank; ++i) n *= copy.sizes[i];
    return n;
  }();
  // One piece is a band of rows of one plane, so that one large matrix is shared, too.
  const int64_t line = std::max<int64_t>(1, 64 / copy.width);
  const int64_t band =
      std::max(line, (piece_bytes / std::max<int64_t>(columns * copy.width, 1) + line - 1) / line * line);
  const int64_t bands = (rows + band - 1) / band;
  const int64_t grain =
      std::max<int64_t>(1, piece_bytes / std::max<int64_t>(1, columns * std::min(rows, band) * copy.width));
  parallel_for(planes * bands, grain, [&](int64_t begin, int64_t end) {
    int64_t done = begin;
    while (done < end) {
      const int64_t plane = done / bands, first = done % bands, count = std::min(bands - first, end - done);
      Outer{copy, copy.rank}.each(plane, plane + 1, [&](int64_t to_at, int64_t from_at) {
        const int64_t b = first * band, limit = std::min(rows, (first + count) * band);
        transpose_any(to + to_at + b * to_row, to_row, limit - b, from + from_at + b * copy.width, from_row, columns,
                      copy.width);
      });
      done += count;
    }
  });
}

}  // namespace

void dense_strides(const int64_t* dims, int rank, int64_t width, int64_t* strides) {
  for (int i = rank - 1; i >= 0; --i) {
    strides[i] = width;
    width *= dims[i];
  }
}

void copy_bytes(char* to, const char* from, int64_t bytes) {
  if (bytes <= 0 || to == from) return;
  parallel_for(bytes, 4 * piece_bytes, [&](int64_t begin, int64_t end) {
    std::memcpy(to + begin, from + begin, static_cast<size_t>(end - begin));
  });
}

void fill_elements(char* to, int64_t count, const char* value, int64_t width) {
  bool one_byte = true;
  for (int64_t i = 1; i < width; ++i) one_byte &= value[i] == value[0];
  parallel_for(count, std::max<int64_t>(1, piece_bytes / width), [&](int64_t begin, int64_t end) {
    if (one_byte) {
      std::memset(to + begin * width, value[0], static_cast<size_t>((end - begin) * width));
    } else {
      copy_row_any(to + begin * width, width, value, 0, end - begin, width);
    }
  });
}

void copy_strided(char* to, const char* from, const StridedCopy& given) {
  StridedCopy copy = given;
  for (int i = 0; i < copy.rank; ++i) {
    if (copy.sizes[i] == 0) return;
  }
  simplify(copy);
  if (copy.rank == 0) return copy_bytes(to, from, copy.width);
  const int last = copy.rank - 1;
  if (is_lane_width(copy.width) && copy.to_bytes[last] == copy.width && copy.from_bytes[last] != 0) {
    for (int i = last - 1; i >= 0; --i) {
      if (copy.from_bytes[i] == copy.width && copy.sizes[i] > 1) return run_transposed(to, from, copy, i);
    }
  }
  int64_t outer = 1;
  for (int i = 0; i < last; ++i) outer *= copy.sizes[i];
  const int64_t row_bytes = copy.sizes[last] * copy.width;
  if (last == 0) {
    // One axis only: share it.
    parallel_for(copy.sizes[0], std::max<int64_t>(1, piece_bytes / copy.width), [&](int64_t begin, int64_t end) {
      copy_row_any(to + begin * copy.to_bytes[0], copy.to_bytes[0], from + begin * copy.from_bytes[0],
                   copy.from_bytes[0], end - begin, copy.width);
    });
    return;
  }
  if (is_lane_width(copy.width) && copy.sizes[last] <= most_repeats && copy.from_bytes[last] == 0 &&
      copy.to_bytes[last] == copy.width && copy.to_bytes[last - 1] == row_bytes) {
    // Few copies of each element: a loop over the elements, and shares of it where there is nothing around it.
    const int64_t count = copy.sizes[last - 1], pieces = outer / count,
                  part = last == 1 ? piece_bytes / copy.width : count;
    const int64_t parts = (count + part - 1) / part;
    parallel_for(
        pieces * parts, std::max<int64_t>(1, piece_bytes / (part * row_bytes)), [&](int64_t begin, int64_t end) {
          for (int64_t k = begin; k < end; ++k) {
            const int64_t first = k % parts * part, some = std::min(part, count - first);
            Outer{copy, last - 1}.each(k / parts, k / parts + 1, [&](int64_t to_at, int64_t from_at) {
              repeat_row_any(to + to_at + first * row_bytes, from + from_at + first * copy.from_bytes[last - 1],
                             copy.from_bytes[last - 1], some, copy.sizes[last], copy.width);
            });
          }
        });
    return;
  }
  parallel_for(outer, std::max<int64_t>(1, piece_bytes / row_bytes), [&](int64_t begin, int64_t end) {
    Outer{copy, last}.each(begin, end, [&](int64_t to_at, int64_t from_at) {
      copy_row_any(to + to_at, copy.to_bytes[last], from + from_at, copy.from_bytes[last], copy.sizes[last],
                   copy.width);
    });
  });
}

}  // namespace millstream
