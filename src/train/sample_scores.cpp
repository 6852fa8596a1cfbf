#include "lacuna/train/sample_scores.h"

namespace lacuna::train {

void SampleScores::add(const EvaluationRequest& request, int64_t context,
                       const EvaluationWindow& window, const double* losses) {
  // Windows that do not keep to records lie that far apart.
  const int64_t number = request.part.records_apart()
                             ? record_at(request.part, window.begin)
                             : window.begin / (context - request.min_context);
  if (samples.empty() || samples.back().number != number) {
    samples.push_back({number, window.begin + window.score_begin, 0, 0});
  }
  SampleScore& sample = samples.back();
  for (int64_t t = window.score_begin; t < window.length; ++t) sample.nats += losses[t];
  sample.positions += window.length - window.score_begin;
  const int64_t places = request.medium.sample_size();
  if (places == 0) return;
  place_nats.resize(static_cast<size_t>(places));
  for (int64_t t = 0; t < window.length; ++t) {
    place_nats[static_cast<size_t>((window.begin + t) % places)] += losses[t];
  }
}

}  // namespace lacuna::train
