// Regular expressions in RE2's syntax on UTF-8, matched in time linear in the text. Refuses what RE2 refuses (look-around,
// back references, repetition above 1000) and, as not supported here, \C, \p{…} and (?i) beyond ASCII.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "program/status.h"

namespace millstream::regex {

using Range = std::pair<int32_t, int32_t>;  // first and last code point
using Ranges = std::vector<Range>;          // ascending, apart

enum class Kind : uint8_t { empty, any_of, joined, either, repeat, group, assertion };
enum class Assertion : uint8_t { begin_text, end_text, begin_line, end_line, word_border, no_word_border };

// What a pattern says.
struct Node {
  Kind kind = Kind::empty;
  Ranges ranges;                                // any_of
  std::vector<std::unique_ptr<Node>> children;  // joined, either; one for repeat and group
  int least = 0, most = -1;                     // repeat; most -1: no limit
  bool greedy = true;                           // repeat
  int group = 0;                                // group: its number, from 1
  Assertion assertion = Assertion::begin_text;
};

struct Parsed {
  std::unique_ptr<Node> root;
  int groups = 0;
};

// Messages of refusals are RE2's: "missing ): (".
Status parse(std::string_view pattern, Parsed& result);

// The code point at `at` and its bytes; -1 and 1 where the text is not UTF-8 there.
struct Character {
  int32_t code;
  int bytes;
};
Character decode(std::string_view text, size_t at);

enum class Operation : uint8_t { any_of, split, save, assertion, match };

struct Step {
  Operation operation = Operation::match;
  Assertion assertion = Assertion::begin_text;
  int next = 0, other = 0;  // other: the second choice of split; the slot of save; the ranges of any_of
};

// A pattern as steps to be followed.
struct Expression {
  std::vector<Step> steps;
  std::vector<Ranges> ranges;
  int start = 0, groups = 0;
  bool starts[256] = {};  // bytes with which a match may begin

  static Status compile(std::string_view pattern, Expression& result);
};

// Looks for matches of one expression; keeps its memory from one text to the next.
class Search {
 public:
  // `groups`: how many groups of a match are wanted, besides the whole.
  Search(const Expression& expression, int groups);
  // Finds the first match from `from` on; with `whole` one that is all of the text.
  bool find(std::string_view text, size_t from, bool whole);
  // Where the match, or one of its groups, begins and ends; -1 for a group that took no part.
  int64_t begin(int group = 0) const { return best_[2 * static_cast<size_t>(group)]; }
  int64_t end(int group = 0) const { return best_[2 * static_cast<size_t>(group) + 1]; }

 private:
  // The steps that wait for the next character, best first, each with its slots.
  struct Threads {
    std::vector<int> order;
    std::vector<uint64_t> mark;  // by step: the round in which it was added
    std::vector<int64_t> slots;  // by step
    uint64_t round = 1;
    void clear();
  };
  struct Waiting {
    int step;
    int slot;  // >= 0: put `value` back into this slot instead
    int64_t value;
  };
  void follow(Threads& threads, int first, std::string_view text, size_t at);

  const Expression& expression_;
  size_t width_;
  Threads now_, then_;
  std::vector<int64_t> current_, best_;
  std::vector<Waiting> waiting_;
};

}  // namespace millstream::regex
