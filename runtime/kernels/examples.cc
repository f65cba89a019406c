// text_examples: features of Example messages as tensors, read from their bytes. text_raw: the bytes of strings as numbers.
//
// text_examples: inputs: messages (strings [n]), their names for errors (strings [n] or [0]), then for each dense feature
//   its default, flat, empty where the feature must be there. Outputs: for each dense feature values [n, elements]; for
//   each sparse one places int64 [values, 2], values, and the sizes int64 [2]. Element types: float32, int64, string.
//   Attributes: the numbers of dense and of sparse features; for each, dense ones first: the bytes of its key, their words;
//   then for each dense feature its rank and sizes.
// text_raw: strings -> numbers of the strings' sizes and one more axis; attributes: whether the lowest byte comes first,
//   and the bytes that are read of each string, -1 for all, which then have one length.
#include <algorithm>

#include "kernels/strings.h"
#include "memory/objects.h"
#include "program/plan.h"

namespace millstream {
namespace {

// The wire format of messages.
class Wire {
 public:
  explicit Wire(std::string_view bytes) : at_(bytes.data()), end_(at_ + bytes.size()) {}
  bool done() const { return at_ == end_; }

  bool number(uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 70 && at_ < end_; shift += 7) {
      const auto byte = static_cast<uint8_t>(*at_++);
      if (shift < 64) value |= static_cast<uint64_t>(byte & 127) << shift;
      if (byte < 128) return true;
    }
    return false;
  }

  bool block(std::string_view& bytes) {
    uint64_t size = 0;
    if (!number(size) || size > static_cast<uint64_t>(end_ - at_)) return false;
    bytes = {at_, static_cast<size_t>(size)};
    at_ += size;
    return true;
  }

  bool fixed(std::string_view& bytes, size_t size) {
    if (static_cast<size_t>(end_ - at_) < size) return false;
    bytes = {at_, size};
    at_ += size;
    return true;
  }

  bool skip(uint64_t tag) {
    uint64_t ignored = 0;
    std::string_view bytes;
    switch (tag & 7) {
      case 0:
        return number(ignored);
      case 1:
        return fixed(bytes, 8);
      case 2:
        return block(bytes);
      case 5:
        return fixed(bytes, 4);
      default:
        return false;
    }
  }

 private:
  const char *at_, *end_;
};

constexpr uint64_t field_tag(uint64_t field, uint64_t kind) { return field << 3 | kind; }

enum Kind { none = 0, texts = 1, reals = 2, wholes = 3 };  // the numbers of the lists in a Feature

const char* kind_name(int kind) { return kind == texts ? "string" : kind == reals ? "float" : "int64"; }

int kind_of(DType dtype) {
  return dtype == DType::string ? texts : dtype == DType::float32 ? reals : dtype == DType::int64 ? wholes : none;
}

// The list of one feature of one message: several parts are one after the other.
struct Found {
  int kind = none;
  std::vector<std::string_view> parts;
};

// Calls take(bytes) for each element; false where the list is damaged.
template <typename Take>
bool each_element(const Found& found, Take&& take) {
  for (const std::string_view part : found.parts) {
    Wire list(part);
    while (!list.done()) {
      uint64_t tag = 0, value = 0;
      std::string_view bytes;
      if (!list.number(tag)) return false;
      if (found.kind == texts && tag == field_tag(1, 2)) {
        if (!list.block(bytes)) return false;
        take(bytes);
      } else if (found.kind == reals && (tag == field_tag(1, 2) || tag == field_tag(1, 5))) {
        if (tag == field_tag(1, 2) ? !list.block(bytes) || bytes.size() % 4 : !list.fixed(bytes, 4)) return false;
        for (size_t i = 0; i < bytes.size(); i += 4) take(bytes.substr(i, 4));
      } else if (found.kind == wholes && tag == field_tag(1, 2)) {
        if (!list.block(bytes)) return false;
        for (Wire packed(bytes); !packed.done();) {
          if (!packed.number(value)) return false;
          take(std::string_view(reinterpret_cast<const char*>(&value), 8));
        }
      } else if (found.kind == wholes && tag == field_tag(1, 0)) {
        if (!list.number(value)) return false;
        take(std::string_view(reinterpret_cast<const char*>(&value), 8));
      } else if (!list.skip(tag)) {
        return false;
      }
    }
  }
  return true;
}

class Keys {
 public:
  Keys(const int64_t* words, int64_t count) {
    for (; count > 0; --count) {
      const int64_t size = words[words_++];
      keys_.emplace_back(reinterpret_cast<const char*>(words + words_), static_cast<size_t>(size));
      words_ += (size + 7) / 8;
    }
  }
  int64_t words() const { return words_; }
  size_t size() const { return keys_.size(); }
  std::string_view operator[](size_t i) const { return keys_[i]; }
  template <typename Take>
  void each_of(std::string_view key, Take&& take) {
    for (size_t i = 0; i < keys_.size(); ++i) {
      if (keys_[i] == key) take(i);
    }
  }

 private:
  std::vector<std::string_view> keys_;
  int64_t words_ = 0;
};

bool read_feature(std::string_view bytes, Found& found) {
  found = Found();
  for (Wire feature(bytes); !feature.done();) {
    uint64_t tag = 0;
    std::string_view list;
    if (!feature.number(tag)) return false;
    const int kind = static_cast<int>(tag >> 3);
    if ((tag & 7) != 2 || kind < texts || kind > wholes) {
      if (!feature.skip(tag)) return false;
      continue;
    }
    if (!feature.block(list)) return false;
    if (found.kind != kind) found = Found{kind, {}};
    found.parts.push_back(list);
  }
  return each_element(found, [](std::string_view) {});
}

// Finds the lists of all keys in one message.
bool read_example(std::string_view bytes, Keys& keys, std::vector<Found>& found) {
  for (Found& each : found) each = Found();
  for (Wire example(bytes); !example.done();) {
    uint64_t tag = 0;
    std::string_view features;
    if (!example.number(tag)) return false;
    if (tag != field_tag(1, 2)) {
      if (!example.skip(tag)) return false;
      continue;
    }
    if (!example.block(features)) return false;
    for (Wire map(features); !map.done();) {
      std::string_view entry, key, value;
      if (!map.number(tag)) return false;
      if (tag != field_tag(1, 2)) {
        if (!map.skip(tag)) return false;
        continue;
      }
      if (!map.block(entry)) return false;
      for (Wire pair(entry); !pair.done();) {
        if (!pair.number(tag)) return false;
        if (tag == field_tag(1, 2) ? !pair.block(key) : tag == field_tag(2, 2) ? !pair.block(value) : !pair.skip(tag))
          return false;
      }
      Found feature;
      if (!read_feature(value, feature)) return false;
      keys.each_of(key, [&](size_t i) { found[i] = feature; });
    }
  }
  return true;
}

// Elements of one feature of all messages, one after the other.
class Values {
 public:
  explicit Values(DType dtype) : kind_(kind_of(dtype)), texts_(0) {}
  void add(std::string_view element) {
    if (kind_ == texts) {
      texts_.add(element);
    } else {
      bytes_.append(element);
    }
    ++count_;
  }
  void add_default(const Tensor& given) {
    if (kind_ == texts) {
      const Strings strings(given);
      for (int64_t i = 0; i < given.count(); ++i) add(strings[i]);
    } else {
      bytes_.append(given.as<const char>(), given.bytes());
    }
  }
  int64_t count() const { return count_; }
  Status give(Tensor& out) const {
    if (kind_ == texts) return texts_.give(out);
    allocate_data(out);
    if (!bytes_.empty()) std::memcpy(out.data, bytes_.data(), bytes_.size());
    return Status();
  }

 private:
  int kind_;
  StringWriter texts_;
  std::string bytes_;
  int64_t count_ = 0;
};

Status check_examples(const Call& call) {
  const std::string wrong = "text_examples: its operands or attributes are wrong.";
  MS_REQUIRE(call.attribute_count >= 2 && call.attributes[0] >= 0 && call.attributes[1] >= 0 &&
                 call.attributes[0] < call.attribute_count && call.attributes[1] < call.attribute_count,
             wrong);
  const int64_t dense = call.attributes[0], sparse = call.attributes[1];
  MS_REQUIRE(call.input_count == 2 + dense && call.output_count == dense + 3 * sparse, wrong);
  for (int i = 0; i < call.input_count; ++i) MS_REQUIRE(call.has(i) && call.in(i).rank == 1, wrong);
  MS_REQUIRE(call.in(0).dtype == DType::string && call.in(1).dtype == DType::string, wrong);
  int64_t at = 2;
  for (int64_t i = 0; i < dense + sparse; ++i) {
    MS_REQUIRE(at < call.attribute_count && call.attributes[at] >= 0 &&
                   call.attributes[at] <= 8 * (call.attribute_count - at - 1),
               wrong);
    at += 1 + (call.attributes[at] + 7) / 8;
  }
  for (int64_t i = 0; i < dense; ++i, at += 1 + call.attributes[at]) {
    MS_REQUIRE(at < call.attribute_count && call.attributes[at] >= 0 && call.attributes[at] < call.attribute_count - at,
               wrong);
    int64_t count, bytes;
    MS_RETURN_IF_ERROR(literal_count(DType::int64, call.attributes[at], call.attributes + at + 1, count, bytes));
  }
  MS_REQUIRE(at == call.attribute_count, wrong);
  for (int i = 0; i < dense; ++i) {
    MS_REQUIRE(kind_of(call.out(i).dtype) != none && call.out(i).rank == 2 && call.in(2 + i).dtype == call.out(i).dtype,
               wrong);
  }
  for (int i = static_cast<int>(dense); i < call.output_count; i += 3) {
    MS_REQUIRE(call.out(i).dtype == DType::int64 && call.out(i).rank == 2 && kind_of(call.out(i + 1).dtype) != none &&
                   call.out(i + 1).rank == 1 && call.out(i + 2).dtype == DType::int64 && call.out(i + 2).rank == 1,
               wrong);
  }
  return Status();
}

Status run_examples(const Call& call) {
  return guarded("text_examples", [&]() -> Status {
    const int64_t dense = call.attributes[0], sparse = call.attributes[1], count = call.in(0).dims[0];
    Keys keys(call.attributes + 2, dense + sparse);
    const Strings messages(call.in(0)), names(call.in(1));
    const auto name_of = [&](int64_t i) {
      return "Name: " + (i < call.in(1).dims[0] ? std::string(names[i]) : std::string("<unknown>"));
    };
    std::vector<Values> values;
    std::vector<std::vector<int64_t>> places(static_cast<size_t>(sparse));
    std::vector<int64_t> widest(static_cast<size_t>(sparse), 0), sizes;
    for (int64_t i = 0; i < dense + sparse; ++i)
      values.emplace_back(call.out(static_cast<int>(i < dense ? i : dense + 3 * (i - dense) + 1)).dtype);
    std::vector<std::string> shapes;
    const int64_t* word = call.attributes + 2 + keys.words();
    for (int64_t i = 0; i < dense; ++i, word += 1 + *word) {
      const int rank = static_cast<int>(*word);
      sizes.push_back(product(word + 1, 0, rank));
      shapes.push_back(show_dims(word + 1, rank));
    }
    std::vector<Found> found(keys.size());
    for (int64_t row = 0; row < count; ++row) {
      if (!read_example(messages[row], keys, found))
        return invalid(name_of(row) + ", Could not parse example input, value: '" +
                       quoted(messages[row].substr(0, 64)) + "'");
      for (size_t i = 0; i < keys.size(); ++i) {
        const bool is_dense = static_cast<int64_t>(i) < dense;
        const int out =
            static_cast<int>(is_dense ? static_cast<int64_t>(i) : dense + 3 * (static_cast<int64_t>(i) - dense) + 1);
        const int wanted = kind_of(call.out(out).dtype);
        const std::string key(keys[i]);
        if (found[i].kind != none && found[i].kind != wanted) {
          return invalid(name_of(row) + ", Key: " + key + ", Index: " + std::to_string(row) +
                         ".  Data types don't match. Expected type: " + kind_name(wanted) +
                         ", Actual type: " + kind_name(found[i].kind));
        }
        const int64_t before = values[i].count();
        each_element(found[i], [&](std::string_view element) { values[i].add(element); });
        const int64_t given = values[i].count() - before;
        if (!is_dense) {
          const size_t j = i - static_cast<size_t>(dense);
          for (int64_t k = 0; k < given; ++k) {
            places[j].push_back(row);
            places[j].push_back(k);
          }
          widest[j] = std::max(widest[j], given);
        } else if (found[i].kind == none) {
          const Tensor& fallback = call.in(2 + static_cast<int>(i));
          if (fallback.count() != sizes[i]) {
            return invalid(name_of(row) + ", Feature: " + key + " (data type: " + kind_name(wanted) +
                           ") is required but could not be found.");
          }
          values[i].add_default(fallback);
        } else if (given != sizes[i]) {
          return invalid(name_of(row) + ", Key: " + key + ", Index: " + std::to_string(row) + ".  Number of " +
                         kind_name(wanted) + " values != expected.  Values size: " + std::to_string(given) +
                         " but output shape: " + shapes[i]);
        }
      }
    }
    for (size_t i = 0; i < keys.size(); ++i) {
      if (static_cast<int64_t>(i) < dense) {
        Tensor& out = call.out(static_cast<int>(i));
        out.dims[0] = count;
        out.dims[1] = sizes[i];
        MS_RETURN_IF_ERROR(values[i].give(out));
        continue;
      }
      const size_t j = i - static_cast<size_t>(dense);
      const int first = static_cast<int>(dense + 3 * static_cast<int64_t>(j));
      Tensor &where = call.out(first), &what = call.out(first + 1), &whole = call.out(first + 2);
      where.dims[0] = static_cast<int64_t>(places[j].size()) / 2;
      where.dims[1] = 2;
      allocate_data(where);
      if (!places[j].empty()) std::memcpy(where.data, places[j].data(), places[j].size() * sizeof(int64_t));
      what.dims[0] = values[i].count();
      MS_RETURN_IF_ERROR(values[i].give(what));
      give_numbers(whole, {count, widest[j]});
    }
    return Status();
  });
}

Status check_raw(const Call& call) {
  MS_REQUIRE(call.input_count == 1 && call.output_count == 1 && call.has(0) && call.in(0).dtype == DType::string &&
                 call.attribute_count == 2 && call.out(0).rank == call.in(0).rank + 1 &&
                 element_bytes(call.out(0).dtype) > 0,
             "text_raw takes strings, and gives numbers with one more axis.");
  return Status();
}

Status run_raw(const Call& call) {
  return guarded("text_raw", [&]() -> Status {
    const Strings texts(call.in(0));
    const int64_t count = call.in(0).count(), length = call.attributes[1];
    Tensor& out = call.out(0);
    const size_t item = element_bytes(out.dtype);
    const size_t size = length >= 0 ? static_cast<size_t>(length) : count ? texts[0].size() : 0;
    for (int64_t i = 0; i < count && length < 0; ++i) {
      if (texts[i].size() != size) {
        return invalid("DecodeRaw requires input strings to all be the same size, but element " + std::to_string(i) +
                       " has size " + std::to_string(texts[i].size()) + " != " + std::to_string(size));
      }
    }
    if (size % item) {
      return invalid("Input to DecodeRaw has length " + std::to_string(size) + " that is not a multiple of " +
                     std::to_string(item) + ", the size of " + dtype_name(out.dtype));
    }
    std::copy(call.in(0).dims, call.in(0).dims + call.in(0).rank, out.dims);
    out.dims[call.in(0).rank] = static_cast<int64_t>(size / item);
    allocate_data(out);
    char* place = out.as<char>();
    for (int64_t i = 0; i < count; ++i, place += size) {
      const std::string_view text = texts[i].substr(0, size);
      if (!text.empty()) std::memcpy(place, text.data(), text.size());
      if (text.size() < size) std::memset(place + text.size(), 0, size - text.size());
    }
    if (!call.attributes[0]) {
      const size_t part = out.dtype == DType::complex64 || out.dtype == DType::complex128 ? item / 2 : item;
      for (char* at = out.as<char>(); at < place; at += part) std::reverse(at, at + part);
    }
    return Status();
  });
}

const Kernel kernel_examples{"text_examples", check_examples, run_examples, nullptr, true};
const Kernel kernel_raw{"text_raw", check_raw, run_raw, nullptr, true};

}  // namespace

void register_examples(Registry& registry) {
  registry.add(kernel_examples);
  registry.add(kernel_raw);
}

}  // namespace millstream
