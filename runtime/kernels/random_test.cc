// The random kernels against numbers that TensorFlow 2.21 made on CPU: checksums of 100003 outputs, and some of each kind.
#include <cmath>

#include "kernels/move_testing.h"

namespace millstream {
void register_random_bits(Registry&);
void register_random_fill(Registry&);
void register_random_state(Registry&);
void forget_random_states();
int64_t set_random_scope(int64_t);
void forget_random_scope(int64_t);
}  // namespace millstream

using namespace millstream;
using namespace millstream::testing;

namespace {

Registry registry;

uint64_t checksum(const Tensor& tensor) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < tensor.bytes(); ++i) hash = (hash ^ tensor.as<uint8_t>()[i]) * 0x100000001b3u;
  return hash;
}

struct Stream {
  Tensor key, counter;
};

Stream stream_of(int64_t first, int64_t second) {
  const Tensor seed = tensor_of<int64_t>({2}, {first, second});
  Stream stream{empty(DType::uint64, {1}), empty(DType::uint64, {2})};
  EXPECT(run(registry, "random_key_counter", {&seed}, {&stream.key, &stream.counter}, {}).ok());
  return stream;
}

Tensor draw(const Stream& stream, int64_t kind, DType dtype, const std::vector<int64_t>& dims,
            const std::vector<Tensor>& parameters = {}) {
  Tensor y = empty(dtype, dims);
  std::vector<const Tensor*> inputs{&stream.key, &stream.counter};
  for (const Tensor& parameter : parameters) inputs.push_back(&parameter);
  const Status status = run(registry, "random_distribution", inputs, {&y}, {kind, 1});
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.message().c_str());
  EXPECT(status.ok());
  return y;
}

void test_a_seed_is_scrambled_as_in_tensorflow() {
  const Stream stream = stream_of(1, 2);
  EXPECT(stream.key.as<uint64_t>()[0] == 0x908502c96d2f7fba);
  EXPECT(stream.counter.as<uint64_t>()[0] == 0 && stream.counter.as<uint64_t>()[1] == 0xf7734320619cb60b);
}

void test_large_fills_equal_tensorflow_bit_for_bit() {
  const Stream stream = stream_of(1, 2);
  const std::vector<int64_t> dims{100003};
  EXPECT(checksum(draw(stream, 0, DType::float16, dims)) == 0xa74fd67d6901f9b9);
  EXPECT(checksum(draw(stream, 0, DType::bfloat16, dims)) == 0x49e83265b350d87e);
  EXPECT(checksum(draw(stream, 0, DType::float32, dims)) == 0xa8227ebe9c9b43d4);
  EXPECT(checksum(draw(stream, 0, DType::float64, dims)) == 0x49263be2453298a6);
  EXPECT(checksum(draw(stream, 4, DType::uint32, dims)) == 0x87df8d9a9663e1ab);
  EXPECT(checksum(draw(stream, 4, DType::uint64, dims)) == 0xb2c15427e8afffb8);
  EXPECT(checksum(draw(stream, 3, DType::int32, dims,
                       {tensor_of<int32_t>({}, {-7}), tensor_of<int32_t>({}, {1000})})) == 0xf88a90888d37598b);
  EXPECT(checksum(draw(stream, 3, DType::int64, dims,
                       {tensor_of<int64_t>({}, {-7}), tensor_of<int64_t>({}, {1000000000000})})) == 0xde0a5eac2b7428b2);
#if defined(__GLIBC__)
  // These go through logf, sinf and cosf: equal where the C library is the one that TensorFlow's wheels use.
  EXPECT(checksum(draw(stream, 1, DType::float32, dims)) == 0x83099f0006b35f45);
  EXPECT(checksum(draw(stream, 1, DType::float64, dims)) == 0x85efef7913344be8);
  EXPECT(checksum(draw(stream, 2, DType::float32, dims)) == 0x5740d969470e9ce8);
  EXPECT(checksum(draw(stream, 2, DType::float64, dims)) == 0x6cd08663eee55f71);
  EXPECT(checksum(draw(stream, 2, DType::bfloat16, dims)) == 0x3e152117809a4da5);
#endif
}

void test_normal_numbers_are_near_everywhere() {
  const Stream stream = stream_of(1, 2);
  const double expected[] = {0x1.16959ap-1, 0x1.a8b702p-3, 0x1.2d51c8p-4, 0x1.7c645p-5, -0x1.4d34fep+0, -0x1.e85fe2p-1};
  const Tensor y = draw(stream, 1, DType::float32, {6});
  for (int i = 0; i < 6; ++i) EXPECT(std::fabs(static_cast<double>(y.as<float>()[i]) - expected[i]) < 1e-6);
}

void test_samples_equal_tensorflow() {
  const Stream stream = stream_of(1, 2);
  const Tensor gamma = draw(stream, 5, DType::float32, {15, 3}, {tensor_of<float>({3}, {0.3f, 1, 7.5f})});
  const double gammas[] = {0.0057749091647565365, 3.1348776817321777, 8.93635082244873,
                           0.31249719858169556,   1.6637181043624878, 8.459038734436035};
  for (int i = 0; i < 6; ++i) EXPECT(std::fabs(static_cast<double>(gamma.as<float>()[i]) - gammas[i]) < 1e-6);
  const Tensor poisson = draw(stream, 6, DType::float32, {15, 3}, {tensor_of<float>({3}, {0.3f, 4, 70})});
  const float poissons[] = {1, 4, 69, 2, 2, 62, 1, 3, 67, 1, 2, 71};
  for (int i = 0; i < 12; ++i) EXPECT(poisson.as<float>()[i] == poissons[i]);
  const Tensor binomial = draw(stream, 7, DType::int64, {15, 3},
                               {tensor_of<float>({3}, {5, 40, 300}), tensor_of<float>({3}, {.3f, .6f, .2f})});
  const int64_t binomials[] = {3, 17, 46, 2, 21, 53, 2, 29, 57, 2, 14, 61};
  for (int i = 0; i < 12; ++i) EXPECT(binomial.as<int64_t>()[i] == binomials[i]);
  std::vector<float> logits;
  for (int i = 0; i < 15; ++i) logits.push_back(static_cast<float>(-2 + 4.0 * i / 14));
  const Tensor classes = draw(stream, 8, DType::int32, {3, 9}, {tensor_of<float>({3, 5}, logits)});
  EXPECT((values_of<int32_t>(classes) ==
          std::vector<int32_t>{4, 4, 1, 4, 3, 3, 4, 1, 4, 4, 4, 2, 1, 2, 3, 2, 4, 2, 4, 2, 2, 2, 3, 3, 2, 4, 3}));
}

void test_a_shuffle_takes_tensorflows_order() {
  const Tensor key = tensor_of<uint64_t>({1}, {77}), counter = tensor_of<uint64_t>({2}, {0, 5});
  Tensor order = empty(DType::int32, {23});
  EXPECT(run(registry, "random_permutation", {&key, &counter}, {&order}, {1}).ok());
  EXPECT((values_of<int32_t>(order) ==
          std::vector<int32_t>{16, 17, 18, 12, 9, 13, 22, 14, 11, 19, 0, 21, 20, 2, 4, 6, 10, 8, 7, 3, 1, 15, 5}));
}

void test_bits_begin_anywhere_and_skip_carries() {
  const Tensor key = tensor_of<uint64_t>({1}, {3});
  const Tensor near = tensor_of<uint64_t>({2}, {~uint64_t{0} - 20, 7}), delta = tensor_of<uint64_t>({}, {33});
  Tensor moved = empty(DType::uint64, {2});
  EXPECT(run(registry, "random_skip", {&near, &delta}, {&moved}, {1}).ok());
  EXPECT(moved.as<uint64_t>()[0] == 12 && moved.as<uint64_t>()[1] == 8);
  Tensor all = empty(DType::uint32, {400}), rest = empty(DType::uint32, {400 - 33 * 4});
  EXPECT(run(registry, "random_bits", {&key, &near}, {&all}, {1}).ok());
  EXPECT(run(registry, "random_bits", {&key, &moved}, {&rest}, {3}).ok());
  for (int i = 0; i < 400 - 33 * 4; ++i) EXPECT(all.as<uint32_t>()[i + 33 * 4] == rest.as<uint32_t>()[i]);
  const Stream stream = stream_of(1, 2);
  Tensor threefry = empty(DType::uint32, {9});
  EXPECT(run(registry, "random_bits", {&stream.key, &stream.counter}, {&threefry}, {2}).ok());
  EXPECT((values_of<uint32_t>(threefry) == std::vector<uint32_t>{0xe11cb594, 0x2ad88fa6, 0x39c2a862, 0x0e13df76,
                                                                 0x4972d711, 0x6b67a0b5, 0xb8410b82, 0x1cf2a9f8,
                                                                 0x73ef0dec}));
}

uint64_t next_counter(const std::vector<int64_t>& words, uint64_t blocks, uint64_t& key) {
  const Tensor delta = tensor_of<uint64_t>({}, {blocks});
  Stream stream{empty(DType::uint64, {1}), empty(DType::uint64, {2})};
  EXPECT(run(registry, "random_next", {&delta}, {&stream.key, &stream.counter}, words).ok());
  key = stream.key.as<uint64_t>()[0];
  return stream.counter.as<uint64_t>()[0];
}

void test_a_scope_has_streams_of_its_own_until_it_is_forgotten() {
  uint64_t key = 0;
  EXPECT(next_counter({5, 0, 7, 9}, 256, key) == 0);
  EXPECT(set_random_scope(3) == 0);
  EXPECT(next_counter({5, 0, 7, 9}, 2, key) == 0);
  forget_random_states();
  EXPECT(next_counter({5, 0, 7, 9}, 2, key) == 2);
  EXPECT(set_random_scope(4) == 3);
  EXPECT(next_counter({5, 0, 7, 9}, 2, key) == 0);
  forget_random_scope(3);
  EXPECT(next_counter({5, 0, 7, 9}, 2, key) == 2);
  EXPECT(set_random_scope(3) == 4);
  EXPECT(next_counter({5, 0, 7, 9}, 2, key) == 0);
  EXPECT(set_random_scope(0) == 3);
  EXPECT(next_counter({5, 0, 7, 9}, 2, key) == 0);
  forget_random_states();
}

void test_streams_of_equal_names_go_on_until_they_are_forgotten() {
  uint64_t key = 0, other = 0;
  EXPECT(next_counter({1, 0, 7, 9}, 256, key) == 0 && key == 7);
  EXPECT(next_counter({1, 0, 7, 9}, 3, key) == 256);
  EXPECT(next_counter({1, 1, 7, 9}, 3, key) == 0);
  EXPECT(next_counter({2, 0, 7, 9}, 3, key) == 0);
  EXPECT(next_counter({1, 0, 7, 9}, 3, key) == 259);
  forget_random_states();
  EXPECT(next_counter({1, 0, 7, 9}, 3, key) == 0);
  EXPECT(next_counter({1, 0, 0, 0}, 3, key) == 0 && next_counter({2, 0, 0, 0}, 3, other) == 0);
  EXPECT(key != other);
}

void test_bad_calls_are_refused() {
  const Stream stream = stream_of(1, 2);
  Tensor y = empty(DType::float32, {4}), whole = empty(DType::int32, {4});
  const auto refused = [&](const std::vector<const Tensor*>& inputs, Tensor& out, const std::vector<int64_t>& words) {
    return !run(registry, "random_distribution", inputs, {&out}, words).ok();
  };
  EXPECT(refused({&stream.key, &stream.counter}, y, {0, 2}));
  EXPECT(refused({&stream.key, &stream.counter}, y, {99, 1}));
  EXPECT(refused({&stream.key, &stream.counter}, y, {-1, 1}));
  EXPECT(refused({&stream.key, &stream.counter}, whole, {0, 1}));
  EXPECT(refused({&stream.counter, &stream.key}, y, {0, 1}));
  EXPECT(refused({&stream.key}, y, {0, 1}));
  EXPECT(refused({&stream.key, &stream.counter}, y, {5, 1}));
  EXPECT(refused({&stream.key, &stream.counter, &stream.key}, y, {5, 1}));
  const Tensor three = tensor_of<int32_t>({}, {3}), row = tensor_of<float>({3}, {1, 1, 1}),
               nothing = empty(DType::float32, {3, 0});
  EXPECT(refused({&stream.key, &stream.counter, &three, &three}, whole, {3, 1}));
  EXPECT(refused({&stream.key, &stream.counter, &row}, y, {5, 1}));
  Tensor classes = empty(DType::int64, {3, 2});
  EXPECT(refused({&stream.key, &stream.counter, &nothing}, classes, {8, 1}));
  const Tensor strange = tensor_of<float>({4}, {NAN, -1, INFINITY, -INFINITY});
  draw(stream, 5, DType::float32, {4}, {strange});
  draw(stream, 6, DType::int32, {4}, {strange});
  draw(stream, 7, DType::int32, {4}, {strange, strange});
}

}  // namespace

int main() {
  register_random_bits(registry);
  register_random_fill(registry);
  register_random_state(registry);
  test_a_seed_is_scrambled_as_in_tensorflow();
  test_large_fills_equal_tensorflow_bit_for_bit();
  test_normal_numbers_are_near_everywhere();
  test_samples_equal_tensorflow();
  test_a_shuffle_takes_tensorflows_order();
  test_bits_begin_anywhere_and_skip_carries();
  test_streams_of_equal_names_go_on_until_they_are_forgotten();
  test_a_scope_has_streams_of_its_own_until_it_is_forgotten();
  test_bad_calls_are_refused();
  std::puts("ok");
  return 0;
}
