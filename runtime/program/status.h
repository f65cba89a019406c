// Status: how anything below the C border reports a failure. No exceptions cross a kernel.
#pragma once

#include <string>
#include <utility>

namespace millstream {

// TensorFlow's error codes, so that each becomes the same `tf.errors` class.
enum class Code : int {
  ok = 0,
  cancelled = 1,
  unknown = 2,
  invalid_argument = 3,
  not_found = 5,
  already_exists = 6,
  permission_denied = 7,
  resource_exhausted = 8,
  failed_precondition = 9,
  aborted = 10,
  out_of_range = 11,
  unimplemented = 12,
  internal = 13,
  unavailable = 14,
  data_loss = 15,
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}
  bool ok() const { return code_ == Code::ok; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  Code code_ = Code::ok;
  std::string message_;
};

inline Status invalid(std::string message) { return Status(Code::invalid_argument, std::move(message)); }

#define MS_RETURN_IF_ERROR(expression)              \
  do {                                              \
    ::millstream::Status ms_status_ = (expression); \
    if (!ms_status_.ok()) return ms_status_;        \
  } while (false)

#define MS_REQUIRE(condition, message)                       \
  do {                                                       \
    if (!(condition)) return ::millstream::invalid(message); \
  } while (false)

}  // namespace millstream
