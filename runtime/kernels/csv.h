// Rows of comma-separated values: their fields, and what these spell.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "memory/tensor.h"
#include "program/status.h"

namespace millstream {

struct CsvForm {
  char delimiter = ',';
  bool quotes = true;   // quotation marks hold fields together
  std::string missing;  // a text that stands for no field, beside the empty one
};

class CsvRow {
 public:
  enum class End { whole, unfinished, bad };

  // Parts one text that is a row; an empty one has no fields.
  bool part_text(std::string_view text, const CsvForm& form);
  // Parts the first row of a file's bytes, up to its end of line; `unfinished` where it may go on behind them.
  End part_lines(std::string_view text, bool ended, const CsvForm& form);

  size_t size() const { return fields_.size(); }
  std::string_view operator[](size_t i) const {
    const Field& field = fields_[i];
    return {(field.own ? own_.data() : text_.data()) + field.at, field.size};
  }
  size_t used() const { return used_; }  // bytes of the file that are the row, its end of line included
  const std::string& wrong() const { return wrong_; }

 private:
  struct Field {
    bool own;  // in `own_`: the text has marks that are no part of it
    size_t at, size;
  };
  enum class Step { field, end, unfinished, bad };
  Step quoted(size_t& at, bool lines, bool ended, char delimiter);
  Step plain(size_t& at, bool lines, bool ended, const CsvForm& form);
  bool refuse(const char* why);
  End bad_line(size_t at, bool ended);

  std::string_view text_;
  std::string own_;
  std::vector<Field> fields_;
  size_t used_ = 0;
  std::string wrong_;
};

bool csv_type(DType dtype);  // float32, float64, int32, int64, string
// Puts the number that a field spells at `place`; false where it spells none.
bool csv_number(std::string_view field, DType dtype, void* place);
std::string csv_not_valid(size_t field, const std::string& record, DType dtype, std::string_view text);

}  // namespace millstream
