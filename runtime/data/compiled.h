// A plan that runs elements of one kind, with what its function captured.
#pragma once

#include <map>

#include "data/reader.h"
#include "program/executor.h"

namespace millstream {

struct MappedFunction::Compiled {
  Ref<Module> module;
  const Function* function = nullptr;
  std::vector<Tensor> captures;
};

}  // namespace millstream
