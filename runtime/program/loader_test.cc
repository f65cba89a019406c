// Tests that a plan runs, that wrong plans are refused with a reason, and that no bytes make the loader misbehave.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>

#include "memory/objects.h"
#include "program/executor.h"
#include "program/plan_testing.h"

using namespace millstream;
using namespace millstream::testing;

namespace {

int failures = 0;

void expect(bool condition, const std::string& what) {
  if (condition) return;
  std::fprintf(stderr, "FAILED: %s\n", what.c_str());
  ++failures;
}

Tensor numbers(DType dtype, std::vector<int64_t> dims, const void* data) {
  Tensor tensor;
  tensor.dtype = dtype;
  tensor.rank = static_cast<int32_t>(dims.size());
  for (size_t i = 0; i < dims.size(); ++i) tensor.dims[i] = dims[i];
  allocate_data(tensor);
  if (tensor.bytes()) std::memcpy(tensor.data, data, tensor.bytes());
  return tensor;
}

Status run_main(const Module& module, std::vector<Tensor>& outputs) {
  const Function& main = *module.functions[0];
  const float x[] = {1, 2, 3, 4, 5, 6};
  const int32_t which = 1;
  Tensor inputs[3] = {numbers(DType::float32, {3, 2}, x), numbers(DType::int32, {}, &which), Tensor()};
  auto state = Ref<State>::adopt(new State);
  state->dtype = DType::float32;
  state->rank = 1;
  state->dims[0] = 2;
  state->name = "kernel";
  MS_RETURN_IF_ERROR(state->write(numbers(DType::float32, {2}, x)));
  inputs[2].dtype = DType::resource;
  inputs[2].object = state;
  std::vector<const Tensor*> in;
  for (size_t i = 0; i < main.inputs.size(); ++i) in.push_back(&inputs[i % 3]);
  outputs.assign(main.outputs.size(), Tensor());
  std::vector<Tensor*> out;
  for (Tensor& tensor : outputs) out.push_back(&tensor);
  return run_function(module, main, in.data(), out.data());
}

Status load(const Bytes& bytes, Ref<Module>& module) { return Module::load_bytes(bytes.data(), bytes.size(), module); }

void test_a_rich_plan_runs_and_runs_again() {
  Ref<Module> module;
  const Status loaded = load(PlanWriter().write(rich_plan()), module);
  expect(loaded.ok(), "the rich plan loads: " + loaded.message());
  if (!loaded.ok()) return;
  for (int round = 0; round < 3; ++round) {
    std::vector<Tensor> out;
    const Status status = run_main(*module, out);
    expect(status.ok(), "the rich plan runs: " + status.message());
    if (!status.ok()) return;
    expect(out[0].as<int64_t>()[0] == 6, "an expression is twice the first size");
    expect(out[1].as<int64_t>()[0] == 11, "the branch of index 1 ran");
    expect(out[2].as<int32_t>()[0] == 0, "the loop whose condition is false leaves the list empty");
    expect(out[3].as<float>()[0] == 9 && out[3].as<float>()[1] == 2, "the variable is updated in place");
    expect(out[4].rank == 1 && out[4].dims[0] == 6 && out[4].as<float>()[5] == 6, "an alias has its computed shape");
  }
}

void test_a_list_that_nobody_reads_afterwards_is_handed_over() {
  PlanSpec plan;
  plan.constants = {{float32, {}, {0, 0, 128, 63}}};
  FunctionSpec main{"main"};
  main.values = {{variant, {}, heap}, {float32, {}, constant, 0}, {variant, {}, heap},
                 {variant, {}, heap}, {int32, {}, heap},          {int32, {}, heap}};
  main.instructions = {{"list_empty", {}, {0}, {float32, 0}},
                       {"call", {0, 1}, {2}, {1}, {}, {0}},  // reads the first list for the last time
                       {"call", {2, 1}, {3}, {1}},           // the second one is read again
                       {"list_length", {2}, {4}},
                       {"list_length", {3}, {5}}};
  main.outputs = {4, 5};
  FunctionSpec push{"push"};
  push.values = {{variant, {}, input, 0}, {float32, {}, input, 1}, {variant, {}, heap}};
  push.inputs = {0, 1};
  push.instructions = {{"list_push", {0, 1}, {2}}};
  push.outputs = {2};
  plan.functions = {main, push};
  Ref<Module> module;
  const Status loaded = load(PlanWriter().write(plan), module);
  expect(loaded.ok(), "the plan of lists loads: " + loaded.message());
  if (!loaded.ok()) return;
  const auto& instructions = module->functions[0]->instructions;
  expect(instructions[1].handed == std::vector<uint8_t>({1, 0}), "the first list is handed over");
  expect(instructions[2].handed == std::vector<uint8_t>({0, 0}), "the second list is not");
  for (int round = 0; round < 2; ++round) {
    std::vector<Tensor> out;
    const Status status = run_main(*module, out);
    expect(status.ok(), "the plan of lists runs: " + status.message());
    if (!status.ok()) return;
    expect(out[0].as<int32_t>()[0] == 1 && out[1].as<int32_t>()[0] == 2, "a list that is read again is not changed");
  }
}

void refused(const std::string& what, const std::function<void(PlanSpec&)>& change, const std::string& reason) {
  PlanSpec plan = rich_plan();
  change(plan);
  Ref<Module> module;
  const Status status = load(PlanWriter().write(plan), module);
  expect(!status.ok() && status.message().find(reason) != std::string::npos,
         what + ", said: '" + status.message() + "'");
}

void test_wrong_plans_are_refused_with_a_reason() {
  using P = PlanSpec&;
  refused(
      "an unknown kernel", [](P p) { p.functions[0].instructions[0].kernel = "no_such"; },
      "needs the kernel 'no_such'");
  refused("an unknown type", [](P p) { p.functions[0].values[3].dtype = 99; }, "element type 99");
  refused("a rank of 13", [](P p) { p.functions[0].values[3].dims.assign(13, 1); }, "rank is 13");
  refused("a value past the arena", [](P p) { p.functions[0].values[3].location = 256; }, "outside the arena");
  refused("a value not aligned", [](P p) { p.functions[0].values[3].location = 8; }, "outside the arena");
  refused("a negative place", [](P p) { p.functions[0].values[3].location = -64; }, "outside the arena");
  refused("an unknown storage", [](P p) { p.functions[0].values[3].storage = 5; }, "storage is 5");
  refused("an alias of a later value", [](P p) { p.functions[0].values[9].location = 10; }, "alias of a later value");
  refused("an alias of other bytes", [](P p) { p.functions[0].values[9].dims = {3}; }, "other bytes");
  refused("a handle in the arena", [](P p) { p.functions[0].values[5].storage = arena; }, "is a handle");
  refused("a constant out of range", [](P p) { p.functions[0].values[10].location = 9; }, "constant is out of range");
  refused(
      "a constant of another shape", [](P p) { p.functions[0].values[10].dims = {2}; }, "does not fit its constant");
  refused(
      "a use before the value is made",
      [](P p) { std::swap(p.functions[0].instructions[2], p.functions[0].instructions[3]); }, "used before it is made");
  refused("a value made twice", [](P p) { p.functions[0].instructions[1].outputs = {3}; }, "made twice");
  refused(
      "an output on a constant", [](P p) { p.functions[0].instructions[6].outputs = {11}; }, "constant or an input");
  refused("an output on an input", [](P p) { p.functions[0].instructions[0].outputs = {0}; }, "constant or an input");
  refused("a use after release", [](P p) { p.functions[0].instructions[2].releases = {5}; }, "after its release");
  refused("a release of the arena", [](P p) { p.functions[0].instructions[0].releases = {3}; }, "not on the heap");
  refused(
      "overlapping output",
      [](P p) {
        p.functions[0].values[7].location = 64;
        p.functions[0].instructions[4].inputs = {6};
        p.functions[0].instructions[1].outputs = {4};
        p.functions[0].values.push_back({int64, {2}, arena, 64});
        p.functions[0].instructions.push_back({"copy", {3}, {13}});
      },
      "overlaps an input");
  refused("a later expression", [](P p) { p.functions[0].expressions[0] = {1, -2, 1}; }, "uses a later one");
  refused("an unknown opcode", [](P p) { p.functions[0].expressions[1][0] = 10; }, "unknown opcode");
  refused("a symbol out of range", [](P p) { p.functions[0].expressions[0][1] = 1; }, "symbol is out of range");
  refused("a size out of range", [](P p) { p.functions[0].values[12].dims = {-3}; }, "size is out of range");
  refused(
      "too many elements", [](P p) { p.functions[0].values[4].dims = {int64_t{1} << 40, int64_t{1} << 40}; },
      "more elements");
  refused(
      "a patch out of range", [](P p) { p.functions[0].instructions[0].patches = {2, -1}; }, "patch is out of range");
  refused("a binding out of range", [](P p) { p.functions[0].bindings[0][2] = 2; }, "binding is out of range");
  refused(
      "a call out of range", [](P p) { p.functions[0].instructions[1].attributes = {1, 5}; },
      "function is out of range");
  refused("a call of itself", [](P p) { p.functions[4].instructions[0] = {"call", {0, 1}, {2}, {4}}; }, "calls itself");
  refused(
      "a call with fewer inputs", [](P p) { p.functions[0].instructions[1].inputs = {1}; },
      "does not fit its function");
  refused("a call with other types", [](P p) { p.functions[0].instructions[1].inputs = {1, 3}; }, "another type");
  refused(
      "a loop with another condition", [](P p) { p.functions[0].instructions[3].attributes = {4, 4, 1}; },
      "bool scalar");
  refused(
      "an input that is none", [](P p) { p.functions[1].values.push_back({float32, {2, 2}, input, 3}); },
      "not the input it says it is");
  refused(
      "an output never made", [](P p) { p.functions[0].instructions.erase(p.functions[0].instructions.begin() + 1); },
      "not there at the end");
  refused("a state of another shape", [](P p) { std::get<2>(p.states[0]) = {3}; }, "does not fit it");
  refused(
      "a signature's function out of range", [](P p) { std::get<1>(p.signatures[0]) = 7; }, "function is out of range");
  refused("a signature with fewer names", [](P p) { std::get<2>(p.signatures[0]).pop_back(); }, "names do not fit");
  refused("a source out of range", [](P p) { p.functions[0].instructions[0].source = 1; }, "source is out of range");
  refused("a constant with other bytes", [](P p) { std::get<2>(p.constants[1]).push_back(0); }, "bytes do not fit");
  refused("a bool of 2", [](P p) { std::get<2>(p.constants[2])[0] = 2; }, "neither 0 nor 1");
  refused(
      "sizes decided by a kernel that cannot", [](P p) { p.functions[1].values[1].flags = 1; },
      "cannot decide the sizes");
  refused("a kernel's own refusal", [](P p) { p.functions[1].values[1].dims = {3}; }, "as many elements");
}

void test_damaged_headers_are_refused() {
  const Bytes good = PlanWriter().write(rich_plan());
  Ref<Module> module;
  for (size_t size = 0; size < good.size(); size += size < 80 ? 1 : 37) {
    expect(!load(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)), module).ok(),
           "a plan cut to " + std::to_string(size));
  }
  for (size_t at = 0; at < 64; ++at) {
    Bytes bad = good;
    bad[at] ^= 0x80;
    expect(!load(bad, module).ok(), "a header changed at byte " + std::to_string(at));
  }
  Bytes newer = good;
  newer[8] = 2;
  expect(load(newer, module).message().find("version 2") != std::string::npos, "a newer version is named");
}

// A mutated plan may be right and dear: only what is cheap is run.
bool cheap(const Module& module) {
  for (const auto& function : module.functions) {
    if (function->arena_bytes > (1 << 20) || function->symbol_count > 1000) return false;
    for (const Value& value : function->values) {
      if (value.bytes > (1 << 20)) return false;
    }
    for (const Instruction& item : function->instructions) {
      if (!std::strcmp(item.kernel->name, "loop")) return false;
      for (int i = 0; i < item.attribute_count; ++i) {
        if (item.attributes[i] > (1 << 20)) return false;
      }
    }
    for (const Expression& expression : function->expressions) {
      if (expression.opcode && (expression.a > 1000 || expression.b > 1000)) return false;
    }
  }
  return true;
}

void test_no_bytes_make_the_loader_misbehave(int rounds) {
  PlanSpec straight = rich_plan();  // a loop might run for ever
  auto& instructions = straight.functions[0].instructions;
  instructions.erase(instructions.begin() + 3);
  instructions[3].inputs = {5};
  instructions[3].releases = {5};
  const Bytes plans[] = {PlanWriter().write(rich_plan()), PlanWriter().write(straight)};
  std::mt19937_64 random(7);
  int loaded = 0;
  for (int round = 0; round < rounds; ++round) {
    const Bytes& good = plans[round % 2];
    Bytes bad = good;
    const int kind = static_cast<int>(random() % 4);
    if (kind == 0) {
      bad.resize(random() % 4096);
      for (auto& byte : bad) byte = static_cast<unsigned char>(random());
      if (bad.size() >= 64) std::memcpy(bad.data(), good.data(), 16);
    } else {
      for (uint64_t changes = 1 + random() % 4; changes > 0; --changes) {
        const size_t word = random() % (bad.size() / 8);
        int64_t value;
        std::memcpy(&value, bad.data() + word * 8, 8);
        if (kind == 1) value ^= int64_t{1} << (random() % 63);
        if (kind == 2) value += static_cast<int64_t>(random() % 9) - 4;
        if (kind == 3) value = static_cast<int64_t>(random() % 2 ? random() : random() % 64);
        std::memcpy(bad.data() + word * 8, &value, 8);
      }
      seal(bad);
    }
    Ref<Module> module;
    if (!load(bad, module).ok() || !cheap(*module) || module->functions.empty()) continue;
    ++loaded;
    std::vector<Tensor> out;
    if (module->functions[0]->inputs.size() <= 3) (void)run_main(*module, out).ok();
  }
  expect(loaded > rounds / 50,
         "some mutated plans load, so that running them is tested, too: " + std::to_string(loaded));
}

}  // namespace

int main() {
  const char* rounds = std::getenv("MILLSTREAM_FUZZ_ROUNDS");
  test_a_rich_plan_runs_and_runs_again();
  test_a_list_that_nobody_reads_afterwards_is_handed_over();
  test_wrong_plans_are_refused_with_a_reason();
  test_damaged_headers_are_refused();
  test_no_bytes_make_the_loader_misbehave(rounds ? std::atoi(rounds) : 20000);
  if (failures) std::fprintf(stderr, "%d failed\n", failures);
  return failures != 0;
}
