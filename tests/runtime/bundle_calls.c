/* Calls the signatures of a bundle's plan from several threads: words looked up in a table, a count kept, a loop, numbers drawn. */
#include <millstream.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { threads = 4, rounds = 50 };

static void stop(const char* what) {
  fprintf(stderr, "bundle_calls: %s\n", what);
  exit(1);
}

static ms_tensor* call(ms_plan* plan, const char* name, const ms_tensor* input) {
  const int signature = ms_signature_find(plan, name);
  ms_tensor* output;
  if (signature < 0) stop(name);
  if (ms_call(plan, signature, &input, input ? 1 : 0, &output, 1)) stop(ms_last_error());
  return output;
}

static void* work(void* given) {
  ms_plan* plan = given;
  for (int round = 0; round < rounds; ++round) {
    const char* texts[] = {"one", "two", "unknown"};
    const int64_t size = 3;
    ms_tensor* words;
    if (ms_tensor_new_strings(texts, NULL, 1, &size, &words)) stop(ms_last_error());
    ms_tensor* found = call(plan, "look_up", words);
    const int64_t* numbers = ms_tensor_data(found);
    if (ms_tensor_count(found) != 3 || numbers[0] != 1 || numbers[1] != 2 || numbers[2] != -1) stop("wrong numbers");
    ms_tensor* upper = call(plan, "upper", words);
    size_t length;
    if (memcmp(ms_tensor_text(upper, 2, &length), "UNKNOWN", 7) || length != 7) stop("wrong text");
    ms_tensor_free(upper);
    ms_tensor_free(words);
    ms_tensor_free(found);
    ms_tensor_free(call(plan, "count", NULL));
    ms_tensor* n;
    if (ms_tensor_new(MS_INT32, 0, NULL, &n)) stop(ms_last_error());
    *(int32_t*)ms_tensor_data(n) = round % 7;
    ms_tensor* power = call(plan, "power", n);
    if (*(float*)ms_tensor_data(power) != (float)(1 << round % 7)) stop("wrong power");
    ms_tensor_free(power);
    ms_tensor_free(n);
  }
  return NULL;
}

int main(int count, char** arguments) {
  ms_plan* plan;
  if (count != 2) stop("usage: bundle_calls PLAN");
  if (ms_plan_open(arguments[1], &plan)) stop(ms_last_error());
  pthread_t workers[threads];
  for (int i = 0; i < threads; ++i) pthread_create(&workers[i], NULL, work, plan);
  for (int i = 0; i < threads; ++i) pthread_join(workers[i], NULL);
  ms_tensor* counted = call(plan, "count", NULL);
  ms_tensor *first = call(plan, "draw", NULL), *second = call(plan, "draw", NULL);
  printf("%lld calls, %d states, draws differ: %d\n", (long long)*(int64_t*)ms_tensor_data(counted),
         ms_state_count(plan), *(float*)ms_tensor_data(first) != *(float*)ms_tensor_data(second));
  ms_tensor_free(counted);
  ms_tensor_free(first);
  ms_tensor_free(second);
  ms_plan_free(plan);
  return 0;
}
