// Rows of CSV files as elements: a scalar for each column. A row that is none is an error of its own; the next one comes.
#include "data/window.h"
#include "kernels/csv.h"
#include "memory/objects.h"

namespace millstream {
namespace {

class CsvRows final : public FileRecords {
 public:
  CsvRows(ReaderRef names, OpenFile open, CsvSettings settings, std::string stage)
      : FileRecords(std::move(names), std::move(open), std::move(stage)), settings_(std::move(settings)) {
    form_.delimiter = settings_.delimiter;
    form_.quotes = settings_.quotes;
    form_.missing = settings_.missing;
  }

 protected:
  void begin_file() override {
    header_passed_ = !settings_.header;
    number_ = -1;
  }

  Found record(Window& window, Element& out, Failure& failure, bool& goes_on) override {
    goes_on = true;
    for (;;) {
      if (window.size() == 0 && !window.fill(1, failure)) return goes_on = false, Found::failure;
      if (window.size() == 0) return Found::end;
      CsvRow::End end;
      while ((end = row_.part_lines({window.data(), window.size()}, window.ended(), form_)) ==
             CsvRow::End::unfinished) {
        if (!window.more(failure)) return goes_on = false, Found::failure;
      }
      const size_t used = row_.used();
      ++number_;
      if (!header_passed_) {
        header_passed_ = true;
        window.drop(used);
        continue;
      }
      std::string wrong = end == CsvRow::End::bad ? row_.wrong() : values(out);
      window.drop(used);
      if (wrong.empty()) return Found::element;
      failure = failure_of(invalid(std::move(wrong)));
      return Found::failure;
    }
  }

 private:
  // Makes the element; what comes says what is wrong with the row.
  std::string values(Element& out) {
    const size_t columns = settings_.defaults.size(), fields = row_.size();
    const auto& chosen = settings_.chosen;
    if (chosen.empty() && fields != columns) {
      return "Expect " + std::to_string(columns) + " fields but have " +
             (fields > columns ? "more" : std::to_string(fields)) + place();
    }
    if (!chosen.empty() && static_cast<size_t>(chosen.back()) >= fields) {
      return "Expect more than " + std::to_string(chosen.back()) + " fields but have " + std::to_string(fields) +
             place();
    }
    out.assign(columns, {});
    for (size_t i = 0; i < columns; ++i) {
      const Tensor& fallback = settings_.defaults[i];
      const std::string_view field = row_[chosen.empty() ? i : static_cast<size_t>(chosen[i])];
      if (field.empty() || field == form_.missing) {
        if (fallback.rank) return "Field " + std::to_string(i) + " is required but missing in record!";
        out[i] = fallback;
      } else if (fallback.dtype == DType::string) {
        out[i] = text_scalar(field.data(), field.size());
      } else {
        out[i].dtype = fallback.dtype;
        allocate_data(out[i]);
        if (!csv_number(field, fallback.dtype, out[i].data)) return csv_not_valid(i, "", fallback.dtype, field);
      }
    }
    return "";
  }

  std::string place() const { return " in record " + std::to_string(number_) + " of " + path(); }

  CsvSettings settings_;
  CsvForm form_;
  CsvRow row_;
  bool header_passed_ = false;
  int64_t number_ = -1;
};

}  // namespace

ReaderRef read_csv(ReaderRef names, OpenFile open, CsvSettings settings, std::string stage) {
  for (Tensor& fallback : settings.defaults) fallback = owned(fallback);
  return std::make_shared<CsvRows>(std::move(names), std::move(open), std::move(settings), std::move(stage));
}

}  // namespace millstream
