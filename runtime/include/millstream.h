/* Millstream's runtime for C: opens a plan file, runs its signatures. No Python, no TensorFlow, no other door.
 *
 * Functions that can fail return 0, or an error code as TensorFlow numbers them; ms_last_error() then says what was
 * given, what is allowed and what to do. Text and pointers belong to what they were asked of and live as long as it does.
 * A plan may be used by several threads at once; a tensor may be read by several threads at once. */
#ifndef MILLSTREAM_H
#define MILLSTREAM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MS_API __attribute__((visibility("default")))
#else
#define MS_API
#endif

/* Element types, with TensorFlow's DataType numbers. */
enum {
  MS_FLOAT32 = 1,
  MS_FLOAT64 = 2,
  MS_INT32 = 3,
  MS_UINT8 = 4,
  MS_INT16 = 5,
  MS_INT8 = 6,
  MS_STRING = 7,
  MS_COMPLEX64 = 8,
  MS_INT64 = 9,
  MS_BOOL = 10,
  MS_BFLOAT16 = 14,
  MS_UINT16 = 17,
  MS_COMPLEX128 = 18,
  MS_FLOAT16 = 19,
  MS_UINT32 = 22,
  MS_UINT64 = 23
};

typedef struct ms_plan ms_plan;
typedef struct ms_tensor ms_tensor;

/* The library. */
MS_API const char* ms_version(void);
MS_API const char* ms_last_error(void);        /* of this thread; "" if nothing failed yet */
MS_API const char* ms_last_error_source(void); /* the line of the user's program it came from, or "" */
MS_API int ms_kernel_count(void);
MS_API const char* ms_kernel_name(int index);
MS_API int ms_thread_count(void);
MS_API void ms_set_thread_count(int count); /* 0: as many as the process may use */
MS_API int64_t ms_memory_bytes(void);       /* taken from the system now */
MS_API void ms_release_cached_memory(void);
/* Large matrices are factorised by BLAS and LAPACK where they are given: find("dgetrf") returns the address of the Fortran function
 * of that name (sizes of 32 bits), NULL where there is none. Without it the runtime's own kernels serve. */
MS_API void ms_set_lapack(void* (*find)(const char* name));
MS_API void ms_trace_start(void);
MS_API int ms_trace_write(const char* path); /* stops, and writes the events as JSON for chrome://tracing */

/* Plans. A path is mapped into memory, bytes are copied. */
MS_API int ms_plan_open(const char* path, ms_plan** plan);
MS_API int ms_plan_open_bytes(const void* bytes, size_t size, ms_plan** plan);
MS_API void ms_plan_free(ms_plan* plan);

/* Signatures: what a plan offers. Sizes not known before it runs are -1. */
MS_API int ms_signature_count(const ms_plan* plan);
MS_API const char* ms_signature_name(const ms_plan* plan, int signature);
MS_API int ms_signature_find(const ms_plan* plan, const char* name); /* -1 if there is none */
MS_API int ms_input_count(const ms_plan* plan, int signature);
MS_API int ms_output_count(const ms_plan* plan, int signature);
MS_API const char* ms_input_name(const ms_plan* plan, int signature, int input);
MS_API const char* ms_output_name(const ms_plan* plan, int signature, int output);
MS_API int ms_input_type(const ms_plan* plan, int signature, int input);
MS_API int ms_output_type(const ms_plan* plan, int signature, int output);
MS_API int ms_input_rank(const ms_plan* plan, int signature, int input);
MS_API int ms_output_rank(const ms_plan* plan, int signature, int output);
MS_API int64_t ms_input_size(const ms_plan* plan, int signature, int input, int dimension);
MS_API int64_t ms_output_size(const ms_plan* plan, int signature, int output, int dimension);

/* Runs a signature. `outputs` receives new tensors for the caller to free; on failure it is left alone. */
MS_API int ms_call(ms_plan* plan, int signature, const ms_tensor* const* inputs, int input_count, ms_tensor** outputs,
                   int output_count);

/* Tensors: dense, row-major. */
MS_API int ms_tensor_new(int type, int rank, const int64_t* sizes, ms_tensor** tensor); /* bytes are zero */
MS_API int ms_tensor_new_strings(const char* const* texts, const size_t* lengths, int rank, const int64_t* sizes,
                                 ms_tensor** tensor);
MS_API void ms_tensor_free(ms_tensor* tensor);
MS_API int ms_tensor_type(const ms_tensor* tensor);
MS_API int ms_tensor_rank(const ms_tensor* tensor);
MS_API int64_t ms_tensor_size(const ms_tensor* tensor, int dimension);
MS_API int64_t ms_tensor_count(const ms_tensor* tensor);
MS_API size_t ms_tensor_bytes(const ms_tensor* tensor);
MS_API void* ms_tensor_data(ms_tensor* tensor); /* write only into tensors of ms_tensor_new */
MS_API const char* ms_tensor_text(const ms_tensor* tensor, int64_t index, size_t* length);

/* States: the variables that travel with the plan. */
MS_API int ms_state_count(const ms_plan* plan);
MS_API const char* ms_state_name(const ms_plan* plan, int state);
MS_API int ms_state_get(ms_plan* plan, int state, ms_tensor** value); /* for the caller to free */
MS_API int ms_state_set(ms_plan* plan, int state, const ms_tensor* value);

#ifdef __cplusplus
}
#endif
#endif
