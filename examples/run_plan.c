/* Runs an exported plan without Python: each input is a file of raw float32 numbers, the outputs are printed.
 * cc examples/run_plan.c -Iruntime/include -Lmillstream -lmillstream -Wl,-rpath,$PWD/millstream -o run_plan
 * ./run_plan model.plan images.f32 */
#include <millstream.h>
#include <stdio.h>
#include <stdlib.h>

static void stop(const char* what) {
  fprintf(stderr, "run_plan: %s\n", what);
  exit(1);
}

/* Reads a file into a new tensor; a size that is not known yet follows from the file's length. */
static ms_tensor* read_input(const ms_plan* plan, int input, const char* path) {
  FILE* file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END) != 0) stop(path);
  int64_t left = ftell(file) / (int64_t)sizeof(float), sizes[12];
  int rank = ms_input_rank(plan, 0, input), open = -1;
  rewind(file);
  if (ms_input_type(plan, 0, input) != MS_FLOAT32) stop("only float32 inputs are read");
  for (int i = 0; i < rank; ++i) {
    sizes[i] = ms_input_size(plan, 0, input, i);
    if (sizes[i] < 0) open = i;
    if (sizes[i] > 0) left /= sizes[i];
  }
  if (open >= 0) sizes[open] = left;
  ms_tensor* tensor;
  if (ms_tensor_new(MS_FLOAT32, rank, sizes, &tensor)) stop(ms_last_error());
  if (fread(ms_tensor_data(tensor), 1, ms_tensor_bytes(tensor), file) != ms_tensor_bytes(tensor))
    stop("the file is too short");
  fclose(file);
  return tensor;
}

int main(int count, char** arguments) {
  ms_plan* plan;
  if (count < 2) stop("usage: run_plan PLAN [INPUT...]");
  if (ms_plan_open(arguments[1], &plan)) stop(ms_last_error());
  int inputs = ms_input_count(plan, 0), outputs = ms_output_count(plan, 0);
  if (count - 2 != inputs) stop("give one file for each input");
  ms_tensor** given = calloc((size_t)inputs + 1, sizeof *given);
  ms_tensor** made = calloc((size_t)outputs + 1, sizeof *made);
  for (int i = 0; i < inputs; ++i) given[i] = read_input(plan, i, arguments[2 + i]);
  if (ms_call(plan, 0, (const ms_tensor* const*)given, inputs, made, outputs)) stop(ms_last_error());
  for (int i = 0; i < outputs; ++i) {
    int rank = ms_tensor_rank(made[i]);
    int64_t row = rank ? ms_tensor_size(made[i], rank - 1) : 1;
    printf("%s\n", ms_output_name(plan, 0, i));
    for (int64_t k = 0; k < ms_tensor_count(made[i]) && ms_tensor_type(made[i]) == MS_FLOAT32; ++k) {
      printf("%.9g%c", (double)((float*)ms_tensor_data(made[i]))[k], (k + 1) % row ? ' ' : '\n');
    }
    ms_tensor_free(made[i]);
  }
  for (int i = 0; i < inputs; ++i) ms_tensor_free(given[i]);
  free(given);
  free(made);
  ms_plan_free(plan);
  return 0;
}
