// Tests of regular expressions: what matches where, what is refused, and that no pattern or text breaks the search.
#include <chrono>
#include <random>
#include <string>
#include <vector>

#include "kernels/regex.h"
#include "testing.h"

using namespace millstream;

namespace {

// "begin-end" of the match and of its groups; "none" without a match, "refused" without an expression.
std::string found(const std::string& pattern, std::string_view text, bool whole = false) {
  regex::Expression expression;
  if (!regex::Expression::compile(pattern, expression).ok()) return "refused";
  regex::Search search(expression, expression.groups);
  if (!search.find(text, 0, whole)) return "none";
  std::string answer;
  for (int group = 0; group <= expression.groups; ++group) {
    answer += (group ? " " : "") + std::to_string(search.begin(group)) + "-" + std::to_string(search.end(group));
  }
  return answer;
}

void test_matches_are_where_they_should_be() {
  const struct {
    const char *pattern, *text, *answer;
  } cases[] = {
      {"", "", "0-0"},
      {"a", "cab", "1-2"},
      {"a*", "aaab", "0-3"},
      {"a*?b", "aaab", "0-4"},
      {"(a|ab)(c|bcd)(d*)", "abcd", "0-4 0-1 1-4 4-4"},  // the first choice that matches, as Perl's
      {"^b", "ab", "none"},
      {"(?m)^b", "a\nb", "2-3"},
      {"b$", "ab", "1-2"},
      {"\\bcat\\b", "a cat", "2-5"},
      {"\\Bat", "cat", "1-3"},
      {"[^a-c]+", "abcxyz", "3-6"},
      {"[[:digit:]]{2,3}", "a1234", "1-4"},
      {"x{0}y", "xy", "1-2"},
      {"(a)|b", "b", "0-1 -1--1"},
      {"(?:a(b)?)+", "aba", "0-3 1-2"},
      {"(?i)HeLLo", "say hello", "4-9"},
      {".", "\xc3\xa9", "0-2"},
      {"é+", "éé!", "0-4"},
      {"\\x{e9}", "é", "0-2"},
      {"(?s).*", "a\nb", "0-3"},
      {".*", "a\nb", "0-1"},
      {"\\Qa.b\\E", "xa.b", "1-4"},
      {"(?P<name>z)", "z", "0-1 0-1"},
      {"(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", "none"},
  };
  for (const auto& item : cases) {
    const std::string answer = found(item.pattern, item.text);
    if (answer != item.answer) std::fprintf(stderr, "%s on %s: %s\n", item.pattern, item.text, answer.c_str());
    EXPECT_THAT(answer == item.answer);
  }
  EXPECT_THAT(found("a|ab", "ab", true) == "0-2");
  EXPECT_THAT(found("a", "ab", true) == "none");
}

void test_what_cannot_be_is_refused() {
  for (const char* pattern : {"(", ")", "[", "[b-a]", "a**", "*", "a{1001}", "(?=a)", "(a)\\1", "\\", "(?P<n",
                              "[[:nope:]]", "\\x{110000}", "x{2,1}", "(?z)", "\xff", "\\C"}) {
    const bool refused = found(pattern, "text") == "refused";
    if (!refused) std::fprintf(stderr, "taken: %s\n", pattern);
    EXPECT_THAT(refused);
  }
  // Nesting and repetition multiply: neither the parser's stack nor the memory may be at the mercy of a pattern.
  EXPECT_THAT(found(std::string(100000, '('), "text") == "refused");
  EXPECT_THAT(found(std::string(100000, '(') + std::string(100000, ')'), "text") == "refused");
  EXPECT_THAT(found("((((a{100}){100}){100}){100})", "text") == "refused");
}

void test_time_is_linear_in_the_text() {
  const std::string text(1 << 16, 'a');
  const auto began = std::chrono::steady_clock::now();
  EXPECT_THAT(found("(x+x+)+y|(a?){20}b", text) == "none");
  EXPECT_THAT(std::chrono::steady_clock::now() - began <
              std::chrono::seconds(30));  // exponential work would take years
}

// Patterns of pieces that mean something, on texts of bytes that may be no UTF-8: every match must lie inside the text.
void test_random_patterns_on_random_bytes_stay_inside() {
  const std::vector<std::string> pieces{"a",    "b",   ".",    "(",    ")",    "[",    "]",           "^",
                                        "$",    "*",   "+",    "?",    "|",    "{2}",  "{,",          "}",
                                        "\\b",  "\\",  "é",    "[^a]", "(?i)", "(?:",  "\\d",         "-",
                                        "\\x{", "0,3", "\xff", "\\Q",  "\\E",  "(?P<", "[[:alpha:]]", "\\pL"};
  std::mt19937 random(5);
  int taken = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string pattern, text;
    for (unsigned i = random() % 10; i > 0; --i) pattern += pieces[random() % pieces.size()];
    for (unsigned i = random() % 12; i > 0; --i)
      text += random() % 3 ? "ab\n"[random() % 3] : static_cast<char>(random());
    regex::Expression expression;
    if (!regex::Expression::compile(pattern, expression).ok()) continue;
    ++taken;
    regex::Search search(expression, expression.groups);
    const auto size = static_cast<int64_t>(text.size());
    for (size_t from = 0; from <= text.size(); ++from) {
      if (!search.find(text, from, false)) break;
      for (int group = 0; group <= expression.groups; ++group) {
        const int64_t begin = search.begin(group), end = search.end(group);
        EXPECT_THAT((group > 0 && begin == -1 && end == -1) || (begin >= 0 && begin <= end && end <= size));
      }
      EXPECT_THAT(search.begin() >= static_cast<int64_t>(from));
    }
  }
  EXPECT_THAT(taken > 2000);
}

}  // namespace

int main() {
  test_matches_are_where_they_should_be();
  test_what_cannot_be_is_refused();
  test_time_is_linear_in_the_text();
  test_random_patterns_on_random_bytes_stay_inside();
  return millstream::testing::exit_status();
}
