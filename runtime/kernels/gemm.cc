// Blocking, packing and threads of the matrix product, and the choice of instruction set. Refuses nothing.
#include "kernels/gemm.h"

#include <algorithm>
#include <atomic>

#include "kernels/simd_isa.h"
#include "memory/tensor.h"
#include "threads/pool.h"

namespace millstream {
namespace {

constexpr int64_t depth_block = 256;          // a panel of y of this depth stays in the first cache
constexpr int64_t depth_limit = 16384;        // depths of one pass over z
constexpr int64_t packed_y_limit = 16 << 20;  // bytes of y that are packed at a time
constexpr int64_t block_bytes = 256 << 10;    // a block of x stays in the second cache
constexpr int64_t edge_elements = 64 * 48;    // no tile is larger

int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

// One group of y's columns, packed whole: depth block by depth block, each panel by panel.
template <typename A>
struct Columns {
  const Gemm<A>& gemm;
  const GemmTiles<A>& tiles;
  const GemmTile<A>& tile;
  int64_t first, count;
  int64_t start, k;  // the depths of this pass
  A* packed;         // nullptr: y is read where it lies

  void pack_panels(const GemmSource<A>& source, A* to, int width, int64_t line, int64_t lines, int64_t depth,
                   int64_t length) const {
    for (int64_t i = 0; i < lines; i += width, to += width * length) {
      const int64_t some = std::min<int64_t>(width, lines - i);
      if (source.plain) {
        const A* from = source.plain + (line + i) * source.line_stride + depth * source.depth_stride;
        tiles.pack(to, width, from, source.line_stride, source.depth_stride, some, length);
      } else {
        source.pack(source.self, to, width, line + i, some, depth, length);
      }
    }
  }

  void pack_columns(int64_t begin, int64_t end) const {  // of panels
    const int64_t panels = round_up(count, tile.columns) / tile.columns;
    for (int64_t depth = 0; depth < k; depth += depth_block) {
      const int64_t length = std::min(depth_block, k - depth);
      A* to = packed + depth * panels * tile.columns + begin * tile.columns * length;
      const int64_t from = begin * tile.columns;
      pack_panels(gemm.y, to, tile.columns, first + from, std::min(count, end * tile.columns) - from, start + depth,
                  length);
    }
  }

  void multiply(int64_t row, int64_t rows, int64_t column, int64_t columns, A* packed_x, A* packed_edge) const {
    const int64_t panels = round_up(count, tile.columns) / tile.columns;
    alignas(64) A edge[edge_elements];
    for (int64_t depth = 0; depth < k; depth += depth_block) {
      const int64_t length = std::min(depth_block, k - depth);
      const bool accumulate = gemm.accumulate || start + depth > 0;
      pack_panels(gemm.x, packed_x, tile.rows, row, rows, start + depth, length);
      for (int64_t j = column; j < column + columns; j += tile.columns) {
        const int64_t some_columns = std::min<int64_t>(tile.columns, column + columns - j);
        const A* y;
        int64_t y_step = tile.columns;
        if (packed) {
          y = packed + depth * panels * tile.columns + j * length;
        } else {
          y = gemm.y.plain + first + j + (start + depth) * gemm.y.depth_stride;
          y_step = gemm.y.depth_stride;
          if (some_columns < tile.columns) {
            tiles.pack(packed_edge, tile.columns, y, 1, y_step, some_columns, length);
            y = packed_edge;
            y_step = tile.columns;
          }
        }
        for (int64_t i = 0; i < rows; i += tile.rows) {
          const int64_t some_rows = std::min<int64_t>(tile.rows, rows - i);
          A* z = gemm.z + (row + i) * gemm.z_row + first + j;
          if (some_rows == tile.rows && some_columns == tile.columns) {
            tile.run(length, packed_x + i * length, y, y_step, z, gemm.z_row, accumulate);
            continue;
          }
          tile.run(length, packed_x + i * length, y, y_step, edge, tile.columns, false);
          for (int64_t r = 0; r < some_rows; ++r) {
            for (int64_t c = 0; c < some_columns; ++c) {
              A& to = z[r * gemm.z_row + c];
              to = accumulate ? to + edge[r * tile.columns + c] : edge[r * tile.columns + c];
            }
          }
        }
      }
    }
    if (gemm.finish.run && start + k == gemm.k) gemm.finish.run(gemm.finish.self, row, rows, first + column, columns);
  }
};

// x or y is a single line: no packing, the memory is the limit.
template <typename A>
bool run_vector(const Gemm<A>& gemm, const GemmTiles<A>& tiles) {
  const GemmSource<A>&x = gemm.x, &y = gemm.y;
  if (!x.plain || !y.plain) return false;
  const int64_t grain = std::max<int64_t>(64, 32768 / std::max<int64_t>(gemm.k, 1));
  if (gemm.m == 1 && y.line_stride == 1) {
    parallel_for(gemm.n, grain, [&](int64_t begin, int64_t end) {
      tiles.combine_rows(end - begin, gemm.k, x.plain, x.depth_stride, y.plain + begin, y.depth_stride, gemm.z + begin,
                         gemm.accumulate);
    });
  } else if (gemm.m == 1 && y.depth_stride == 1 && x.depth_stride == 1) {
    parallel_for(gemm.n, grain, [&](int64_t begin, int64_t end) {
      tiles.dot_rows(end - begin, gemm.k, x.plain, y.plain + begin * y.line_stride, y.line_stride, gemm.z + begin, 1,
                     gemm.accumulate);
    });
  } else if (gemm.n == 1 && x.depth_stride == 1 && y.depth_stride == 1) {
    parallel_for(gemm.m, grain, [&](int64_t begin, int64_t end) {
      tiles.dot_rows(end - begin, gemm.k, y.plain, x.plain + begin * x.line_stride, x.line_stride,
                     gemm.z + begin * gemm.z_row, gemm.z_row, gemm.accumulate);
    });
  } else if (gemm.n == 1 && x.line_stride == 1 && gemm.z_row == 1) {
    parallel_for(gemm.m, grain, [&](int64_t begin, int64_t end) {
      tiles.combine_rows(end - begin, gemm.k, y.plain, y.depth_stride, x.plain + begin, x.depth_stride, gemm.z + begin,
                         gemm.accumulate);
    });
  } else {
    return false;
  }
  if (gemm.finish.run) gemm.finish.run(gemm.finish.self, 0, gemm.m, 0, gemm.n);
  return true;
}

// So small that packing would cost more than it saves.
template <typename A>
bool run_small(const Gemm<A>& gemm) {
  const GemmSource<A>&x = gemm.x, &y = gemm.y;
  if (!x.plain || !y.plain || gemm.m * gemm.n > 1024 || gemm.m * gemm.n * gemm.k > 2048) return false;
  for (int64_t i = 0; i < gemm.m; ++i) {
    A* z = gemm.z + i * gemm.z_row;
    if (!gemm.accumulate) std::fill(z, z + gemm.n, A{});
    for (int64_t d = 0; d < gemm.k; ++d) {
      const A left = x.plain[i * x.line_stride + d * x.depth_stride];
      const A* right = y.plain + d * y.depth_stride;
      if (y.line_stride == 1) {
        for (int64_t j = 0; j < gemm.n; ++j) z[j] += left * right[j];
      } else {
        for (int64_t j = 0; j < gemm.n; ++j) z[j] += left * right[j * y.line_stride];
      }
    }
  }
  if (gemm.finish.run) gemm.finish.run(gemm.finish.self, 0, gemm.m, 0, gemm.n);
  return true;
}

}  // namespace

template <typename A>
void run_gemm(const Gemm<A>& gemm) {
  if (gemm.m <= 0 || gemm.n <= 0) return;
  const GemmTiles<A>& tiles = gemm_tiles<A>();
  if (gemm.k <= 0) {
    for (int64_t i = 0; i < gemm.m && !gemm.accumulate; ++i) std::fill_n(gemm.z + i * gemm.z_row, gemm.n, A{});
    if (gemm.finish.run) gemm.finish.run(gemm.finish.self, 0, gemm.m, 0, gemm.n);
    return;
  }
  if (run_small(gemm) || run_vector(gemm, tiles)) return;

  const GemmTile<A>& tile = gemm.n <= tiles.narrow.columns ? tiles.narrow : tiles.wide;
  // Packing y is worth it when each of its panels meets many rows.
  const bool in_place = gemm.y.plain && gemm.y.line_stride == 1 && gemm.m <= 6 * tile.rows;
  const int64_t k = in_place ? gemm.k : std::min(gemm.k, depth_limit);
  const int64_t depth_bytes = k * static_cast<int64_t>(sizeof(A));
  int64_t group = in_place ? gemm.n : std::max<int64_t>(packed_y_limit / depth_bytes, 8 * tile.columns);
  group = std::min(round_up(group, tile.columns), round_up(gemm.n, tile.columns));
  Ref<Buffer> packed;
  if (!in_place) packed = Buffer::allocate(static_cast<size_t>(group * depth_bytes));

  const int64_t groups = (gemm.n + group - 1) / group, passes = (gemm.k + k - 1) / k;
  for (int64_t pass = 0; pass < groups * passes; ++pass) {
    const int64_t first = pass / passes * group, start = pass % passes * k;
    Columns<A> columns{gemm,
                       tiles,
                       tile,
                       first,
                       std::min(group, gemm.n - first),
                       start,
                       std::min(k, gemm.k - start),
                       in_place ? nullptr : static_cast<A*>(packed->data())};
    const int64_t panels = round_up(columns.count, tile.columns) / tile.columns;
    if (!in_place) {
      const int64_t grain = std::max<int64_t>(1, 65536 / (tile.columns * columns.k));
      parallel_for(panels, grain, [&](int64_t begin, int64_t end) { columns.pack_columns(begin, end); });
    }
    // Cut z in blocks: at least a few for each thread, rows first, columns where the rows do not suffice.
    const int64_t threads = thread_count();
    const int64_t length = std::min(depth_block, columns.k);
    const int64_t row_tiles = round_up(gemm.m, tile.rows) / tile.rows;
    int64_t tiles_a_block = std::max<int64_t>(1, block_bytes / (length * tile.rows * static_cast<int64_t>(sizeof(A))));
    if (threads > 1) tiles_a_block = std::min(tiles_a_block, std::max<int64_t>(1, row_tiles / (3 * threads)));
    const int64_t row_blocks = (row_tiles + tiles_a_block - 1) / tiles_a_block;
    int64_t column_cuts = 1;
    if (threads > 1 && row_blocks < 3 * threads)
      column_cuts = std::min(panels, (3 * threads + row_blocks - 1) / row_blocks);
    const int64_t panels_a_cut = (panels + column_cuts - 1) / column_cuts;
    const double work =
        static_cast<double>(gemm.m) * static_cast<double>(columns.count) * static_cast<double>(columns.k);
    const int64_t blocks = row_blocks * column_cuts;
    // Each worker owns its scratch, allocated here because nothing may throw on the pool, and takes the next free block.
    const int64_t workers = std::clamp<int64_t>(static_cast<int64_t>(work / 500e3), 1, std::min(threads, blocks));
    const int64_t x_elements = round_up(tiles_a_block * tile.rows * length, 64);
    const int64_t own_elements = round_up(x_elements + length * tile.columns, 64);
    Ref<Buffer> scratch = Buffer::allocate(static_cast<size_t>(workers * own_elements) * sizeof(A));
    std::atomic<int64_t> next{0};
    parallel_for(workers, 1, [&](int64_t begin, int64_t end) {
      for (int64_t worker = begin; worker < end; ++worker) {
        A* packed_x = static_cast<A*>(scratch->data()) + worker * own_elements;
        for (int64_t block = next++; block < blocks; block = next++) {
          const int64_t row = block % row_blocks * tiles_a_block * tile.rows;
          const int64_t column = block / row_blocks * panels_a_cut * tile.columns;
          if (column >= columns.count) continue;
          columns.multiply(row, std::min(tiles_a_block * tile.rows, gemm.m - row), column,
                           std::min(panels_a_cut * tile.columns, columns.count - column), packed_x,
                           packed_x + x_elements);
        }
      }
    });
  }
}

template void run_gemm(const Gemm<float>&);
template void run_gemm(const Gemm<double>&);
template void run_gemm(const Gemm<uint32_t>&);
template void run_gemm(const Gemm<uint64_t>&);

#define MS_DECLARE_TILES(isa)                    \
  namespace isa {                                \
  extern const GemmTiles<float> tiles_float;     \
  extern const GemmTiles<double> tiles_double;   \
  extern const GemmTiles<uint32_t> tiles_uint32; \
  extern const GemmTiles<uint64_t> tiles_uint64; \
  extern const Conversions conversions_here;     \
  }

MS_DECLARE_TILES(baseline)
#if defined(__x86_64__)
MS_DECLARE_TILES(avx2)
MS_DECLARE_TILES(avx512)

#define MS_DEFINE_TILES(type, name)                                                       \
  template <>                                                                             \
  const GemmTiles<type>& gemm_tiles<type>() {                                             \
    static const GemmTiles<type>& best = processor_isa() == Isa::avx512 ? avx512::name    \
                                         : processor_isa() == Isa::avx2 ? avx2::name      \
                                                                        : baseline::name; \
    return best;                                                                          \
  }
#else
#define MS_DEFINE_TILES(type, name)           \
  template <>                                 \
  const GemmTiles<type>& gemm_tiles<type>() { \
    return baseline::name;                    \
  }
#endif

MS_DEFINE_TILES(float, tiles_float)
MS_DEFINE_TILES(double, tiles_double)
MS_DEFINE_TILES(uint32_t, tiles_uint32)
MS_DEFINE_TILES(uint64_t, tiles_uint64)

const Conversions& conversions() {
#if defined(__x86_64__)
  if (processor_isa() == Isa::avx512) return avx512::conversions_here;
  if (processor_isa() == Isa::avx2) return avx2::conversions_here;
#endif
  return baseline::conversions_here;
}

}  // namespace millstream
