// Turns patterns into steps and follows all of them through the text at once. Refuses patterns of more than 100000 steps.
#include <algorithm>

#include "kernels/regex.h"

namespace millstream::regex {

Character decode(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[at + i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const int more = lead >= 0xc2 && lead < 0xe0   ? 1
                   : lead >= 0xe0 && lead < 0xf0 ? 2
                   : lead >= 0xf0 && lead < 0xf5 ? 3
                                                 : 0;
  if (more == 0 || at + static_cast<size_t>(more) >= text.size()) return {-1, 1};
  int32_t code = lead & (0x3f >> more);
  for (int i = 1; i <= more; ++i) {
    if ((byte(static_cast<size_t>(i)) & 0xc0) != 0x80) return {-1, 1};
    code = code << 6 | (byte(static_cast<size_t>(i)) & 0x3f);
  }
  constexpr int32_t least[] = {0, 0x80, 0x800, 0x10000};
  if (code < least[more] || code > 0x10ffff) return {-1, 1};
  return {code, more + 1};
}

namespace {

constexpr size_t most_steps = 100000;

bool is_word(std::string_view text, size_t at) {
  if (at >= text.size()) return false;
  const char c = text[at];
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool holds(Assertion assertion, std::string_view text, size_t at) {
  switch (assertion) {
    case Assertion::begin_text:
      return at == 0;
    case Assertion::end_text:
      return at == text.size();
    case Assertion::begin_line:
      return at == 0 || text[at - 1] == '\n';
    case Assertion::end_line:
      return at == text.size() || text[at] == '\n';
    default: {
      const bool border = (at > 0 && is_word(text, at - 1)) != is_word(text, at);
      return border == (assertion == Assertion::word_border);
    }
  }
}

bool contains(const Ranges& ranges, int32_t code) {
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), code,
                                      [](int32_t c, const Range& range) { return c < range.first; });
  return after != ranges.begin() && code <= std::prev(after)->second;
}

}  // namespace

// Writes the steps from the end of the pattern to its beginning, so that each knows its next.
class Compiler {
 public:
  explicit Compiler(Expression& result) : result_(result) {}

  Status run(const Parsed& parsed) {
    const int end = add({});
    const int close = add({Operation::save, {}, end, 1});
    result_.start = add({Operation::save, {}, compile(*parsed.root, close), 0});
    result_.groups = parsed.groups;
    if (result_.steps.size() > most_steps) return invalid("pattern too large - compile failed");
    mark_starts();
    return Status();
  }

 private:
  int add(Step step) {
    result_.steps.push_back(step);
    return static_cast<int>(result_.steps.size()) - 1;
  }
  int split(int first, int second, bool greedy) {
    return add({Operation::split, {}, greedy ? first : second, greedy ? second : first});
  }

  int compile(const Node& node, int next) {
    if (result_.steps.size() > most_steps) return next;
    switch (node.kind) {
      case Kind::empty:
        return next;
      case Kind::any_of:
        result_.ranges.push_back(node.ranges);
        return add({Operation::any_of, {}, next, static_cast<int>(result_.ranges.size()) - 1});
      case Kind::assertion:
        return add({Operation::assertion, node.assertion, next, 0});
      case Kind::joined:
        for (size_t i = node.children.size(); i-- > 0;) next = compile(*node.children[i], next);
        return next;
      case Kind::either: {
        int rest = compile(*node.children.back(), next);
        for (size_t i = node.children.size() - 1; i-- > 0;) rest = split(compile(*node.children[i], next), rest, true);
        return rest;
      }
      case Kind::group: {
        const int close = add({Operation::save, {}, next, 2 * node.group + 1});
        return add({Operation::save, {}, compile(*node.children[0], close), 2 * node.group});
      }
      case Kind::repeat:
        return repeat(node, next);
    }
    return next;
  }

  int repeat(const Node& node, int next) {
    const Node& child = *node.children[0];
    int least = node.least;
    if (node.most < 0) {
      const int loop = add({Operation::split, {}, 0, 0});
      const int body = compile(child, loop);
      result_.steps[static_cast<size_t>(loop)].next = node.greedy ? body : next;
      result_.steps[static_cast<size_t>(loop)].other = node.greedy ? next : body;
      next = least > 0 ? body : loop;
      --least;
    } else {
      const int end = next;
      for (int i = least; i < node.most; ++i) next = split(compile(child, next), end, node.greedy);
    }
    for (int i = 0; i < least; ++i) next = compile(child, next);
    return next;
  }

  // All bytes may begin a match where it may be empty or depends on what is around it.
  void mark_starts() {
    std::vector<int> waiting{result_.start};
    std::vector<char> seen(result_.steps.size());
    while (!waiting.empty()) {
      const int at = waiting.back();
      waiting.pop_back();
      if (std::exchange(seen[static_cast<size_t>(at)], 1)) continue;
      const Step& step = result_.steps[static_cast<size_t>(at)];
      switch (step.operation) {
        case Operation::any_of:
          for (int32_t byte = 0; byte < 128; ++byte)
            result_.starts[byte] |= contains(result_.ranges[static_cast<size_t>(step.other)], byte);
          if (!result_.ranges[static_cast<size_t>(step.other)].empty() &&
              result_.ranges[static_cast<size_t>(step.other)].back().second >= 128)
            std::fill(result_.starts + 128, result_.starts + 256, true);
          break;
        case Operation::split:
          waiting.push_back(step.other);
          [[fallthrough]];
        case Operation::save:
          waiting.push_back(step.next);
          break;
        default:
          std::fill(result_.starts, result_.starts + 256, true);
      }
    }
  }

  Expression& result_;
};

Status Expression::compile(std::string_view pattern, Expression& result) {
  Parsed parsed;
  MS_RETURN_IF_ERROR(parse(pattern, parsed));
  return Compiler(result).run(parsed);
}

Search::Search(const Expression& expression, int groups)
    : expression_(expression), width_(2 * static_cast<size_t>(groups) + 2), current_(width_, -1), best_(width_, -1) {
  for (Threads* threads : {&now_, &then_}) {
    threads->mark.resize(expression.steps.size());
    threads->slots.resize(expression.steps.size() * width_);
  }
}

void Search::Threads::clear() {
  order.clear();
  ++round;
}

// Adds all steps that wait for a character and are reached from `first` without one.
void Search::follow(Threads& threads, int first, std::string_view text, size_t at) {
  waiting_.assign(1, {first, -1, 0});
  while (!waiting_.empty()) {
    const Waiting item = waiting_.back();
    waiting_.pop_back();
    if (item.slot >= 0) {
      current_[static_cast<size_t>(item.slot)] = item.value;
      continue;
    }
    const auto index = static_cast<size_t>(item.step);
    if (threads.mark[index] == threads.round) continue;
    threads.mark[index] = threads.round;
    const Step& step = expression_.steps[index];
    switch (step.operation) {
      case Operation::split:
        waiting_.push_back({step.other, -1, 0});
        waiting_.push_back({step.next, -1, 0});
        break;
      case Operation::save:
        if (static_cast<size_t>(step.other) < width_) {
          int64_t& slot = current_[static_cast<size_t>(step.other)];
          waiting_.push_back({0, step.other, slot});
          slot = static_cast<int64_t>(at);
        }
        waiting_.push_back({step.next, -1, 0});
        break;
      case Operation::assertion:
        if (holds(step.assertion, text, at)) waiting_.push_back({step.next, -1, 0});
        break;
      default:
        threads.order.push_back(item.step);
        std::copy(current_.begin(), current_.end(), threads.slots.begin() + static_cast<int64_t>(index * width_));
    }
  }
}

bool Search::find(std::string_view text, size_t from, bool whole) {
  now_.clear();
  then_.clear();
  bool found = false;
  for (size_t at = from;;) {
    if (!found && (!whole || at == from)) {
      if (now_.order.empty() && !whole) {
        while (at < text.size() && !expression_.starts[static_cast<uint8_t>(text[at])]) ++at;
      }
      std::fill(current_.begin(), current_.end(), -1);
      follow(now_, expression_.start, text, at);
    }
    if (now_.order.empty() && (found || whole || at >= text.size())) break;
    const Character c = at < text.size() ? decode(text, at) : Character{-1, 1};
    const size_t after = at + static_cast<size_t>(c.bytes);
    for (const int index : now_.order) {
      const Step& step = expression_.steps[static_cast<size_t>(index)];
      const int64_t* own = now_.slots.data() + static_cast<size_t>(index) * width_;
      if (step.operation == Operation::match) {
        if (whole && at != text.size()) continue;
        best_.assign(own, own + width_);
        found = true;
        break;
      }
      if (c.code >= 0 && contains(expression_.ranges[static_cast<size_t>(step.other)], c.code)) {
        std::copy(own, own + width_, current_.begin());
        follow(then_, step.next, text, after);
      }
    }
    if (at >= text.size()) break;
    std::swap(now_, then_);
    then_.clear();
    at = after;
  }
  return found;
}

}  // namespace millstream::regex
