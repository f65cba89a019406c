// The readers of the runtime, each as a function of bytes.
#include "fuzz/targets.h"

#include <millstream.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "data/reader.h"
#include "kernels/csv.h"
#include "kernels/kernel.h"
#include "kernels/regex.h"
#include "memory/crc32c.h"
#include "memory/objects.h"
#include "program/plan_testing.h"

namespace millstream::fuzz {
namespace {

std::string_view text_of(const unsigned char* data, size_t size) { return {reinterpret_cast<const char*>(data), size}; }

void run_plan(const unsigned char* data, size_t size) {
  ms_plan* plan = nullptr;
  if (ms_plan_open_bytes(data, size, &plan)) {
    // A refusal says something.
    if (!*ms_last_error()) std::abort();
    return;
  }
  for (int i = 0; i < ms_signature_count(plan); ++i) {
    (void)ms_signature_name(plan, i);
    for (int j = 0; j < ms_input_count(plan, i); ++j)
      for (int axis = 0; axis < ms_input_rank(plan, i, j); ++axis) (void)ms_input_size(plan, i, j, axis);
  }
  for (int i = 0; i < ms_state_count(plan); ++i) {
    ms_tensor* value = nullptr;
    if (!ms_state_get(plan, i, &value)) ms_tensor_free(value);
  }
  ms_plan_free(plan);
}

void mend_plan(Bytes& bytes) { testing::seal(bytes); }

// A serialized Example, asked for a float of two elements, a text and sparse numbers.
void run_examples(const unsigned char* data, size_t size) {
  static const Kernel* const kernel = Registry::instance().find("text_examples", 13);
  if (!kernel) std::abort();
  const auto strings = [](std::string_view text, bool none) {
    Tensor tensor;
    tensor.dtype = DType::string;
    tensor.rank = 1;
    tensor.dims[0] = none ? 0 : 1;
    const size_t header = none ? 8 : 16;
    tensor.buffer = Buffer::allocate(header + text.size());
    tensor.data = tensor.buffer->data();
    tensor.as<int64_t>()[0] = 0;
    if (!none) tensor.as<int64_t>()[1] = static_cast<int64_t>(text.size());
    if (!text.empty()) std::memcpy(static_cast<char*>(tensor.data) + header, text.data(), text.size());
    return tensor;
  };
  const auto word = [](const char* name) {
    int64_t value = 0;
    std::memcpy(&value, name, std::strlen(name));
    return value;
  };
  // dense: f float [2], t string []; sparse: n int64
  const int64_t attributes[] = {2, 1, 1, word("f"), 1, word("t"), 1, word("n"), 1, 2, 0};
  Tensor messages = strings(text_of(data, size), false), names = strings({}, true), none, no_text = strings({}, true);
  none.dtype = DType::float32;
  none.rank = 1;
  none.dims[0] = 0;
  allocate_data(none);
  const Tensor* inputs[] = {&messages, &names, &none, &no_text};
  Tensor out[5];
  out[0].dtype = DType::float32;
  out[1].dtype = DType::string;
  out[2].dtype = out[4].dtype = DType::int64;
  out[3].dtype = DType::int64;
  out[0].rank = out[1].rank = out[2].rank = 2;
  out[3].rank = out[4].rank = 1;
  Tensor* outputs[] = {&out[0], &out[1], &out[2], &out[3], &out[4]};
  const Call call{inputs, 4, outputs, 5, attributes, 11, nullptr, nullptr};
  const Status checked = kernel->check(call);
  if (!checked.ok()) std::abort();
  const Status status = kernel->run(call);
  if (!status.ok() && status.message().empty()) std::abort();
}

struct Held final : Blocks {
  explicit Held(std::string_view bytes) : bytes_(bytes) {}
  bool more(std::string& out, Failure&) override {
    const size_t count = std::min<size_t>(bytes_.size(), 100);
    out.append(bytes_.substr(0, count));
    bytes_.remove_prefix(count);
    return true;
  }
  std::string_view bytes_;
};

struct OneName final : Reader {
  Found next(Element& out, Failure&) override {
    if (given_) return Found::end;
    given_ = true;
    Tensor name;
    name.dtype = DType::string;
    name.buffer = Buffer::allocate(17);
    name.data = name.buffer->data();
    name.as<int64_t>()[0] = 0;
    name.as<int64_t>()[1] = 1;
    static_cast<char*>(name.data)[16] = 'a';
    out.clear();
    out.push_back(name);
    return Found::element;
  }
  void save(Marks&) override {}
  bool restore(Marks&) override { return true; }
  bool given_ = false;
};

void read_records(std::string_view bytes, FileKind kind, FixedSizes sizes) {
  const OpenFile open = [bytes](const std::string&, Failure&) -> BlocksRef { return std::make_shared<Held>(bytes); };
  const ReaderRef reader = read_files(std::make_shared<OneName>(), open, kind, sizes, "fuzz");
  Element element;
  for (;;) {
    Failure failure;
    if (reader->next(element, failure) != Found::element) break;
  }
}

// The first byte picks lines, TFRecords or records of one length.
void run_records(const unsigned char* data, size_t size) {
  if (!size) return;
  const std::string_view rest = text_of(data + 1, size - 1);
  read_records(rest, static_cast<FileKind>(data[0] % 3), FixedSizes{1, 7, 2});
}

void run_csv(const unsigned char* data, size_t size) {
  if (!size) return;
  CsvForm form;
  form.quotes = data[0] & 1;
  if (data[0] & 2) form.delimiter = ';';
  if (data[0] & 4) form.missing = "NA";
  std::string_view rest = text_of(data + 1, size - 1);
  CsvRow row;
  (void)row.part_text(rest, form);
  while (!rest.empty()) {
    const CsvRow::End end = row.part_lines(rest, true, form);
    for (size_t i = 0; i < row.size(); ++i) {
      volatile size_t sum = 0;
      for (char c : row[i]) sum = sum + static_cast<unsigned char>(c);
    }
    if (end != CsvRow::End::whole || row.used() == 0) break;
    rest.remove_prefix(std::min(rest.size(), row.used()));
  }
}

// A pattern, a zero byte, a text.
void run_regex(const unsigned char* data, size_t size) {
  const std::string_view all = text_of(data, std::min<size_t>(size, 512));
  const size_t zero = all.find('\0');
  regex::Expression expression;
  const Status status = regex::Expression::compile(all.substr(0, zero), expression);
  if (!status.ok()) {
    if (status.message().empty()) std::abort();
    return;
  }
  const std::string_view text = zero == std::string_view::npos ? all : all.substr(zero + 1);
  regex::Search search(expression, expression.groups);
  for (size_t from = 0; from <= text.size();) {
    if (!search.find(text, from, false)) break;
    if (search.begin() < static_cast<int64_t>(from) || search.end() > static_cast<int64_t>(text.size())) std::abort();
    from = static_cast<size_t>(search.end()) + 1;
  }
  (void)search.find(text, 0, true);
}

// TFRecords: the sums of lengths and bytes.
void mend_records(Bytes& bytes) {
  size_t at = 1;
  while (bytes.size() >= 17 && at + 16 <= bytes.size()) {
    uint64_t length;
    std::memcpy(&length, &bytes[at], 8);
    const auto masked = [](uint32_t sum) { return ((sum >> 15) | (sum << 17)) + 0xa282ead8u; };
    const uint32_t head = masked(crc32c(0, &bytes[at], 8));
    std::memcpy(&bytes[at + 8], &head, 4);
    if (length > bytes.size() - at - 16) return;
    const uint32_t body = masked(crc32c(0, &bytes[at + 12], length));
    std::memcpy(&bytes[at + 12 + length], &body, 4);
    at += 16 + length;
  }
}

}  // namespace

const Target targets[] = {
    {"plan", run_plan, mend_plan}, {"examples", run_examples, nullptr}, {"records", run_records, mend_records},
    {"csv", run_csv, nullptr},     {"regex", run_regex, nullptr},
};
const size_t target_count = sizeof targets / sizeof *targets;

}  // namespace millstream::fuzz
