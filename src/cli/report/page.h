// The page of `lacuna report`: one HTML file without outside resources and without a script.
#pragma once

#include <string>
#include <vector>

#include "lacuna/train/run_record.h"

namespace lacuna::cli {

/// `runs` is not empty.
std::string report_page(const std::vector<train::RunRecord>& runs);

// Its tables.
std::string results_table(const std::vector<train::RunRecord>& runs);
std::string options_tables(const std::vector<train::RunRecord>& runs);
std::string environment_table(const std::vector<train::RunRecord>& runs);

/// The samples of all runs, the newest of each first: text, pictures and players in the page
/// itself.
std::string samples_section(const std::vector<train::RunRecord>& runs);

/// The name of the validation set that tells which weights are the best; empty: none was evaluated.
std::string judging_set(const train::RunRecord& run);
/// "the validation part", or the set by its name.
std::string set_text(const std::string& set);
/// ", a subset of 4 of 24 windows"; empty of a whole part.
std::string subset_text(const train::RecordedEvaluation& evaluation);
/// The last evaluation of a validation set with these weights ("raw", "average"); null: none.
const train::RecordedEvaluation* last_evaluation(const train::RunRecord& run,
                                                 const std::string& set,
                                                 const std::string& weights);
/// Of the judging set, with the weights that evaluation prefers: the averaged ones where there are
/// some; null: none.
const train::RecordedEvaluation* last_evaluation(const train::RunRecord& run);
/// "bits per byte", or "bits" where the runs have several units.
std::string unit_text(const std::vector<train::RunRecord>& runs);
/// "finished", "in progress", ...
const char* state_text(train::RunState state);
/// Identity of what a run was trained on; empty where it was not recorded.
std::string data_of(const train::RunRecord& run);

}  // namespace lacuna::cli
