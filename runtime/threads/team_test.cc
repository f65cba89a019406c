// Tests of Team: members that wait for one another, from several callers, within other jobs.
#include <atomic>
#include <barrier>
#include <thread>
#include <vector>

#include "testing.h"
#include "threads/pool.h"

using namespace millstream;

namespace {

// Each member arrives at a barrier twice: without a thread for each it would never return.
bool meets(int size) {
  std::barrier<> meeting(size);
  std::atomic<int> sum{0}, late{0};
  const auto member = [&](int index) {
    sum += index + 1;
    meeting.arrive_and_wait();
    if (sum != size * (size + 1) / 2) ++late;
    meeting.arrive_and_wait();
  };
  Team team;
  team.begin(size, member);
  member(0);
  team.finish();
  return late == 0 && sum == size * (size + 1) / 2;
}

void test_members_meet_at_a_barrier() {
  for (int threads : {4, 2, 1}) {
    set_thread_count(threads);
    for (int size : {1, 2, 3, 7}) {
      for (int round = 0; round < 50; ++round) EXPECT_THAT(meets(size));
    }
  }
  set_thread_count(3);
}

void test_several_teams_and_jobs_at_once() {
  std::atomic<int> bad{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      for (int round = 0; round < 100; ++round) {
        bad += !meets(3);
        std::atomic<int64_t> sum{0};
        parallel_for(100, 1, [&](int64_t begin, int64_t end) { sum += end - begin; });
        bad += sum != 100;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_THAT(bad == 0);
}

void test_a_team_inside_a_job_has_threads_of_its_own() {
  std::atomic<int> bad{0};
  parallel_for(3, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) bad += !meets(3);
  });
  EXPECT_THAT(bad == 0);
}

}  // namespace

int main() {
  test_members_meet_at_a_barrier();
  test_several_teams_and_jobs_at_once();
  test_a_team_inside_a_job_has_threads_of_its_own();
  return testing::exit_status();
}
