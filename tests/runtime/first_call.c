/* Opens a plan, calls its first signature twice with zeros, and prints the processor time that took, in ms, and the most memory it had. */
#include <millstream.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void stop(const char* what) {
  fprintf(stderr, "first_call: %s\n", what);
  exit(1);
}

/* Of this program: what getrusage says may be that of the process that started it. */
static long most_kilobytes(void) {
  char line[128];
  long found = 0;
  FILE* file = fopen("/proc/self/status", "r");
  if (!file) stop("/proc/self/status");
  while (fgets(line, sizeof line, file)) sscanf(line, "VmHWM: %ld", &found);
  fclose(file);
  return found;
}

int main(int count, char** arguments) {
  if (count != 2) stop("usage: first_call PLAN");
  const double begun = now_ms();
  ms_plan* plan;
  if (ms_plan_open(arguments[1], &plan)) stop(ms_last_error());
  int64_t sizes[12];
  const int rank = ms_input_rank(plan, 0, 0);
  for (int i = 0; i < rank; ++i) {
    sizes[i] = ms_input_size(plan, 0, 0, i);
    if (sizes[i] < 0) sizes[i] = 1;
  }
  ms_tensor *input, *output;
  if (ms_tensor_new(ms_input_type(plan, 0, 0), rank, sizes, &input)) stop(ms_last_error());
  const ms_tensor* const inputs[] = {input};
  if (ms_call(plan, 0, inputs, 1, &output, 1)) stop(ms_last_error());
  const double called = now_ms();
  printf("%.1f %ld\n", called - begun, most_kilobytes());
  ms_tensor_free(output);
  ms_tensor_free(input);
  ms_plan_free(plan);
  return 0;
}
