// Elements kept in memory while they are first made. Readers of one cache share them once one came to its end.
#include "data/reader.h"

namespace millstream {
namespace {

class Cached final : public Reader {
 public:
  Cached(ReaderRef before, CacheRef cache) : before_(std::move(before)), cache_(std::move(cache)), kept_(whole()) {}

  Found next(Element& out, Failure& failure) override {
    if (kept_) {
      if (at_ >= kept_->size()) return Found::end;
      out = (*kept_)[at_++];
      return Found::element;
    }
    const Found found = before_->next(out, failure);
    if (found == Found::element) made_.push_back(out);
    if (found == Found::end) finish();
    return found;
  }

  void save(Marks& marks) override {
    const std::vector<Element>& elements = kept_ ? *kept_ : made_;
    marks.put(kept_ != nullptr);
    marks.put(static_cast<int64_t>(at_));
    marks.put(static_cast<int64_t>(elements.size()));
    for (const Element& element : elements) marks.put(element);
  }

  bool restore(Marks& marks) override {
    int64_t is_whole = 0, at = 0, count = 0;
    if (!marks.take(is_whole) || !marks.take(at) || !marks.take(count) || count < 0 || at < 0 || at > count)
      return false;
    std::vector<Element> elements;
    for (int64_t i = 0; i < count; ++i) {
      Element element;
      if (!marks.take(element)) return false;
      elements.push_back(std::move(element));
    }
    at_ = static_cast<size_t>(at);
    made_.clear();
    kept_.reset();
    if (is_whole) {
      kept_ = std::make_shared<const std::vector<Element>>(std::move(elements));
    } else {
      made_ = std::move(elements);
    }
    return true;
  }

 private:
  std::shared_ptr<const std::vector<Element>> whole() {
    std::lock_guard lock(cache_->mutex);
    return cache_->elements;
  }

  void finish() {
    kept_ = std::make_shared<const std::vector<Element>>(std::move(made_));
    at_ = kept_->size();
    std::lock_guard lock(cache_->mutex);
    if (!cache_->elements) cache_->elements = kept_;
  }

  ReaderRef before_;
  CacheRef cache_;
  std::shared_ptr<const std::vector<Element>> kept_;  // null while elements are being made
  std::vector<Element> made_;
  size_t at_ = 0;
};

}  // namespace

ReaderRef read_cached(ReaderRef before, CacheRef cache) {
  return std::make_shared<Cached>(std::move(before), std::move(cache));
}

}  // namespace millstream
