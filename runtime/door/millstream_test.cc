// Tests of the C door: what a plan offers, calls, states, and every kind of wrong use.
#include "include/millstream.h"

#include <cstring>
#include <string>

#include "program/plan_testing.h"
#include "testing.h"

namespace {

using namespace millstream::testing;

ms_plan* open_rich() {
  const Bytes bytes = PlanWriter().write(rich_plan());
  ms_plan* plan = nullptr;
  EXPECT_THAT(ms_plan_open_bytes(bytes.data(), bytes.size(), &plan) == 0);
  return plan;
}

ms_tensor* floats(std::initializer_list<int64_t> sizes, const float* numbers) {
  ms_tensor* tensor = nullptr;
  EXPECT_THAT(ms_tensor_new(MS_FLOAT32, static_cast<int>(sizes.size()), sizes.begin(), &tensor) == 0);
  if (numbers) std::memcpy(ms_tensor_data(tensor), numbers, ms_tensor_bytes(tensor));
  return tensor;
}

bool said(const char* text) { return std::string(ms_last_error()).find(text) != std::string::npos; }

void test_a_signature_says_what_it_takes_and_gives() {
  ms_plan* plan = open_rich();
  EXPECT_THAT(ms_signature_count(plan) == 1 && ms_signature_find(plan, "serve") == 0 &&
              ms_signature_find(plan, "none") == -1);
  EXPECT_THAT(ms_input_count(plan, 0) == 2 && ms_output_count(plan, 0) == 6);
  EXPECT_THAT(!std::strcmp(ms_input_name(plan, 0, 0), "x") && !std::strcmp(ms_output_name(plan, 0, 3), "kernel"));
  EXPECT_THAT(ms_input_type(plan, 0, 0) == MS_FLOAT32 && ms_input_rank(plan, 0, 0) == 2);
  EXPECT_THAT(ms_input_size(plan, 0, 0, 0) == -1 && ms_input_size(plan, 0, 0, 1) == 2 &&
              ms_input_size(plan, 0, 0, 2) == -1);
  EXPECT_THAT(ms_output_type(plan, 0, 0) == MS_INT64 && ms_output_size(plan, 0, 0, 0) == 2);
  EXPECT_THAT(ms_input_name(plan, 0, 2) == nullptr && ms_input_name(plan, 1, 0) == nullptr &&
              ms_input_rank(plan, -1, 0) == -1);
  ms_plan_free(plan);
}

void test_a_call_updates_the_plans_own_state() {
  ms_plan* plan = open_rich();
  EXPECT_THAT(ms_state_count(plan) == 1 && !std::strcmp(ms_state_name(plan, 0), "kernel"));
  const float numbers[] = {1, 2, 3, 4};
  ms_tensor* inputs[2] = {floats({2, 2}, numbers), nullptr};
  EXPECT_THAT(ms_tensor_new(MS_INT32, 0, nullptr, &inputs[1]) == 0);
  ms_tensor* outputs[6] = {};
  ms_tensor* before = nullptr;
  EXPECT_THAT(ms_state_get(plan, 0, &before) == 0);
  EXPECT_THAT(ms_call(plan, 0, inputs, 2, outputs, 6) == 0);
  EXPECT_THAT(static_cast<int64_t*>(ms_tensor_data(outputs[0]))[0] == 4);
  EXPECT_THAT(ms_tensor_rank(outputs[4]) == 1 && ms_tensor_size(outputs[4], 0) == 4 &&
              ms_tensor_count(outputs[4]) == 4);
  ms_tensor* after = nullptr;
  EXPECT_THAT(ms_state_get(plan, 0, &after) == 0);
  EXPECT_THAT(static_cast<float*>(ms_tensor_data(before))[0] == 1 &&
              static_cast<float*>(ms_tensor_data(after))[0] == 9);
  ms_tensor* chosen = floats({2}, numbers + 2);
  EXPECT_THAT(ms_state_set(plan, 0, chosen) == 0);
  static_cast<float*>(ms_tensor_data(chosen))[0] = 77;  // the plan has its own copy
  ms_tensor_free(after);
  EXPECT_THAT(ms_state_get(plan, 0, &after) == 0 && static_cast<float*>(ms_tensor_data(after))[0] == 3);
  ms_plan_free(plan);  // tensors outlive it
  EXPECT_THAT(static_cast<float*>(ms_tensor_data(outputs[3]))[0] == 9);
  for (ms_tensor* tensor : {inputs[0], inputs[1], before, after, chosen}) ms_tensor_free(tensor);
  for (ms_tensor* tensor : outputs) ms_tensor_free(tensor);
}

void test_wrong_use_is_named() {
  ms_plan* plan = open_rich();
  ms_tensor* x = floats({2, 3}, nullptr);
  ms_tensor* which = nullptr;
  EXPECT_THAT(ms_tensor_new(MS_INT32, 0, nullptr, &which) == 0);
  ms_tensor* inputs[2] = {x, which};
  ms_tensor* outputs[6] = {};
  EXPECT_THAT(ms_call(plan, 0, inputs, 2, outputs, 6) == 3 && said("float32[2,3]"));
  EXPECT_THAT(ms_call(plan, 0, inputs, 1, outputs, 6) == 3 && said("takes 2 inputs"));
  EXPECT_THAT(ms_call(plan, 4, inputs, 2, outputs, 6) == 3 && said("no signature 4"));
  inputs[0] = nullptr;
  EXPECT_THAT(ms_call(plan, 0, inputs, 2, outputs, 6) == 3 && said("Input 0 of 'serve' is missing"));
  EXPECT_THAT(outputs[0] == nullptr);
  EXPECT_THAT(ms_state_set(plan, 0, which) == 3 && said("holds float32, given int32"));
  EXPECT_THAT(ms_state_set(plan, 1, which) == 3 && ms_state_get(plan, -1, &x) == 3);
  const int64_t negative = -1, large = int64_t{1} << 60;
  ms_tensor* none = nullptr;
  EXPECT_THAT(ms_tensor_new(MS_FLOAT32, 1, &negative, &none) == 3 && said("negative"));
  EXPECT_THAT(ms_tensor_new(MS_FLOAT32, 1, &large, &none) == 8);
  EXPECT_THAT(ms_tensor_new(MS_FLOAT32, 13, &negative, &none) == 3 && ms_tensor_new(99, 0, nullptr, &none) == 3);
  EXPECT_THAT(none == nullptr);
  ms_plan* other = nullptr;
  EXPECT_THAT(ms_plan_open("/no/such/file", &other) == 5 && said("/no/such/file"));
  EXPECT_THAT(ms_plan_open("/tmp", &other) == 15);
  EXPECT_THAT(ms_plan_open(nullptr, &other) == 3 && ms_plan_open_bytes("short", 5, &other) == 15);
  EXPECT_THAT(other == nullptr);
  ms_tensor_free(x);
  ms_tensor_free(which);
  ms_plan_free(plan);
}

void test_text_comes_back() {
  const char* texts[] = {"a", "", "cde"};
  const int64_t size = 3;
  ms_tensor* tensor = nullptr;
  EXPECT_THAT(ms_tensor_new_strings(texts, nullptr, 1, &size, &tensor) == 0);
  size_t length = 9;
  EXPECT_THAT(!std::memcmp(ms_tensor_text(tensor, 2, &length), "cde", 3) && length == 3);
  EXPECT_THAT(ms_tensor_text(tensor, 1, &length) && length == 0);
  EXPECT_THAT(ms_tensor_text(tensor, 3, &length) == nullptr);
  ms_tensor_free(tensor);
}

void test_the_library_names_its_kernels() {
  bool found = false;
  for (int i = 0; i < ms_kernel_count(); ++i) found |= !std::strcmp(ms_kernel_name(i), "state_read");
  EXPECT_THAT(found && ms_kernel_name(-1) == nullptr && ms_kernel_name(ms_kernel_count()) == nullptr);
}

}  // namespace

int main() {
  test_a_signature_says_what_it_takes_and_gives();
  test_a_call_updates_the_plans_own_state();
  test_wrong_use_is_named();
  test_text_comes_back();
  test_the_library_names_its_kernels();
  return exit_status();
}
