// Reads patterns of RE2's syntax into trees. Refuses what regex.h says.
#include <algorithm>
#include <cctype>

#include "kernels/regex.h"

namespace millstream::regex {
namespace {

constexpr int32_t last_code = 0x10ffff;
constexpr int most_repeats = 1000;  // as RE2
constexpr int deepest = 250;        // groups in groups: each takes some of the stack

void add_range(Ranges& ranges, int32_t first, int32_t last) { ranges.emplace_back(first, last); }

void tidy(Ranges& ranges) {
  std::sort(ranges.begin(), ranges.end());
  Ranges merged;
  for (const Range& range : ranges) {
    if (!merged.empty() && range.first <= merged.back().second + 1) {
      merged.back().second = std::max(merged.back().second, range.second);
    } else {
      merged.push_back(range);
    }
  }
  ranges = std::move(merged);
}

Ranges negated(Ranges ranges) {
  tidy(ranges);
  Ranges result;
  int32_t next = 0;
  for (const Range& range : ranges) {
    if (range.first > next) result.emplace_back(next, range.first - 1);
    next = range.second + 1;
  }
  if (next <= last_code) result.emplace_back(next, last_code);
  return result;
}

struct Named {
  std::string_view name;
  Ranges ranges;
};

const std::vector<Named>& named_classes() {
  static const std::vector<Named> classes = {
      {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
      {"alpha", {{'A', 'Z'}, {'a', 'z'}}},
      {"ascii", {{0, 127}}},
      {"blank", {{'\t', '\t'}, {' ', ' '}}},
      {"cntrl", {{0, 31}, {127, 127}}},
      {"digit", {{'0', '9'}}},
      {"graph", {{'!', '~'}}},
      {"lower", {{'a', 'z'}}},
      {"print", {{' ', '~'}}},
      {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
      {"space", {{'\t', '\r'}, {' ', ' '}}},
      {"upper", {{'A', 'Z'}}},
      {"word", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
      {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}},
  };
  return classes;
}

// \d \s \w and their opposites.
bool perl_class(char letter, Ranges& ranges) {
  switch (std::tolower(static_cast<unsigned char>(letter))) {
    case 'd':
      ranges = {{'0', '9'}};
      break;
    case 's':
      ranges = {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}};
      break;
    case 'w':
      ranges = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
      break;
    default:
      return false;
  }
  if (letter < 'a') ranges = negated(ranges);
  return true;
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

struct Flags {
  bool fold = false, dot_all = false, lines = false, swap_greedy = false;
};

class Parser {
 public:
  explicit Parser(std::string_view pattern) : pattern_(pattern) {}

  Status run(Parsed& result) {
    for (size_t i = 0; i < pattern_.size();) {
      const Character c = decode(pattern_, i);
      if (c.code < 0) return invalid("invalid UTF-8");
      i += static_cast<size_t>(c.bytes);
    }
    MS_RETURN_IF_ERROR(either(result.root, 0));
    if (!done()) return wrong("unexpected )", pattern_);
    result.groups = groups_;
    return Status();
  }

 private:
  bool done() const { return at_ >= pattern_.size(); }
  char peek(size_t ahead = 0) const { return at_ + ahead < pattern_.size() ? pattern_[at_ + ahead] : '\0'; }
  bool looking_at(std::string_view text) const { return pattern_.substr(at_, text.size()) == text; }
  static Status wrong(std::string_view what, std::string_view where) {
    return invalid(std::string(what) + ": " + std::string(where));
  }

  static std::unique_ptr<Node> of(Kind kind) {
    auto node = std::make_unique<Node>();
    node->kind = kind;
    return node;
  }
  static std::unique_ptr<Node> any_of(Ranges ranges) {
    auto node = of(Kind::any_of);
    tidy(ranges);
    node->ranges = std::move(ranges);
    return node;
  }
  static std::unique_ptr<Node> assertion(Assertion which) {
    auto node = of(Kind::assertion);
    node->assertion = which;
    return node;
  }

  // Adds what the characters are when capitals do not count; beyond ASCII that needs tables which are not here.
  Status folded(Ranges& ranges) const {
    if (!flags_.fold) return Status();
    Ranges more;
    for (const Range& range : ranges) {
      if (range.second > 127 && !(range.second == last_code && range.first <= 127))
        return Status(Code::unimplemented, "(?i) is supported for ASCII letters only; write both cases out");
      for (int32_t c = std::max<int32_t>(range.first, 'A'); c <= std::min<int32_t>(range.second, 'z'); ++c) {
        if (!std::isalpha(c)) continue;
        add_range(more, c ^ 0x20, c ^ 0x20);
        if ((c | 0x20) == 'k') add_range(more, 0x212a, 0x212a);
        if ((c | 0x20) == 's') add_range(more, 0x17f, 0x17f);
      }
    }
    ranges.insert(ranges.end(), more.begin(), more.end());
    return Status();
  }

  Status literal(int32_t code, std::unique_ptr<Node>& result) const {
    Ranges ranges{{code, code}};
    MS_RETURN_IF_ERROR(folded(ranges));
    result = any_of(std::move(ranges));
    return Status();
  }

  Status either(std::unique_ptr<Node>& result, int depth) {
    if (depth > deepest) return wrong("expression nesting too deep", pattern_.substr(0, 20));
    const Flags outer = flags_;
    auto choices = of(Kind::either);
    for (;;) {
      std::unique_ptr<Node> choice;
      MS_RETURN_IF_ERROR(joined(choice, depth));
      choices->children.push_back(std::move(choice));
      if (peek() != '|' || done()) break;
      ++at_;
    }
    flags_ = outer;
    result = choices->children.size() == 1 ? std::move(choices->children[0]) : std::move(choices);
    return Status();
  }

  Status joined(std::unique_ptr<Node>& result, int depth) {
    result = of(Kind::joined);
    auto& parts = result->children;
    size_t repeat_began = 0;
    bool repeated = false;
    while (!done() && peek() != '|' && peek() != ')') {
      const char c = peek();
      const size_t began = at_;
      if (c == '*' || c == '+' || c == '?') {
        if (parts.empty()) return wrong("no argument for repetition operator", pattern_.substr(at_, 1));
        ++at_;
        const bool lazy = take('?');
        if (repeated) return wrong("bad repetition operator", pattern_.substr(repeat_began, at_ - repeat_began));
        MS_RETURN_IF_ERROR(repeat(parts, c == '+', c == '?' ? 1 : -1, lazy));
        repeat_began = began;
        repeated = true;
        continue;
      }
      int least, most;
      if (c == '{' && counts(least, most)) {
        const std::string_view operation = pattern_.substr(began, at_ - began);
        if (parts.empty()) return wrong("no argument for repetition operator", operation);
        if (least > most_repeats || most > most_repeats || (most >= 0 && most < least))
          return wrong("invalid repetition size", operation);
        const bool lazy = take('?');
        if (repeated) return wrong("bad repetition operator", pattern_.substr(repeat_began, at_ - repeat_began));
        MS_RETURN_IF_ERROR(repeat(parts, least, most, lazy));
        repeat_began = began;
        repeated = true;
        continue;
      }
      repeated = false;
      MS_RETURN_IF_ERROR(one(parts, depth));
    }
    return Status();
  }

  bool take(char c) {
    if (done() || peek() != c) return false;
    ++at_;
    return true;
  }

  // {2}, {2,} and {2,3}; anything else is text.
  bool counts(int& least, int& most) {
    size_t at = at_ + 1;
    const auto number = [&](int& value) {
      if (at >= pattern_.size() || !std::isdigit(static_cast<unsigned char>(pattern_[at]))) return false;
      if (pattern_[at] == '0' && at + 1 < pattern_.size() && std::isdigit(static_cast<unsigned char>(pattern_[at + 1])))
        return false;
      value = 0;
      while (at < pattern_.size() && std::isdigit(static_cast<unsigned char>(pattern_[at])))
        value = std::min(value * 10 + (pattern_[at++] - '0'), 100000);
      return true;
    };
    if (!number(least)) return false;
    most = least;
    if (at < pattern_.size() && pattern_[at] == ',') {
      ++at;
      if (at < pattern_.size() && pattern_[at] == '}') {
        most = -1;
      } else if (!number(most)) {
        return false;
      }
    }
    if (at >= pattern_.size() || pattern_[at] != '}') return false;
    at_ = at + 1;
    return true;
  }

  Status repeat(std::vector<std::unique_ptr<Node>>& parts, int least, int most, bool lazy) {
    auto node = of(Kind::repeat);
    node->least = least;
    node->most = most;
    node->greedy = lazy == flags_.swap_greedy;
    node->children.push_back(std::move(parts.back()));
    parts.back() = std::move(node);
    return Status();
  }

  Status one(std::vector<std::unique_ptr<Node>>& parts, int depth) {
    std::unique_ptr<Node> node;
    switch (peek()) {
      case '(':
        MS_RETURN_IF_ERROR(group(node, depth));
        break;
      case '[':
        MS_RETURN_IF_ERROR(bracket(node));
        break;
      case '.':
        ++at_;
        node = any_of(flags_.dot_all ? Ranges{{0, last_code}} : Ranges{{0, '\n' - 1}, {'\n' + 1, last_code}});
        break;
      case '^':
        ++at_;
        node = assertion(flags_.lines ? Assertion::begin_line : Assertion::begin_text);
        break;
      case '$':
        ++at_;
        node = assertion(flags_.lines ? Assertion::end_line : Assertion::end_text);
        break;
      case '\\':
        if (looking_at("\\Q")) return quoted(parts);
        MS_RETURN_IF_ERROR(escaped(node));
        break;
      default: {
        const Character c = decode(pattern_, at_);
        at_ += static_cast<size_t>(c.bytes);
        MS_RETURN_IF_ERROR(literal(c.code, node));
      }
    }
    if (node) parts.push_back(std::move(node));
    return Status();
  }

  Status quoted(std::vector<std::unique_ptr<Node>>& parts) {
    at_ += 2;
    while (!done() && !looking_at("\\E")) {
      const Character c = decode(pattern_, at_);
      at_ += static_cast<size_t>(c.bytes);
      std::unique_ptr<Node> node;
      MS_RETURN_IF_ERROR(literal(c.code, node));
      parts.push_back(std::move(node));
    }
    if (!done()) at_ += 2;
    return Status();
  }

  Status group(std::unique_ptr<Node>& result, int depth) {
    int number = 0;
    const Flags outer = flags_;
    if (looking_at("(?P<") || looking_at("(?<")) {
      const size_t begin = at_ + (peek(2) == 'P' ? 4 : 3);
      const size_t end = pattern_.find('>', begin);
      if (begin < pattern_.size() && peek(2) != 'P' && (pattern_[begin] == '=' || pattern_[begin] == '!'))
        return wrong("invalid perl operator", pattern_.substr(at_, 4));
      if (end == std::string_view::npos) return wrong("invalid named capture group", pattern_.substr(at_));
      const std::string_view name = pattern_.substr(begin, end - begin);
      const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return c == '_' || std::isalnum(static_cast<unsigned char>(c)) || static_cast<unsigned char>(c) > 127;
      });
      if (!plain) return wrong("invalid named capture group", pattern_.substr(at_, end + 1 - at_));
      if (std::find(names_.begin(), names_.end(), name) != names_.end())
        return wrong("duplicate capture group name", name);
      names_.push_back(name);
      number = ++groups_;
      at_ = end + 1;
    } else if (looking_at("(?")) {
      bool closed = false;
      MS_RETURN_IF_ERROR(options(closed));
      if (closed) return Status();
    } else {
      ++at_;
      number = ++groups_;
    }
    std::unique_ptr<Node> inner;
    MS_RETURN_IF_ERROR(either(inner, depth + 1));
    if (!take(')')) return wrong("missing )", pattern_);
    flags_ = outer;
    if (number == 0) {
      result = of(Kind::joined);
    } else {
      result = of(Kind::group);
      result->group = number;
    }
    result->children.push_back(std::move(inner));
    return Status();
  }

  // (?ims-U) changes what follows, (?ims-U: opens a group.
  Status options(bool& closed) {
    const size_t began = at_;
    at_ += 2;
    bool value = true, any = false, minus = false;
    while (!done()) {
      const Character c = decode(pattern_, at_);
      at_ += static_cast<size_t>(c.bytes);
      switch (c.code) {
        case 'i':
          flags_.fold = value;
          break;
        case 'm':
          flags_.lines = value;
          break;
        case 's':
          flags_.dot_all = value;
          break;
        case 'U':
          flags_.swap_greedy = value;
          break;
        case '-':
          if (minus) return wrong("invalid perl operator", pattern_.substr(began, at_ - began));
          minus = true;
          value = any = false;
          continue;
        case ':':
        case ')':
          if (minus && !any) return wrong("invalid perl operator", pattern_.substr(began, at_ - began));
          closed = c.code == ')';
          return Status();
        default:
          return wrong("invalid perl operator", pattern_.substr(began, at_ - began));
      }
      any = true;
    }
    return wrong("missing )", pattern_);
  }

  // A character written with a backslash.
  Status character(int32_t& code) {
    const size_t began = at_;
    const auto bad = [&] { return wrong("invalid escape sequence", pattern_.substr(began, at_ - began)); };
    ++at_;
    if (done()) return invalid("trailing \\");
    const Character c = decode(pattern_, at_);
    at_ += static_cast<size_t>(c.bytes);
    code = c.code;
    if (code >= '1' && code <= '7' && digit_of(peek()) > 7) return bad();
    if (code >= '0' && code <= '7') {
      code -= '0';
      for (int i = 0; i < 2 && !done() && digit_of(peek()) < 8; ++i) code = code * 8 + digit_of(pattern_[at_++]);
      return Status();
    }
    switch (code) {
      case 'a':
        code = 7;
        return Status();
      case 'f':
        code = '\f';
        return Status();
      case 'n':
        code = '\n';
        return Status();
      case 'r':
        code = '\r';
        return Status();
      case 't':
        code = '\t';
        return Status();
      case 'v':
        code = '\v';
        return Status();
      case 'x':
        code = 0;
        if (take('{')) {
          int digits = 0;
          for (; digit_of(peek()) < 16 && code <= last_code; ++digits) code = code * 16 + digit_of(pattern_[at_++]);
          if (digits == 0 || code > last_code || !take('}')) return bad();
          return Status();
        }
        for (int i = 0; i < 2; ++i) {
          if (digit_of(peek()) > 15) return bad();
          code = code * 16 + digit_of(pattern_[at_++]);
        }
        return Status();
      default:
        if (code < 128 && !std::isalnum(static_cast<int>(code))) return Status();
        return bad();
    }
  }

  Status refuse_tables() const {
    if (peek(1) == 'p' || peek(1) == 'P')
      return Status(Code::unimplemented,
                    "\\" + std::string(1, peek(1)) + " (classes of Unicode) is not supported; write the ranges out");
    return Status();
  }

  Status escaped(std::unique_ptr<Node>& result) {
    MS_RETURN_IF_ERROR(refuse_tables());
    Ranges ranges;
    if (perl_class(peek(1), ranges)) {
      at_ += 2;
      result = any_of(std::move(ranges));
      return Status();
    }
    const char letter = peek(1);
    if (letter == 'b' || letter == 'B' || letter == 'A' || letter == 'z') {
      at_ += 2;
      result = assertion(letter == 'b'   ? Assertion::word_border
                         : letter == 'B' ? Assertion::no_word_border
                         : letter == 'A' ? Assertion::begin_text
                                         : Assertion::end_text);
      return Status();
    }
    if (letter == 'C')
      return Status(Code::unimplemented, "\\C (any byte) is not supported; use . or a class of characters");
    int32_t code;
    MS_RETURN_IF_ERROR(character(code));
    return literal(code, result);
  }

  Status bracket(std::unique_ptr<Node>& result) {
    const size_t began = at_++;
    const bool negate = take('^');
    Ranges ranges;
    bool first = true;
    while (!done() && (peek() != ']' || first)) {
      first = false;
      if (looking_at("[:") && pattern_.find(":]", at_ + 2) != std::string_view::npos) {
        const size_t end = pattern_.find(":]", at_ + 2);
        std::string_view name = pattern_.substr(at_ + 2, end - at_ - 2);
        const bool opposite = !name.empty() && name[0] == '^';
        if (opposite) name.remove_prefix(1);
        const auto& known = named_classes();
        const auto found = std::find_if(known.begin(), known.end(), [&](const Named& n) { return n.name == name; });
        if (found == known.end()) return wrong("invalid character class range", pattern_.substr(at_, end + 2 - at_));
        const Ranges named = opposite ? negated(found->ranges) : found->ranges;
        ranges.insert(ranges.end(), named.begin(), named.end());
        at_ = end + 2;
        continue;
      }
      if (peek() == '\\') {
        MS_RETURN_IF_ERROR(refuse_tables());
        Ranges perl;
        if (perl_class(peek(1), perl)) {
          at_ += 2;
          ranges.insert(ranges.end(), perl.begin(), perl.end());
          continue;
        }
      }
      const size_t item = at_;
      int32_t low, high;
      MS_RETURN_IF_ERROR(member(low));
      high = low;
      if (peek() == '-' && at_ + 1 < pattern_.size() && peek(1) != ']') {
        ++at_;
        MS_RETURN_IF_ERROR(member(high));
        if (high < low) return wrong("invalid character class range", pattern_.substr(item, at_ - item));
      }
      add_range(ranges, low, high);
    }
    if (!take(']')) return wrong("missing ]", pattern_.substr(began));
    MS_RETURN_IF_ERROR(folded(ranges));
    result = any_of(negate ? negated(std::move(ranges)) : std::move(ranges));
    return Status();
  }

  Status member(int32_t& code) {
    if (done()) return wrong("missing ]", pattern_);
    if (peek() == '\\') return character(code);
    const Character c = decode(pattern_, at_);
    at_ += static_cast<size_t>(c.bytes);
    code = c.code;
    return Status();
  }

  std::string_view pattern_;
  size_t at_ = 0;
  int groups_ = 0;
  Flags flags_;
  std::vector<std::string_view> names_;
};

}  // namespace

Status parse(std::string_view pattern, Parsed& result) { return Parser(pattern).run(result); }

}  // namespace millstream::regex
