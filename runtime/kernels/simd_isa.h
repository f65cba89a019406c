// Which of the compiled instruction sets this processor runs.
#pragma once

namespace millstream {

enum class Isa : int { baseline, avx2, avx512 };

// MILLSTREAM_ISA=baseline|avx2|avx512 in the environment lowers it (never raises it): for tests and for comparing.
Isa processor_isa();

}  // namespace millstream
