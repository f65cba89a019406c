// Kernels of hash tables (memory/lookup_table.h). They refuse keys and values of other types than the table's.
//
// table_new: [reserved keys, scalars: the empty one, the deleted one] -> table; attributes: key type, value type, whether it
//   is filled once, then the sizes of a value.
// table_find: table, keys, default (one value, or one for each key) -> values: sizes of keys, then of a value.
// table_insert: table, keys, values; attribute: 1 to empty the table first.
// table_remove: table, keys. table_size: table -> int64 scalar. table_export: table -> keys [n], values [n, …].
// table_read: table, file name scalar, delimiter scalar; attributes: which column is the key, which the value (-1 the number of
//   the line, -2 the whole line), number of lines or -1, what is added to line numbers.
#include "memory/lookup_table.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "kernels/strings.h"

namespace millstream {
namespace {

bool holds_bytes(DType dtype) { return dtype == DType::string || element_bytes(dtype) > 0; }

Status check_new(const Call& call) {
  MS_REQUIRE((call.input_count == 0 || call.input_count == 2) && call.output_count == 1 &&
                 call.out(0).dtype == DType::resource && call.attribute_count >= 3 &&
                 call.attribute_count - 3 < max_rank,
             "table_new: takes none or two keys, gives a table.");
  const auto key = static_cast<DType>(call.attributes[0]), value = static_cast<DType>(call.attributes[1]);
  MS_REQUIRE(holds_bytes(key) && element_bytes(key) <= 8 && holds_bytes(value),
             "table_new: keys are strings or numbers of at most 8 bytes, values strings or numbers.");
  for (int64_t i = 3; i < call.attribute_count; ++i)
    MS_REQUIRE(call.attributes[i] >= 0 && call.attributes[i] <= INT32_MAX,
               "table_new: sizes of a value must be known.");
  for (int i = 0; i < call.input_count; ++i)
    MS_REQUIRE(call.has(i) && call.in(i).dtype == key && call.in(i).rank == 0,
               "table_new: reserved keys are scalars of the key type.");
  return Status();
}

Status run_new(const Call& call) {
  return guarded("table_new", [&] {
    auto table = Ref<LookupTable>::adopt(
        new LookupTable(static_cast<DType>(call.attributes[0]), static_cast<DType>(call.attributes[1]),
                        static_cast<int>(call.attribute_count - 3), call.attributes + 3, call.attributes[2] != 0));
    const char* names[] = {"empty_key", "deleted_key"};
    for (int i = 0; i < call.input_count; ++i) table->reserve(call.in(i), names[i]);
    call.out(0).object = table;
    return Status();
  });
}

Status check_table(const Call& call, const char* name, int inputs, int outputs, int64_t words) {
  MS_REQUIRE(
      call.input_count == inputs && call.output_count == outputs && call.has(0) && call.in(0).dtype == DType::resource,
      std::string(name) + ": takes a table and " + std::to_string(inputs - 1) + " tensors.");
  for (int i = 1; i < inputs; ++i)
    MS_REQUIRE(call.has(i) && holds_bytes(call.in(i).dtype), std::string(name) + ": takes strings or numbers.");
  return check_attributes(call, name, words);
}

Status table_of(const Call& call, LookupTable*& table) {
  table = object_as<LookupTable>(call.in(0), ObjectKind::table);
  if (!table) return invalid("This resource is no hash table; give the handle of one.");
  return Status();
}

Status wrong_type(const char* what, DType given, DType wanted) {
  return invalid(std::string(what) + " of the table are " + dtype_name(wanted) + ", given are " + dtype_name(given) +
                 ".");
}

Status check_find(const Call& call) { return check_table(call, "table_find", 3, 1, 0); }

Status run_find(const Call& call) {
  return guarded("table_find", [&] {
    LookupTable* table;
    MS_RETURN_IF_ERROR(table_of(call, table));
    const Tensor& keys = call.in(1);
    Tensor& out = call.out(0);
    if (keys.dtype != table->key_type) return wrong_type("Keys", keys.dtype, table->key_type);
    if (call.in(2).dtype != table->value_type || out.dtype != table->value_type)
      return wrong_type("Values", call.in(2).dtype, table->value_type);
    MS_REQUIRE(keys.rank + table->rank <= max_rank, "The values found have more than 12 axes.");
    out.rank = keys.rank + table->rank;
    for (int i = 0; i < out.rank; ++i) out.dims[i] = i < keys.rank ? keys.dims[i] : table->dims[i - keys.rank];
    MS_RETURN_IF_ERROR(check_tensor(out, "table_find"));
    if (out.dtype != DType::string) allocate_data(out);
    return table->find(keys, call.in(2), out);
  });
}

Status check_insert(const Call& call) { return check_table(call, "table_insert", 3, 0, 1); }

Status run_insert(const Call& call) {
  return guarded("table_insert", [&] {
    LookupTable* table;
    MS_RETURN_IF_ERROR(table_of(call, table));
    if (call.in(1).dtype != table->key_type) return wrong_type("Keys", call.in(1).dtype, table->key_type);
    if (call.in(2).dtype != table->value_type) return wrong_type("Values", call.in(2).dtype, table->value_type);
    return table->insert(call.in(1), call.in(2), call.attributes[0] != 0);
  });
}

Status check_remove(const Call& call) { return check_table(call, "table_remove", 2, 0, 0); }

Status run_remove(const Call& call) {
  return guarded("table_remove", [&] {
    LookupTable* table;
    MS_RETURN_IF_ERROR(table_of(call, table));
    if (call.in(1).dtype != table->key_type) return wrong_type("Keys", call.in(1).dtype, table->key_type);
    return table->remove(call.in(1));
  });
}

Status check_size(const Call& call) {
  MS_RETURN_IF_ERROR(check_table(call, "table_size", 1, 1, 0));
  MS_REQUIRE(call.out(0).dtype == DType::int64 && call.out(0).rank == 0, "table_size: gives an int64 scalar.");
  return Status();
}

Status run_size(const Call& call) {
  LookupTable* table;
  MS_RETURN_IF_ERROR(table_of(call, table));
  *call.out(0).as<int64_t>() = table->size();
  return Status();
}

Status check_export(const Call& call) { return check_table(call, "table_export", 1, 2, 0); }

Status run_export(const Call& call) {
  return guarded("table_export", [&] {
    LookupTable* table;
    MS_RETURN_IF_ERROR(table_of(call, table));
    if (call.out(0).dtype != table->key_type) return wrong_type("Keys", call.out(0).dtype, table->key_type);
    if (call.out(1).dtype != table->value_type) return wrong_type("Values", call.out(1).dtype, table->value_type);
    return table->take_all(call.out(0), call.out(1));
  });
}

Status check_read(const Call& call) {
  MS_RETURN_IF_ERROR(check_table(call, "table_read", 3, 0, 4));
  for (int i = 1; i < 3; ++i)
    MS_REQUIRE(call.in(i).dtype == DType::string && call.in(i).rank == 0, "table_read: takes two string scalars.");
  return Status();
}

// One column of a file, as elements of a type.
class Column {
 public:
  Column(DType dtype, int64_t which) : dtype_(dtype), which_(which) {}

  Status take(std::string_view line, std::string_view delimiter, int64_t number) {
    if (which_ == -1) return element(std::to_string(number));
    if (which_ == -2) return element(line);
    std::string_view rest = line;
    for (int64_t i = 0;; ++i) {
      const size_t end = rest.find(delimiter);
      if (i == which_) return element(rest.substr(0, end));
      if (end == std::string_view::npos)
        return invalid("Invalid number of columns in line: expected at least " + std::to_string(which_ + 1) + ", got " +
                       std::to_string(i + 1) + ".");
      rest.remove_prefix(end + delimiter.size());
    }
  }

  Status give(Tensor& out) const {
    out.dtype = dtype_;
    out.rank = 1;
    out.dims[0] = count_;
    if (dtype_ == DType::string) {
      StringWriter writer(count_);
      for (const std::string& text : texts_) writer.add(text);
      return writer.give(out);
    }
    allocate_data(out);
    if (!bytes_.empty()) std::memcpy(out.data, bytes_.data(), bytes_.size());
    return Status();
  }

 private:
  template <typename T>
  void put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }

  Status element(std::string_view text) {
    ++count_;
    if (dtype_ == DType::string) {
      texts_.emplace_back(text);
      return Status();
    }
    const std::string word(stripped(text));
    char* end = nullptr;
    if (dtype_ == DType::int64 || dtype_ == DType::int32) {
      const long long value = std::strtoll(word.c_str(), &end, 10);
      if (dtype_ == DType::int64) {
        put<int64_t>(value);
      } else {
        put(static_cast<int32_t>(value));
      }
    } else if (dtype_ == DType::float32) {
      put(std::strtof(word.c_str(), &end));
    } else if (dtype_ == DType::float64) {
      put(std::strtod(word.c_str(), &end));
    } else {
      return invalid(std::string("Tables are read from files as strings, integers and floats, not ") +
                     dtype_name(dtype_) + ".");
    }
    if (word.empty() || *end)
      return invalid("Field " + quoted(text) + " in the file is not a valid " + dtype_name(dtype_) + ".");
    return Status();
  }

  DType dtype_;
  int64_t which_, count_ = 0;
  std::string bytes_;
  std::vector<std::string> texts_;
};

Status read_file(const std::string& name, std::string& content) {
  std::FILE* file = std::fopen(name.c_str(), "rb");
  if (!file) return Status(Code::not_found, name + "; No such file or directory");
  char block[65536];
  size_t size;
  while ((size = std::fread(block, 1, sizeof block, file)) > 0) content.append(block, size);
  const bool failed = std::ferror(file) != 0;
  std::fclose(file);
  return failed ? Status(Code::data_loss, "Cannot read all of " + name + ".") : Status();
}

Status run_read(const Call& call) {
  return guarded("table_read", [&] {
    LookupTable* table;
    MS_RETURN_IF_ERROR(table_of(call, table));
    std::string content;
    MS_RETURN_IF_ERROR(read_file(std::string(Strings(call.in(1))[0]), content));
    const std::string_view delimiter = Strings(call.in(2))[0];
    const int64_t most = call.attributes[2];
    Column keys(table->key_type, call.attributes[0]), values(table->value_type, call.attributes[1]);
    std::string_view rest = content;
    int64_t number = 0;
    for (; !rest.empty() && number != most; ++number) {
      const size_t end = rest.find('\n');
      std::string_view line = rest.substr(0, end);
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
      if (line.empty()) return invalid("Invalid content: empty line found at position " + std::to_string(number) + ".");
      MS_RETURN_IF_ERROR(keys.take(line, delimiter, number + call.attributes[3]));
      MS_RETURN_IF_ERROR(values.take(line, delimiter, number + call.attributes[3]));
    }
    if (most >= 0 && number < most)
      return invalid("Invalid vocab_size: expected " + std::to_string(most) + " but got " + std::to_string(number) +
                     ".");
    Tensor key_tensor, value_tensor;
    MS_RETURN_IF_ERROR(keys.give(key_tensor));
    MS_RETURN_IF_ERROR(values.give(value_tensor));
    return table->insert(key_tensor, value_tensor, false);
  });
}

const Kernel kernels[] = {
    {"table_new", check_new, run_new},          {"table_find", check_find, run_find, nullptr, true},
    {"table_insert", check_insert, run_insert}, {"table_remove", check_remove, run_remove},
    {"table_size", check_size, run_size},       {"table_export", check_export, run_export, nullptr, true},
    {"table_read", check_read, run_read},
};

}  // namespace

void register_lookup(Registry& registry) {
  for (const Kernel& kernel : kernels) registry.add(kernel);
}

}  // namespace millstream
