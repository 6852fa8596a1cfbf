// Times on the GPU, by events on the queue's stream, and the rate of a large copy within its
// memory: what kernels that are bound by memory are held against.
#include <algorithm>
#include <map>

#include "queue.h"

namespace lacuna::cuda {

std::vector<ContractTime> profile(const Queue& queue, const std::function<void()>& work) {
  GpuStream& stream = gpu(queue);
  stream.begin_marks();
  work();
  const std::vector<GpuStream::Mark> marks = stream.take_marks();
  queue.wait();
  std::map<std::string, ContractTime> by_name;
  for (size_t i = 1; i < marks.size(); ++i) {
    float ms = 0;
    check(cudaEventElapsedTime(&ms, marks[i - 1].done, marks[i].done), "cudaEventElapsedTime");
    ContractTime& entry = by_name[marks[i].contract];
    entry.contract = marks[i].contract;
    ++entry.launches;
    entry.ms += ms;
  }
  for (const GpuStream::Mark& mark : marks) cudaEventDestroy(mark.done);
  std::vector<ContractTime> times;
  for (const auto& [name, time] : by_name) times.push_back(time);
  std::sort(times.begin(), times.end(),
            [](const ContractTime& a, const ContractTime& b) { return a.ms > b.ms; });
  return times;
}

std::vector<double> time_on_device(const Queue& queue, int repeats,
                                   const std::function<void(int repeat)>& work) {
  const cudaStream_t stream = gpu(queue).stream();
  std::vector<cudaEvent_t> events(static_cast<size_t>(repeats) + 1);
  for (cudaEvent_t& event : events) check(cudaEventCreate(&event), "cudaEventCreate");
  check(cudaEventRecord(events[0], stream), "cudaEventRecord");
  for (int i = 0; i < repeats; ++i) {
    work(i);
    check(cudaEventRecord(events[static_cast<size_t>(i) + 1], stream), "cudaEventRecord");
  }
  queue.wait();
  std::vector<double> times;
  for (int i = 0; i < repeats; ++i) {
    float ms = 0;
    check(cudaEventElapsedTime(&ms, events[static_cast<size_t>(i)],
                               events[static_cast<size_t>(i) + 1]),
          "cudaEventElapsedTime");
    times.push_back(ms);
  }
  for (const cudaEvent_t event : events) cudaEventDestroy(event);
  std::sort(times.begin(), times.end());
  return times;
}

double copy_rate(const Queue& queue) {
  constexpr int64_t kBytes = int64_t{2} << 30;
  constexpr int kRepeats = 11;
  const Tensor from = queue.zeros({kBytes}, DType::kU8), to = queue.zeros({kBytes}, DType::kU8);
  queue.fill(from, 0x5B);
  const auto copy = [&](int) {
    check(cudaMemcpyAsync(to.view().raw(), from.view().raw(), kBytes, cudaMemcpyDeviceToDevice,
                          gpu(queue).stream()),
          "cudaMemcpyAsync");
  };
  time_on_device(queue, 3, copy);
  return 2 * kBytes / (1e-3 * time_on_device(queue, kRepeats, copy)[kRepeats / 2]);
}

}  // namespace lacuna::cuda
