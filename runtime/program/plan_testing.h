// Writes small plan files for the tests of the loader, the executor and the door. Independent of the compiler.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <tuple>
#include <vector>

namespace millstream::testing {

using Words = std::vector<int64_t>;
using Bytes = std::vector<unsigned char>;

struct ValueSpec {
  int64_t dtype;
  Words dims;
  int64_t storage, location = 0, flags = 0;
};

struct InstructionSpec {
  std::string kernel;
  Words inputs, outputs, attributes = {}, patches = {}, releases = {};
  int64_t source = -1;
};

struct FunctionSpec {
  std::string name;
  int64_t symbols = 0, arena = 0;
  std::vector<Words> expressions = {};
  std::vector<ValueSpec> values = {};
  Words inputs = {}, outputs = {};
  std::vector<InstructionSpec> instructions = {};
  std::vector<Words> bindings = {};
};

struct PlanSpec {
  std::vector<FunctionSpec> functions;
  std::vector<std::tuple<int64_t, Words, Bytes>> constants = {};
  std::vector<std::tuple<std::string, int64_t, std::vector<std::string>, std::vector<std::string>, Words>> signatures =
      {};
  std::vector<std::string> sources = {};
  std::vector<std::tuple<std::string, int64_t, Words, int64_t>> states = {};
};

inline uint32_t crc32(const unsigned char* bytes, size_t count) {
  uint32_t sum = ~0u;
  for (size_t i = 0; i < count; ++i) {
    sum ^= bytes[i];
    for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ ((sum & 1) ? 0xedb88320u : 0);
  }
  return ~sum;
}

// Writes the checksum of a plan whose words were changed.
inline void seal(Bytes& plan) {
  uint64_t field[6];
  if (plan.size() < 64) return;
  std::memcpy(field, plan.data() + 16, sizeof field);
  if (field[1] > plan.size() || field[2] > (plan.size() - field[1]) / 8) return;
  const uint64_t sum = crc32(plan.data() + field[1], field[2] * 8);
  std::memcpy(plan.data() + 56, &sum, 8);
}

class PlanWriter {
 public:
  Bytes write(const PlanSpec& plan) {
    words_.assign(16, 0);
    words_[0] = 16;
    std::vector<std::string> kernels;
    auto kernel_index = [&](const std::string& name) {
      for (size_t i = 0; i < kernels.size(); ++i) {
        if (kernels[i] == name) return static_cast<int64_t>(i);
      }
      kernels.push_back(name);
      return static_cast<int64_t>(kernels.size()) - 1;
    };
    std::vector<Words> functions, constants, signatures, sources, states, names;
    for (const FunctionSpec& function : plan.functions) {
      std::vector<Words> values, instructions;
      for (const ValueSpec& value : function.values) {
        values.push_back({value.dtype, static_cast<int64_t>(value.dims.size()), put(value.dims), value.storage,
                          value.location, value.flags});
      }
      for (const InstructionSpec& item : function.instructions) {
        const auto count = [](const Words& list) { return static_cast<int64_t>(list.size()); };
        instructions.push_back({kernel_index(item.kernel), put(item.inputs), count(item.inputs), put(item.outputs),
                                count(item.outputs), put(item.attributes), count(item.attributes), put(item.patches),
                                count(item.patches) / 2, item.source, put(item.releases), count(item.releases)});
      }
      Words record = text(function.name);
      record.push_back(function.symbols);
      for (const Words& list : {put_all(function.expressions), put_all(values), put_list(function.inputs),
                                put_list(function.outputs), put_all(instructions)}) {
        record.insert(record.end(), list.begin(), list.end());
      }
      record.push_back(function.arena);
      const Words bindings = put_all(function.bindings);
      record.insert(record.end(), bindings.begin(), bindings.end());
      record.resize(20);
      functions.push_back(record);
    }
    for (const auto& [dtype, dims, bytes] : plan.constants) {
      blob_.resize((blob_.size() + 63) / 64 * 64);
      constants.push_back({dtype, static_cast<int64_t>(dims.size()), put(dims), static_cast<int64_t>(blob_.size()),
                           static_cast<int64_t>(bytes.size())});
      blob_.insert(blob_.end(), bytes.begin(), bytes.end());
    }
    for (const auto& [name, function, inputs, outputs, pairs] : plan.signatures) {
      Words record = text(name);
      record.push_back(function);
      for (const auto* list : {&inputs, &outputs}) {
        std::vector<Words> texts;
        for (const std::string& item : *list) texts.push_back(text(item));
        const Words placed = put_all(texts);
        record.insert(record.end(), placed.begin(), placed.end());
      }
      record.push_back(put(pairs));
      record.push_back(static_cast<int64_t>(pairs.size()) / 2);
      record.push_back(0);
      signatures.push_back(record);
    }
    for (const auto& [name, dtype, dims, constant] : plan.states) {
      Words record = text(name);
      for (int64_t word : {dtype, static_cast<int64_t>(dims.size()), put(dims), constant, int64_t{0}, int64_t{0}})
        record.push_back(word);
      states.push_back(record);
    }
    for (const std::string& source : plan.sources) sources.push_back(text(source));
    for (const std::string& kernel : kernels) names.push_back(text(kernel));
    size_t at = 1;
    for (const auto* list : {&names, &functions, &constants, &signatures, &sources, &states}) {
      const Words placed = put_all(*list);
      words_[at++] = placed[0];
      words_[at++] = placed[1];
    }
    const uint64_t blob_offset = (64 + words_.size() * 8 + 63) / 64 * 64;
    Bytes out(blob_offset + blob_.size());
    std::memcpy(out.data(), "MILLPLAN", 8);
    const uint32_t head[] = {1, 0x01020304};
    const uint64_t field[] = {out.size(), 64, words_.size(), blob_offset, blob_.size(), 0};
    std::memcpy(out.data() + 8, head, sizeof head);
    std::memcpy(out.data() + 16, field, sizeof field);
    std::memcpy(out.data() + 64, words_.data(), words_.size() * 8);
    if (!blob_.empty()) std::memcpy(out.data() + blob_offset, blob_.data(), blob_.size());
    seal(out);
    return out;
  }

 private:
  int64_t put(const Words& items) {
    const auto at = static_cast<int64_t>(words_.size());
    words_.insert(words_.end(), items.begin(), items.end());
    return at;
  }
  Words put_list(const Words& items) { return {put(items), static_cast<int64_t>(items.size())}; }
  Words put_all(const std::vector<Words>& records) {
    Words flat;
    for (const Words& record : records) flat.insert(flat.end(), record.begin(), record.end());
    return {put(flat), static_cast<int64_t>(records.size())};
  }
  Words text(const std::string& text) {
    const auto at = static_cast<int64_t>(blob_.size());
    blob_.insert(blob_.end(), text.begin(), text.end());
    return {at, static_cast<int64_t>(text.size())};
  }

  Words words_;
  Bytes blob_;
};

inline Bytes bytes_of(const std::vector<float>& numbers) {
  Bytes out(numbers.size() * sizeof(float));
  std::memcpy(out.data(), numbers.data(), out.size());
  return out;
}

constexpr int64_t float32 = 1, int32 = 3, int64 = 9, boolean = 10, resource = 20, variant = 21;
constexpr int64_t arena = 0, constant = 1, input = 2, heap = 3, alias = 4;

// A plan that uses a bit of everything: sizes known late, a branch, a loop over a list, a variable, an in-place update.
inline PlanSpec rich_plan() {
  PlanSpec plan;
  FunctionSpec main{"main", 1, 256};
  main.expressions = {{0, 0, 0}, {3, -1, 2}};
  main.values = {{float32, {-1, 2}, input, 0}, {int32, {}, input, 1},     {resource, {}, input, 2},
                 {int64, {2}, arena, 64},      {int64, {1}, heap},        {variant, {}, heap},
                 {variant, {}, heap},          {int32, {}, arena, 128},   {float32, {2}, heap},
                 {float32, {2}, alias, 8},     {int64, {1}, constant, 0}, {float32, {1}, constant, 1},
                 {float32, {-2}, alias, 0}};
  main.inputs = {0, 1, 2};
  main.outputs = {3, 4, 7, 9, 12, 0};
  main.instructions = {{"sizes", {}, {3}, {0, 2}, {0, -2}},       {"branch", {1, 0}, {4}, {1, 2}},
                       {"list_empty", {}, {5}, {float32, -1}},    {"loop", {5, 0}, {6}, {3, 4, 1}, {}, {5}},
                       {"list_length", {6}, {7}, {}, {}, {6}},    {"state_edit", {2}, {8}, {}, {}, {}, 0},
                       {"dynamic_update_slice", {8, 11, 10}, {9}}};
  main.bindings = {{0, 0, 0}};
  FunctionSpec branches[2];
  for (int i = 0; i < 2; ++i) {
    branches[i] = {"branch",
                   1,
                   0,
                   {{0, 0, 0}},
                   {{float32, {-1, 2}, input, 0}, {int64, {1}, heap}},
                   {0},
                   {1},
                   {{"sizes", {}, {1}, {10 + i}}},
                   {{0, 0, 0}}};
  }
  FunctionSpec condition{"condition", 1, 0, {{0, 0, 0}}};
  condition.values = {{variant, {}, input, 0}, {float32, {-1, 2}, input, 1}, {boolean, {}, constant, 2}};
  condition.inputs = {0, 1};
  condition.outputs = {2};
  condition.bindings = {{0, 1, 0}};
  FunctionSpec body{"body", 1, 0, {{0, 0, 0}}};
  body.values = {{variant, {}, input, 0}, {float32, {-1, 2}, input, 1}, {variant, {}, heap}};
  body.inputs = {0, 1};
  body.outputs = {2};
  body.instructions = {{"list_push", {0, 1}, {2}}};
  body.bindings = {{0, 1, 0}};
  plan.functions = {main, branches[0], branches[1], condition, body};
  plan.constants = {{int64, {1}, Bytes(8)},
                    {float32, {1}, bytes_of({9.0f})},
                    {boolean, {}, Bytes(1)},
                    {float32, {2}, bytes_of({1.0f, 2.0f})}};
  plan.sources = {"user.py:3 in train"};
  plan.states = {{"kernel", float32, {2}, 3}};
  plan.signatures = {{"serve", 0, {"x", "which"}, {"sizes", "branch", "length", "kernel", "flat", "same"}, {2, 0}}};
  return plan;
}

}  // namespace millstream::testing
