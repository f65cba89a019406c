// How elements, ends and failures that wait for their reader are saved.
#include "data/items.h"

namespace millstream {

void save_item(const Item& item, Marks& marks) {
  marks.put(item.found == Found::element);
  if (item.found == Found::element) return marks.put(item.element);
  marks.put(static_cast<int64_t>(item.failure.status.code()));
  marks.put(text_scalar(item.failure.status.message().data(), item.failure.status.message().size()));
  marks.put(text_scalar(item.failure.stage.data(), item.failure.stage.size()));
  marks.put(item.failure.index);
  marks.put(item.failure.in_function);
}

bool restore_item(Item& item, Marks& marks) {
  int64_t good = 0, code = 0, in_function = 0;
  Tensor message, stage;
  item.done = true;
  if (!marks.take(good)) return false;
  if (good) return marks.take(item.element);
  item.found = Found::failure;
  if (!marks.take(code) || !marks.take(message) || !marks.take(stage) || !marks.take(item.failure.index) ||
      !marks.take(in_function) || code < 1 || code > 16)
    return false;
  item.failure.status = Status(static_cast<Code>(code), text_of(message));
  item.failure.stage = text_of(stage);
  item.failure.in_function = in_function != 0;
  return true;
}

}  // namespace millstream
