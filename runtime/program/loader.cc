// Reads a plan file into a Module. Trusts nothing: every offset, count and number is checked before it is used.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <array>

#include <cerrno>

#include "memory/objects.h"
#include "program/plan.h"

namespace millstream {
namespace {

constexpr int64_t header_bytes = 64;
constexpr int64_t module_record_words = 16;

Status damaged(const std::string& what) {
  return Status(Code::data_loss, "The plan file is damaged: " + what + ". Export it again.");
}

uint64_t crc32(const unsigned char* bytes, size_t count) {
  static const auto table = [] {
    std::array<uint32_t, 256> made{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) ? 0xedb88320u : 0);
      made[i] = value;
    }
    return made;
  }();
  uint32_t sum = 0xffffffffu;
  for (size_t i = 0; i < count; ++i) sum = (sum >> 8) ^ table[(sum ^ bytes[i]) & 0xff];
  return sum ^ 0xffffffffu;
}

class Reader {
 public:
  explicit Reader(Module& module) : module_(module) {}

  Status read() {
    MS_RETURN_IF_ERROR(header());
    if (words_count_ < module_record_words || words_[0] < module_record_words || words_[0] > words_count_) {
      return damaged("it has no module record");
    }
    MS_RETURN_IF_ERROR(kernels());
    MS_RETURN_IF_ERROR(constants());
    MS_RETURN_IF_ERROR(texts(words_[9], words_[10], module_.sources));
    MS_RETURN_IF_ERROR(states());
    int64_t first = 0, count = 0;
    MS_RETURN_IF_ERROR(list(words_[3], words_[4], 20, first, count));
    for (int64_t i = 0; i < count; ++i) {
      auto made = std::make_unique<Function>();
      MS_RETURN_IF_ERROR(function(words_ + first + 20 * i, *made));
      module_.functions.push_back(std::move(made));
    }
    return signatures();
  }

 private:
  Status header() {
    const auto* bytes = static_cast<const unsigned char*>(module_.file->data());
    const auto size = static_cast<uint64_t>(module_.file->bytes());
    if (size < header_bytes || std::memcmp(bytes, "MILLPLAN", 8) != 0) {
      return Status(Code::data_loss,
                    "This is no plan file: it does not start with MILLPLAN. Give a file made by export.");
    }
    uint32_t version, order;
    uint64_t field[6];
    std::memcpy(&version, bytes + 8, 4);
    std::memcpy(&order, bytes + 12, 4);
    std::memcpy(field, bytes + 16, sizeof field);
    if (order != 0x01020304) return damaged("its byte order mark is wrong");
    if (version != 1) {
      return Status(Code::unimplemented, "The plan file has version " + std::to_string(version) +
                                             ", this runtime reads version 1. Update millstream.");
    }
    if (field[0] != size) {
      return damaged("it has " + std::to_string(size) + " bytes, its header says " + std::to_string(field[0]));
    }
    const uint64_t words_offset = field[1], words = field[2], blob_offset = field[3], blob_bytes = field[4];
    if (words_offset % 8 || words_offset < header_bytes || words_offset > size || words > (size - words_offset) / 8) {
      return damaged("its words lie outside");
    }
    if (blob_offset % 64 || blob_offset < header_bytes || blob_offset > size || blob_bytes > size - blob_offset) {
      return damaged("its blob lies outside");
    }
    if (crc32(bytes + words_offset, words * 8) != field[5]) return damaged("its checksum does not fit its words");
    words_ = reinterpret_cast<const int64_t*>(bytes + words_offset);
    words_count_ = static_cast<int64_t>(words);
    blob_ = reinterpret_cast<const char*>(bytes + blob_offset);
    blob_bytes_ = static_cast<int64_t>(blob_bytes);
    budget_ = 4 * words_count_ + 1024;
    return Status();
  }

  // A list of records. The budget keeps overlapping lists from making a small file large.
  Status list(int64_t offset, int64_t count, int64_t record, int64_t& first, int64_t& size) {
    if (count < 0 || offset < 0 || offset > words_count_ || count > (words_count_ - offset) / record) {
      return damaged("a list lies outside its words");
    }
    budget_ -= count * record;
    if (budget_ < 0) return damaged("its lists overlap");
    first = offset;
    size = count;
    return Status();
  }

  Status text(int64_t offset, int64_t bytes, std::string_view& out) {
    if (bytes < 0 || offset < 0 || offset > blob_bytes_ || bytes > blob_bytes_ - offset) {
      return damaged("a text lies outside its blob");
    }
    out = {blob_ + offset, static_cast<size_t>(bytes)};
    return Status();
  }

  Status texts(int64_t offset, int64_t count, std::vector<std::string_view>& out) {
    int64_t first = 0, size = 0;
    MS_RETURN_IF_ERROR(list(offset, count, 2, first, size));
    out.resize(static_cast<size_t>(size));
    for (int64_t i = 0; i < size; ++i) {
      MS_RETURN_IF_ERROR(text(words_[first + 2 * i], words_[first + 2 * i + 1], out[static_cast<size_t>(i)]));
    }
    return Status();
  }

  Status kernels() {
    std::vector<std::string_view> names;
    MS_RETURN_IF_ERROR(texts(words_[1], words_[2], names));
    for (auto name : names) {
      const Kernel* kernel = Registry::instance().find(name.data(), name.size());
      if (!kernel) {
        return Status(Code::unimplemented,
                      "The plan needs the kernel '" + std::string(name.substr(0, 100)) +
                          "', which this build does not have. Export it with kernels of this build.");
      }
      module_.kernels.push_back(kernel);
    }
    return Status();
  }

  Status dims(int64_t rank, int64_t offset, const int64_t*& out) {
    if (rank < 0 || rank > max_rank) return damaged("a rank is " + std::to_string(rank) + ", allowed are 0 to 12");
    if (offset < 0 || offset > words_count_ || rank > words_count_ - offset) {
      return damaged("sizes lie outside its words");
    }
    out = words_ + offset;
    return Status();
  }

  static bool known(int64_t dtype) {
    const auto type = static_cast<DType>(dtype);
    return dtype > 0 && dtype <= 30 &&
           (element_bytes(type) > 0 || type == DType::string || type == DType::resource || type == DType::variant);
  }

  Status constants() {
    int64_t first = 0, count = 0;
    MS_RETURN_IF_ERROR(list(words_[5], words_[6], 5, first, count));
    module_.constants.resize(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) {
      const int64_t* record = words_ + first + 5 * i;
      Tensor& out = module_.constants[static_cast<size_t>(i)];
      if (!known(record[0])) return damaged("a constant has the element type " + std::to_string(record[0]));
      out.dtype = static_cast<DType>(record[0]);
      const int64_t* sizes;
      MS_RETURN_IF_ERROR(dims(record[1], record[2], sizes));
      out.rank = static_cast<int32_t>(record[1]);
      for (int axis = 0; axis < out.rank; ++axis) out.dims[axis] = sizes[axis];
      int64_t elements, bytes;
      MS_RETURN_IF_ERROR(literal_count(out.dtype, out.rank, out.dims, elements, bytes));
      std::string_view held;
      MS_RETURN_IF_ERROR(text(record[3], record[4], held));
      if (record[3] % 64) return damaged("a constant is not aligned to 64 bytes");
      if (out.dtype == DType::string) {
        MS_RETURN_IF_ERROR(strings(held, elements));
      } else if (element_bytes(out.dtype) == 0) {
        return damaged("a constant is a handle");
      } else if (bytes != record[4]) {
        return damaged("a constant's bytes do not fit its shape");
      }
      if (out.dtype == DType::boolean) {
        for (char byte : held) {
          if (byte & ~1) return damaged("a bool constant holds neither 0 nor 1");
        }
      }
      out.buffer = module_.file;
      out.data = const_cast<char*>(held.data());
    }
    return Status();
  }

  Status strings(std::string_view held, int64_t count) {
    if (count >= static_cast<int64_t>(held.size() / 8) + 1 || held.size() < static_cast<size_t>(count + 1) * 8) {
      return damaged("a string constant has no offsets");
    }
    const auto room = static_cast<int64_t>(held.size()) - (count + 1) * 8;
    int64_t last = 0;
    for (int64_t i = 0; i <= count; ++i) {
      int64_t offset;
      std::memcpy(&offset, held.data() + 8 * i, 8);
      if ((i == 0 && offset != 0) || offset < last || offset > room)
        return damaged("a string constant's offsets are wrong");
      last = offset;
    }
    return Status();
  }

  Status states() {
    int64_t first = 0, count = 0;
    MS_RETURN_IF_ERROR(list(words_[11], words_[12], 8, first, count));
    for (int64_t i = 0; i < count; ++i) {
      const int64_t* record = words_ + first + 8 * i;
      StateRecord out{};
      MS_RETURN_IF_ERROR(text(record[0], record[1], out.name));
      if (!known(record[2])) return damaged("a state has the element type " + std::to_string(record[2]));
      out.dtype = static_cast<DType>(record[2]);
      MS_RETURN_IF_ERROR(dims(record[3], record[4], out.dims));
      out.rank = static_cast<int32_t>(record[3]);
      if (record[6] < 0) return damaged("a state names a function that is not there");
      out.maker = record[6] - 1;
      if ((out.maker >= 0) != (out.dtype == DType::resource) ||
          (out.maker >= 0 && (out.rank != 0 || record[5] != -1))) {
        return damaged("a state that is no variable needs a function that makes it");
      }
      int64_t elements, bytes;
      MS_RETURN_IF_ERROR(literal_count(out.dtype, out.rank, out.dims, elements, bytes));
      out.constant = record[5];
      if (out.constant < -1 || out.constant >= static_cast<int64_t>(module_.constants.size())) {
        return damaged("a state names a constant that is not there");
      }
      if (out.constant >= 0) {
        const Tensor& initial = module_.constants[static_cast<size_t>(out.constant)];
        bool fits = initial.dtype == out.dtype && initial.rank == out.rank;
        for (int axis = 0; fits && axis < out.rank; ++axis) fits = initial.dims[axis] == out.dims[axis];
        if (!fits) return damaged("a state's first value does not fit it");
      }
      module_.states.push_back(out);
    }
    return Status();
  }

  Status ids(int64_t offset, int64_t count, size_t limit, std::vector<int32_t>& out) {
    int64_t first = 0, size = 0;
    MS_RETURN_IF_ERROR(list(offset, count, 1, first, size));
    out.reserve(static_cast<size_t>(size));
    for (int64_t i = 0; i < size; ++i) {
      const int64_t id = words_[first + i];
      if (id < 0 || id >= static_cast<int64_t>(limit)) return damaged("a value id is out of range");
      out.push_back(static_cast<int32_t>(id));
    }
    return Status();
  }

  Status function(const int64_t* record, Function& out) {
    MS_RETURN_IF_ERROR(text(record[0], record[1], out.name));
    out.symbol_count = record[2];
    if (out.symbol_count < 0 || out.symbol_count > words_count_)
      return damaged("a function's symbol count is out of range");
    int64_t first = 0, count = 0;
    MS_RETURN_IF_ERROR(list(record[3], record[4], 3, first, count));
    for (int64_t i = 0; i < count; ++i) {
      const int64_t* word = words_ + first + 3 * i;
      out.expressions.push_back({word[0], word[1], word[2]});
    }
    MS_RETURN_IF_ERROR(list(record[5], record[6], 6, first, count));
    if (count > (int64_t{1} << 30)) return damaged("a function has too many values");
    for (int64_t i = 0; i < count; ++i) {
      const int64_t* word = words_ + first + 6 * i;
      Value value{};
      if (!known(word[0])) return damaged("a value has the element type " + std::to_string(word[0]));
      value.dtype = static_cast<DType>(word[0]);
      MS_RETURN_IF_ERROR(dims(word[1], word[2], value.sizes));
      value.rank = static_cast<int32_t>(word[1]);
      if (word[3] < 0 || word[3] > 4) return damaged("a value's storage is " + std::to_string(word[3]));
      value.storage = static_cast<Storage>(word[3]);
      value.location = word[4];
      if (word[5] & ~int64_t{1}) return damaged("a value has flags this version does not know");
      value.binding = word[5] & 1;
      value.root = static_cast<int32_t>(i);
      out.values.push_back(value);
    }
    MS_RETURN_IF_ERROR(ids(record[7], record[8], out.values.size(), out.inputs));
    MS_RETURN_IF_ERROR(ids(record[9], record[10], out.values.size(), out.outputs));
    out.arena_bytes = record[13];
    if (out.arena_bytes < 0 || out.arena_bytes > (int64_t{1} << 42)) return damaged("an arena's size is out of range");
    MS_RETURN_IF_ERROR(list(record[14], record[15], 3, first, count));
    for (int64_t i = 0; i < count; ++i) {
      const int64_t* word = words_ + first + 3 * i;
      out.bindings.push_back({word[0], word[1], word[2]});
    }
    MS_RETURN_IF_ERROR(list(record[11], record[12], 12, first, count));
    out.instructions.reserve(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) {
      MS_RETURN_IF_ERROR(instruction(words_ + first + 12 * i, out));
    }
    return Status();
  }

  Status part(int64_t offset, int64_t count, int64_t record, const int64_t*& out, int32_t& size) {
    int64_t first = 0, checked = 0;
    MS_RETURN_IF_ERROR(list(offset, count, record, first, checked));
    if (checked > (int64_t{1} << 30)) return damaged("a list is too long");
    out = words_ + first;
    size = static_cast<int32_t>(checked);
    return Status();
  }

  Status instruction(const int64_t* word, Function& function) {
    Instruction out{};
    if (word[0] < 0 || word[0] >= static_cast<int64_t>(module_.kernels.size())) {
      return damaged("an instruction's kernel is out of range");
    }
    out.kernel = module_.kernels[static_cast<size_t>(word[0])];
    MS_RETURN_IF_ERROR(part(word[1], word[2], 1, out.inputs, out.input_count));
    MS_RETURN_IF_ERROR(part(word[3], word[4], 1, out.outputs, out.output_count));
    MS_RETURN_IF_ERROR(part(word[5], word[6], 1, out.attributes, out.attribute_count));
    MS_RETURN_IF_ERROR(part(word[7], word[8], 2, out.patches, out.patch_count));
    MS_RETURN_IF_ERROR(part(word[10], word[11], 1, out.releases, out.release_count));
    if (word[9] < -1 || word[9] >= static_cast<int64_t>(module_.sources.size())) {
      return damaged("an instruction's source is out of range");
    }
    out.source = static_cast<int32_t>(word[9]);
    function.instructions.push_back(std::move(out));
    return Status();
  }

  Status signatures() {
    int64_t first = 0, count = 0;
    for (const StateRecord& state : module_.states) {
      if (state.maker < 0) continue;
      if (state.maker >= static_cast<int64_t>(module_.functions.size()))
        return damaged("the function that makes a state is out of range");
      const Function& maker = *module_.functions[static_cast<size_t>(state.maker)];
      if (!maker.inputs.empty() || maker.outputs.size() != 1 ||
          maker.values[static_cast<size_t>(maker.outputs[0])].dtype != DType::resource) {
        return damaged("the function that makes a state takes nothing and gives a resource");
      }
      // It runs when the plan is opened: it may fill a table from constants, and nothing that could take long or act.
      for (const Instruction& item : maker.instructions) {
        const std::string_view name = item.kernel->name;
        if (name != "table_new" && name != "table_insert")
          return damaged("the function that makes a state may only make and fill a table");
      }
    }
    MS_RETURN_IF_ERROR(list(words_[7], words_[8], 10, first, count));
    for (int64_t i = 0; i < count; ++i) {
      const int64_t* record = words_ + first + 10 * i;
      Signature out{};
      MS_RETURN_IF_ERROR(text(record[0], record[1], out.name));
      out.function = record[2];
      if (out.function < 0 || out.function >= static_cast<int64_t>(module_.functions.size())) {
        return damaged("a signature's function is out of range");
      }
      const Function& function = *module_.functions[static_cast<size_t>(out.function)];
      MS_RETURN_IF_ERROR(texts(record[3], record[4], out.input_names));
      MS_RETURN_IF_ERROR(texts(record[5], record[6], out.output_names));
      int64_t pairs = 0, pair_count = 0;
      MS_RETURN_IF_ERROR(list(record[7], record[8], 2, pairs, pair_count));
      std::vector<bool> bound(function.inputs.size());
      for (int64_t pair = 0; pair < pair_count; ++pair) {
        const int64_t input = words_[pairs + 2 * pair], state = words_[pairs + 2 * pair + 1];
        if (input < 0 || input >= static_cast<int64_t>(function.inputs.size()) || bound[static_cast<size_t>(input)] ||
            state < 0 || state >= static_cast<int64_t>(module_.states.size()) ||
            function.values[static_cast<size_t>(function.inputs[static_cast<size_t>(input)])].dtype !=
                DType::resource) {
          return damaged("a signature's states do not fit its function");
        }
        bound[static_cast<size_t>(input)] = true;
        out.states.emplace_back(input, state);
      }
      if (out.input_names.size() + out.states.size() != function.inputs.size() ||
          out.output_names.size() != function.outputs.size()) {
        return damaged("a signature's names do not fit its function");
      }
      module_.signatures.push_back(std::move(out));
    }
    return Status();
  }

  Module& module_;
  const int64_t* words_ = nullptr;
  int64_t words_count_ = 0;
  const char* blob_ = nullptr;
  int64_t blob_bytes_ = 0;
  int64_t budget_ = 0;
};

}  // namespace

Status literal_count(DType dtype, int64_t rank, const int64_t* dims, int64_t& count, int64_t& bytes) {
  constexpr int64_t limit = int64_t{1} << 44;
  count = 1;
  // Sizes other than zero are multiplied, so that [2^40, 2^40, 0] is refused, too: strides are made of them.
  int64_t product = 1;
  for (int64_t i = 0; i < rank; ++i) {
    if (dims[i] < 0) return invalid("A size is negative: " + shape_text(static_cast<int>(rank), dims) + ".");
    count *= dims[i] ? 1 : 0;
    if (dims[i] && __builtin_mul_overflow(product, dims[i], &product)) product = limit;
    if (product >= limit) return Status(Code::resource_exhausted, "A shape has more elements than memory can hold.");
  }
  count *= product;
  const auto size = static_cast<int64_t>(element_bytes(dtype));
  if (product * (size ? size : 1) >= limit) {
    return Status(Code::resource_exhausted, "A shape has more bytes than memory can hold.");
  }
  bytes = count * size;
  return Status();
}

Status Module::load(Ref<Buffer> file, Ref<Module>& out) {
  auto module = Ref<Module>::adopt(new Module);
  module->file = std::move(file);
  MS_RETURN_IF_ERROR(Reader(*module).read());
  MS_RETURN_IF_ERROR(verify_module(*module));
  out = std::move(module);
  return Status();
}

Status Module::load_bytes(const void* data, size_t bytes, Ref<Module>& out) {
  if (bytes < header_bytes)
    return Status(Code::data_loss, "This is no plan file: it has fewer than 64 bytes. Give a file made by export.");
  auto copy = Buffer::allocate(bytes);
  std::memcpy(copy->data(), data, bytes);
  return load(Buffer::wrap(
                  copy->data(), bytes, [](void*, void* held) { static_cast<Buffer*>(held)->release(); },
                  [&] {
                    copy->retain();
                    return copy.get();
                  }(),
                  false),
              out);
}

Status Module::load_path(const char* path, Ref<Module>& out) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0)
    return Status(Code::not_found, std::string("Cannot open the plan '") + path + "': " + std::strerror(errno));
  struct stat facts;
  if (fstat(file, &facts) != 0 || !S_ISREG(facts.st_mode) || facts.st_size < header_bytes) {
    close(file);
    return Status(Code::data_loss, std::string("'") + path + "' is no plan file: it is no file of 64 bytes or more.");
  }
  const auto bytes = static_cast<size_t>(facts.st_size);
  void* data = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  if (data == MAP_FAILED) return Status(Code::resource_exhausted, std::string("Cannot map the plan '") + path + "'.");
  return load(Buffer::wrap(
                  data, bytes, [](void* mapped, void* size) { munmap(mapped, reinterpret_cast<size_t>(size)); },
                  reinterpret_cast<void*>(bytes), false),
              out);
}

}  // namespace millstream
