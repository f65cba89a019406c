// Kernels `fused` and `fused_reduce`; operands and attribute words are stated in fused.h.
#include "kernels/fused.h"

#include "kernels/fused_plan.h"

namespace millstream {
namespace {

Status check_words(const Call& call, bool may_reduce) {
  TileProgram program;
  MS_RETURN_IF_ERROR(program.decode(call.attributes, call.attribute_count, may_reduce));
  return program.verify_call(call);
}

Status check_fused(const Call& call) { return check_words(call, false); }
Status check_fused_reduce(const Call& call) { return check_words(call, true); }

std::shared_ptr<const void> prepare_program(const Call& call, Status& status) {
  TileProgram program;
  status = program.decode(call.attributes, call.attribute_count, true);
  if (!status.ok()) return nullptr;
  return lower(program);
}

Status run_prepared(const Call& call) { return run_tiles(*static_cast<const TilePlan*>(call.prepared), call); }

const Kernel kernel_fused = {"fused", check_fused, run_prepared, prepare_program};
const Kernel kernel_fused_reduce = {"fused_reduce", check_fused_reduce, run_prepared, prepare_program};

}  // namespace

void register_fused(Registry& registry) {
  registry.add(kernel_fused);
  registry.add(kernel_fused_reduce);
}

}  // namespace millstream
