// The kernels that the loader must know by name: what they call is checked against the functions of the plan.
#pragma once

#include "kernels/kernel.h"

namespace millstream {

extern const Kernel kernel_call, kernel_branch, kernel_loop, kernel_host_call, kernel_state_edit;

}  // namespace millstream
