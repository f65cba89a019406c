// What this machine can do at best: fused multiply-adds a second and bytes a second, on one core and on all.
// Prints one JSON object. Built by machine.py with -O3 -march=native -pthread; refuses nothing, measures 0.3 s each.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { lanes = 16, chains = 12, triad_floats = 16 * 1024 * 1024 };
typedef float vector __attribute__((vector_size(lanes * sizeof(float))));

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

struct result {
  double per_second;
  float kept;  // so that the work is not removed
};

static void* multiply_add(void* argument) {
  struct result* result = argument;
  vector sums[chains];
  for (int i = 0; i < chains; ++i)
    for (int j = 0; j < lanes; ++j) sums[i][j] = (float)(i + j);
  vector factor, term;
  for (int j = 0; j < lanes; ++j) {
    factor[j] = 0.999f;
    term[j] = 0.001f * (float)j;
  }
  double began = now(), seconds = 0;
  int64_t rounds = 0;
  while (seconds < 0.3) {
    for (int repeat = 0; repeat < 100000; ++repeat)
      for (int i = 0; i < chains; ++i) sums[i] = sums[i] * factor + term;
    rounds += 100000;
    seconds = now() - began;
  }
  for (int i = 0; i < chains; ++i) result->kept += sums[i][0];
  result->per_second = 2.0 * lanes * chains * (double)rounds / seconds;
  return NULL;
}

static void* triad(void* argument) {
  struct result* result = argument;
  float* a = malloc(triad_floats * sizeof(float));
  float* b = malloc(triad_floats * sizeof(float));
  float* c = malloc(triad_floats * sizeof(float));
  if (!a || !b || !c) return NULL;
  for (int i = 0; i < triad_floats; ++i) a[i] = b[i] = c[i] = 1.0f;
  double began = now(), seconds = 0;
  int64_t rounds = 0;
  while (seconds < 0.3) {
    for (int i = 0; i < triad_floats; ++i) a[i] = b[i] + 0.5f * c[i];
    ++rounds;
    result->kept += a[rounds];
    seconds = now() - began;
  }
  result->per_second = 3.0 * sizeof(float) * triad_floats * (double)rounds / seconds;
  free(a);
  free(b);
  free(c);
  return NULL;
}

static double on_threads(void* (*work)(void*), int count) {
  pthread_t threads[256];
  struct result results[256];
  memset(results, 0, sizeof results);
  if (count > 256) count = 256;
  for (int i = 0; i < count; ++i)
    if (pthread_create(&threads[i], NULL, work, &results[i])) exit(1);
  double total = 0;
  for (int i = 0; i < count; ++i) {
    pthread_join(threads[i], NULL);
    total += results[i].per_second;
  }
  return total;
}

int main(void) {
  int cores = (int)sysconf(_SC_NPROCESSORS_ONLN);
  printf("{\"cores\": %d, \"flops_one_core\": %.4g, \"flops_all_cores\": %.4g, ", cores, on_threads(multiply_add, 1),
         on_threads(multiply_add, cores));
  printf("\"bytes_one_core\": %.4g, \"bytes_all_cores\": %.4g}\n", on_threads(triad, 1), on_threads(triad, cores));
  return 0;
}
