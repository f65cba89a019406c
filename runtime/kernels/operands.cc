// Checks and messages for the data-moving kernels. Refuses what cannot be addressed.
#include "kernels/operands.h"

#include "memory/objects.h"

namespace millstream {

size_t moved_bytes(DType dtype) { return dtype == DType::string ? sizeof(int64_t) : element_bytes(dtype); }

std::string show_dims(const int64_t* dims, int rank) { return shape_text(rank, dims); }

std::string show(const Tensor& tensor) { return dtype_name(tensor.dtype) + show_dims(tensor.dims, tensor.rank); }

std::string show_position(const int64_t* dims, int rank, int64_t position) {
  if (rank == 0) return "";
  int64_t at[max_rank];
  for (int i = rank - 1; i >= 0; --i) {
    at[i] = dims[i] > 0 ? position % dims[i] : 0;
    position = dims[i] > 0 ? position / dims[i] : 0;
  }
  return show_dims(at, rank);
}

Status check_tensor(const Tensor& tensor, const char* name) {
  if (tensor.rank < 0 || tensor.rank > max_rank) {
    return invalid(std::string(name) + ": rank " + std::to_string(tensor.rank) + "; at most 12 axes are allowed.");
  }
  int64_t total = 32;  // the widest element, twice
  bool fits = true;
  for (int i = 0; i < tensor.rank; ++i) {
    fits &= tensor.dims[i] >= 0;
    if (tensor.dims[i] > 0) fits &= !__builtin_mul_overflow(total, tensor.dims[i], &total);
  }
  if (!fits)
    return invalid(std::string(name) + ": sizes " + show_dims(tensor.dims, tensor.rank) +
                   " are negative or too large.");
  return Status();
}

Status check_operands(const Call& call, const char* name, int inputs, int outputs) {
  if (call.input_count != inputs || call.output_count != outputs) {
    return invalid(std::string(name) + ": given " + std::to_string(call.input_count) + " inputs and " +
                   std::to_string(call.output_count) + " outputs, takes " + std::to_string(inputs) + " and " +
                   std::to_string(outputs) + ".");
  }
  for (int i = 0; i < inputs; ++i) {
    if (!call.has(i)) return invalid(std::string(name) + ": input " + std::to_string(i) + " must be given.");
    MS_RETURN_IF_ERROR(check_tensor(call.in(i), name));
  }
  for (int i = 0; i < outputs; ++i) MS_RETURN_IF_ERROR(check_tensor(call.out(i), name));
  return Status();
}

Status check_attributes(const Call& call, const char* name, int64_t count) {
  if (call.attribute_count == count) return Status();
  return invalid(std::string(name) + ": given " + std::to_string(call.attribute_count) + " attribute words, takes " +
                 std::to_string(count) + ".");
}

bool is_index(DType dtype) { return dtype == DType::int32 || dtype == DType::int64 || dtype == DType::int16; }

bool same_dims(const Tensor& a, const Tensor& b) {
  if (a.rank != b.rank) return false;
  for (int i = 0; i < a.rank; ++i) {
    if (a.dims[i] != b.dims[i]) return false;
  }
  return true;
}

bool distinct_axes(const int64_t* axes, int64_t count, int rank) {
  uint32_t seen = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (axes[i] < 0 || axes[i] >= rank || (seen >> axes[i] & 1)) return false;
    seen |= 1u << axes[i];
  }
  return true;
}

int64_t product(const int64_t* dims, int begin, int end) {
  int64_t n = 1;
  for (int i = begin; i < end; ++i) n *= dims[i];
  return n;
}

Status out_of_memory(const char* name, const Tensor& wanted) {
  return Status(Code::resource_exhausted, std::string(name) + ": no memory for " + show(wanted) + ".");
}

}  // namespace millstream
