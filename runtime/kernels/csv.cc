// text_csv: rows of text as columns. Refuses rows with another number of fields, missing fields without a default, and
// fields that spell no number.
//
// Inputs: strings of any sizes; for each column its default, a scalar, a vector of one, or of none where fields must be
// there. Outputs: for each column values of the sizes of the rows. Attributes: the delimiter, whether quotation marks
// count, the bytes of the text for a missing field and their words, then the columns that are read, none for all.
#include "kernels/csv.h"

#include "kernels/strings_parse.h"

namespace millstream {

bool CsvRow::refuse(const char* why) {
  wrong_ = why;
  return false;
}

CsvRow::Step CsvRow::quoted(size_t& at, bool lines, bool ended, char delimiter) {
  const size_t start = own_.size();
  size_t from = at + 1;
  for (;;) {
    const size_t mark = text_.find('"', from);
    if (mark == std::string_view::npos) {
      if (lines && !ended) return Step::unfinished;
      wrong_ = lines ? "Reached end of file without closing quoted field in record"
                     : "Quoted field has to end with quote followed by delim or end";
      return Step::bad;
    }
    own_.append(text_.substr(from, mark - from));
    if (mark + 1 == text_.size() && lines && !ended) return Step::unfinished;
    const char next = mark + 1 < text_.size() ? text_[mark + 1] : delimiter;
    if (next == delimiter || (lines && (next == '\n' || next == '\r'))) {
      fields_.push_back({true, start, own_.size() - start});
      at = mark + 1;
      return Step::field;
    }
    if (next != '"') {
      wrong_ = "Quote inside a string has to be escaped by another quote";
      return Step::bad;
    }
    own_.push_back('"');
    from = mark + 2;
  }
}

CsvRow::Step CsvRow::plain(size_t& at, bool lines, bool ended, const CsvForm& form) {
  const size_t start = at;
  for (; at < text_.size(); ++at) {
    const char c = text_[at];
    if (c == form.delimiter) break;
    if (c == '\n' || c == '\r') {
      if (lines) break;
      wrong_ = "Unquoted fields cannot have quotes/CRLFs inside";
      return Step::bad;
    }
    if (c == '"' && form.quotes) {
      wrong_ = lines ? "Unquoted fields cannot have quotes inside" : "Unquoted fields cannot have quotes/CRLFs inside";
      return Step::bad;
    }
  }
  if (at == text_.size() && lines && !ended) return Step::unfinished;
  fields_.push_back({false, start, at - start});
  return Step::field;
}

bool CsvRow::part_text(std::string_view text, const CsvForm& form) {
  text_ = text;
  own_.clear();
  fields_.clear();
  for (size_t at = 0; at < text.size();) {
    const bool marked = form.quotes && text[at] == '"';
    if ((marked ? quoted(at, false, true, form.delimiter) : plain(at, false, true, form)) == Step::bad) return false;
    if (at < text.size() && ++at == text.size()) fields_.push_back({false, at, 0});
  }
  return true;
}

CsvRow::End CsvRow::bad_line(size_t at, bool ended) {
  const size_t end = text_.find('\n', at);
  if (end == std::string_view::npos && !ended) return End::unfinished;
  used_ = end == std::string_view::npos ? text_.size() : end + 1;
  return End::bad;
}

CsvRow::End CsvRow::part_lines(std::string_view text, bool ended, const CsvForm& form) {
  text_ = text;
  own_.clear();
  fields_.clear();
  for (size_t at = 0;; ++at) {
    const bool marked = form.quotes && at < text.size() && text[at] == '"';
    const Step step = marked ? quoted(at, true, ended, form.delimiter) : plain(at, true, ended, form);
    if (step == Step::unfinished) return End::unfinished;
    if (step == Step::bad) return bad_line(at, ended);
    if (at < text.size() && text[at] == form.delimiter) continue;
    used_ = at;
    if (at == text.size()) return End::whole;
    if (text[at] == '\r') {
      if (at + 1 == text.size() && !ended) return End::unfinished;
      used_ += at + 1 < text.size() && text[at + 1] == '\n';
    }
    ++used_;
    return End::whole;
  }
}

bool csv_type(DType dtype) {
  return dtype == DType::float32 || dtype == DType::float64 || dtype == DType::int32 || dtype == DType::int64 ||
         dtype == DType::string;
}

bool csv_number(std::string_view field, DType dtype, void* place) {
  switch (dtype) {
    case DType::float32:
      return parse_number(field, *static_cast<float*>(place));
    case DType::float64:
      return parse_number(field, *static_cast<double*>(place));
    case DType::int32:
      return parse_number(field, *static_cast<int32_t*>(place));
    default:
      return parse_number(field, *static_cast<int64_t*>(place));
  }
}

std::string csv_not_valid(size_t field, const std::string& record, DType dtype, std::string_view text) {
  const char* const name = dtype == DType::float32   ? "float"
                           : dtype == DType::float64 ? "double"
                           : dtype == DType::int32   ? "int32"
                                                     : "int64";
  return "Field " + std::to_string(field) + " in record" + record + " is not a valid " + name + ": " +
         std::string(text);
}

namespace {

constexpr int64_t head_words = 3;

Status check_csv(const Call& call) {
  MS_REQUIRE(call.input_count >= 2 && call.output_count == call.input_count - 1 && call.has(0) &&
                 call.in(0).dtype == DType::string,
             "text_csv takes strings and a default for each output.");
  MS_REQUIRE(call.attribute_count >= head_words && call.attributes[0] >= 0 && call.attributes[0] < 256 &&
                 call.attributes[2] >= 0 && call.attributes[2] <= 8 * (call.attribute_count - head_words),
             "text_csv: its attributes are wrong.");
  const int64_t chosen = call.attribute_count - head_words - (call.attributes[2] + 7) / 8;
  MS_REQUIRE(chosen == 0 || chosen == call.output_count, "text_csv reads all columns, or one for each output.");
  for (int64_t i = call.attribute_count - chosen; i < call.attribute_count; ++i)
    MS_REQUIRE(call.attributes[i] >= 0, "text_csv: the number of a column is negative.");
  for (int i = 0; i < call.output_count; ++i) {
    MS_REQUIRE(call.has(i + 1) && csv_type(call.out(i).dtype) && call.in(i + 1).dtype == call.out(i).dtype &&
                   call.in(i + 1).rank <= 1 && call.in(i + 1).count() <= 1 && same_dims(call.in(0), call.out(i)),
               "text_csv: " + show(call.in(i + 1)) + " is no default for " + show(call.out(i)) + ".");
  }
  return Status();
}

Status run_csv(const Call& call) {
  return guarded("text_csv", [&]() -> Status {
    const Strings rows(call.in(0));
    const int64_t count = call.in(0).count();
    const auto columns = static_cast<size_t>(call.output_count);
    CsvForm form;
    form.delimiter = static_cast<char>(call.attributes[0]);
    form.quotes = call.attributes[1] != 0;
    form.missing.assign(reinterpret_cast<const char*>(call.attributes + head_words),
                        static_cast<size_t>(call.attributes[2]));
    const int64_t first_chosen = head_words + (call.attributes[2] + 7) / 8;
    const bool all = first_chosen == call.attribute_count;
    std::vector<StringWriter> texts(columns, StringWriter(0));
    CsvRow row;
    for (int64_t i = 0; i < count; ++i) {
      const std::string record = " " + std::to_string(i);
      if (!row.part_text(rows[i], form)) return invalid(row.wrong());
      size_t there = row.size();
      if (!all) {
        there = 0;
        for (size_t j = 0; j < columns; ++j)
          there += static_cast<size_t>(call.attributes[first_chosen + static_cast<int64_t>(j)]) < row.size();
      }
      if (there != columns) {
        return invalid("Expect " + std::to_string(columns) + " fields but have " + std::to_string(there) +
                       " in record" + record);
      }
      for (size_t j = 0; j < columns; ++j) {
        const std::string_view field =
            row[all ? j : static_cast<size_t>(call.attributes[first_chosen + static_cast<int64_t>(j)])];
        const Tensor& fallback = call.in(static_cast<int>(j) + 1);
        Tensor& out = call.out(static_cast<int>(j));
        const size_t bytes = element_bytes(out.dtype);
        if (field.empty() || field == form.missing) {
          if (fallback.count() == 0)
            return invalid("Field " + std::to_string(j) + " is required but missing in record" + record + "!");
          if (out.dtype == DType::string) {
            texts[j].add(Strings(fallback)[0]);
          } else {
            std::memcpy(out.as<char>() + static_cast<size_t>(i) * bytes, fallback.data, bytes);
          }
        } else if (out.dtype == DType::string) {
          texts[j].add(field);
        } else if (!csv_number(field, out.dtype, out.as<char>() + static_cast<size_t>(i) * bytes)) {
          return invalid(csv_not_valid(j, record, out.dtype, field));
        }
      }
    }
    for (size_t j = 0; j < columns; ++j) {
      Tensor& out = call.out(static_cast<int>(j));
      if (out.dtype == DType::string) MS_RETURN_IF_ERROR(texts[j].give(out));
    }
    return Status();
  });
}

const Kernel kernel_csv{"text_csv", check_csv, run_csv};

}  // namespace

void register_csv(Registry& registry) { registry.add(kernel_csv); }

}  // namespace millstream
