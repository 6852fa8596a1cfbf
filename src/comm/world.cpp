// Who launched this process, and as which rank.
#include "lacuna/comm/world.h"

#include <charconv>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

#include "lacuna/base/error.h"
#include "lacuna/base/text.h"

namespace lacuna {
namespace {

// Where Linux takes no port for outgoing connections, which end at 60999.
constexpr uint16_t kFirstPort = 61000;
constexpr uint64_t kPorts = 4500;

// The environment; a variable that is empty counts as not set.
class Variables {
 public:
  explicit Variables(const Environment& environment) : environment_(environment) {}

  std::string text(const char* name) const {
    const char* value = environment_(name);
    return value == nullptr ? "" : value;
  }
  bool has(const char* name) const { return !text(name).empty(); }
  int whole(const char* name) const {
    const std::string value = text(name);
    int number = 0;
    const auto [end, fault] =
        std::from_chars(value.data(), value.data() + value.size(), number, 10);
    if (fault != std::errc() || end != value.data() + value.size() || number < 0) {
      throw Error(ErrorKind::kUsage, name, "expected a whole number from 0, got '" + value + "'");
    }
    return number;
  }

 private:
  const Environment& environment_;
};

// The world that one launcher tells of, and how it calls rank and size.
struct Launch {
  World world;
  std::string rank_name, size_name;
};

bool has_any(const Variables& variables, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (variables.has(name)) return true;
  }
  return false;
}

void want_all(const Variables& variables, const std::string& launcher,
              std::initializer_list<const char*> names) {
  std::vector<std::string> set, missing;
  for (const char* name : names) (variables.has(name) ? set : missing).emplace_back(name);
  if (missing.empty()) return;
  throw Error(ErrorKind::kUsage, join(missing, ", "),
              str("missing, while ", join(set, ", "), set.size() == 1 ? " is" : " are", " set, as ",
                  launcher, " does"),
              "Set all of them, or unset those to train with one process");
}

void want_below(const std::string& part, int got, const std::string& whole, int of) {
  if (got < of) return;
  throw Error(ErrorKind::kUsage, part + " and " + whole,
              str("expected the first below the second, got ", got, " and ", of));
}

// How a launcher calls what it tells each process.
struct Names {
  const char *rank, *size, *local_rank, *local_size;
};

Launch checked(World world, const Names& names) {
  want_below(names.rank, world.rank, names.size, world.size);
  want_below(names.local_rank, world.local_rank, names.local_size, world.local_size);
  if (world.local_size > world.size) {
    throw Error(ErrorKind::kUsage, str(names.local_size, " and ", names.size),
                str("there are ", world.local_size, " processes on this host, but ", world.size,
                    " in all"));
  }
  return {std::move(world), names.rank, names.size};
}

std::optional<Launch> launch_with(const Variables& variables, const std::string& launcher,
                                  const Names& names) {
  const auto all = {names.rank, names.size, names.local_rank, names.local_size};
  if (!has_any(variables, all)) return {};
  want_all(variables, launcher, all);
  World world;
  world.rank = variables.whole(names.rank);
  world.size = variables.whole(names.size);
  world.local_rank = variables.whole(names.local_rank);
  world.local_size = variables.whole(names.local_size);
  world.launcher = launcher;
  return checked(std::move(world), names);
}

uint16_t port_of(const Variables& variables) {
  const int port = variables.whole("MASTER_PORT");
  if (port < 1 || port > UINT16_MAX) {
    throw Error(ErrorKind::kUsage, "MASTER_PORT",
                str("expected a port from 1 to ", UINT16_MAX, ", got ", port));
  }
  return static_cast<uint16_t>(port);
}

// The same on all processes of a job and seldom that of another one.
uint16_t port_for(const std::string& job) {
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (const char letter : job) hash = (hash ^ static_cast<uint8_t>(letter)) * 1099511628211u;
  return static_cast<uint16_t>(kFirstPort + hash % kPorts);
}

std::optional<Launch> by_torchrun(const Variables& variables) {
  const bool own = !variables.text("LACUNA_LAUNCHER").empty();
  auto launch = launch_with(variables, own ? "lacuna" : "torchrun",
                            {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"});
  if (!launch) return {};
  want_all(variables, launch->world.launcher,
           {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"});
  launch->world.host = variables.text("MASTER_ADDR");
  launch->world.port = port_of(variables);
  // Its agent listens at that port itself, and goes on doing so.
  if (variables.has("TORCHELASTIC_RUN_ID")) {
    const int taken = launch->world.port;
    launch->world.port = static_cast<uint16_t>(taken < UINT16_MAX ? taken + 1 : taken - 1);
  }
  return launch;
}

// Where rank 0 is met, when the launcher does not say: on one host anybody can tell.
void meet(Launch& launch, const Variables& variables, const std::string& first_host,
          const std::string& job) {
  World& world = launch.world;
  const bool one_host = world.local_size == world.size;
  if (!one_host && first_host.empty()) {
    if (!has_any(variables, {"MASTER_ADDR", "MASTER_PORT"})) {
      throw Error(ErrorKind::kUsage, "MASTER_ADDR, MASTER_PORT",
                  str("missing, while ", launch.size_name, " is ", world.size, " and ",
                      world.local_size, " processes are on this host"),
                  str(world.launcher,
                      " does not say where rank 0 is: give its host and a free "
                      "port of it to all ranks"));
    }
    want_all(variables, world.launcher, {"MASTER_ADDR", "MASTER_PORT"});
  }
  if (variables.has("MASTER_ADDR")) {
    world.host = variables.text("MASTER_ADDR");
  } else if (!one_host) {
    world.host = first_host;
  }
  world.port = variables.has("MASTER_PORT") ? port_of(variables) : port_for(job);
}

std::optional<Launch> by_open_mpi(const Variables& variables) {
  auto launch = launch_with(variables, "Open MPI",
                            {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
                             "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"});
  if (launch) {
    const std::string job = variables.text("PMIX_NAMESPACE");
    meet(*launch, variables, "", job.empty() ? variables.text("OMPI_MCA_ess_base_jobid") : job);
  }
  return launch;
}

// The first name of a list such as "node[03-05,9],gpu1": node03.
std::string first_of(const std::string& nodes) {
  std::string name;
  bool in_brackets = false, skipping = false;
  for (const char letter : nodes) {
    if (letter == '[') {
      in_brackets = true;
    } else if (letter == ']') {
      in_brackets = skipping = false;
    } else if (in_brackets && (letter == '-' || letter == ',')) {
      skipping = true;
    } else if (letter == ',') {
      break;
    } else if (!skipping) {
      name += letter;
    }
  }
  return name;
}

// How many processes of a step are on node `node` by a list such as "4(x2),3"; 0: it does not say.
int tasks_on(const std::string& list, int node) {
  for (const std::string& part : split(list, ',')) {
    int tasks = 0, nodes = 1;
    const char* end = part.data() + part.size();
    const auto [rest, fault] = std::from_chars(part.data(), end, tasks, 10);
    if (fault != std::errc()) return 0;
    if (end - rest > 3) std::from_chars(rest + 2, end, nodes, 10);  // "(x2)"
    if (node < nodes) return tasks;
    node -= nodes;
  }
  return 0;
}

// srun, that is. The shell of salloc and the script of sbatch have most of its variables, too, but
// are no step or one that Slurm numbers from the end (0xfffffff0 and on).
bool launched_by_srun(const Variables& variables) {
  if (!variables.has("SLURM_PROCID") || !variables.has("SLURM_STEP_ID")) return false;
  const std::string step = variables.text("SLURM_STEP_ID");
  return step.size() < 10 || step < "4294967280";
}

// Of the step, where that is not the whole job.
int slurm_size(const Variables& variables) {
  return variables.whole(variables.has("SLURM_STEP_NUM_TASKS") ? "SLURM_STEP_NUM_TASKS"
                                                               : "SLURM_NTASKS");
}

int slurm_local_size(const Variables& variables) {
  for (const char* name :
       {"SLURM_STEP_TASKS_PER_NODE", "SLURM_NTASKS_PER_NODE", "SLURM_TASKS_PER_NODE"}) {
    if (!variables.has(name)) continue;
    const std::string list = variables.text(name);
    const bool uniform = list.find(',') == std::string::npos;
    if (!uniform) want_all(variables, "Slurm", {name, "SLURM_NODEID"});
    const int tasks = tasks_on(list, uniform ? 0 : variables.whole("SLURM_NODEID"));
    if (tasks >= 1) return tasks;
    throw Error(ErrorKind::kUsage, name, "does not tell how many processes this node has: " + list);
  }
  want_all(variables, "Slurm", {"SLURM_PROCID", "SLURM_NTASKS_PER_NODE"});
  return 0;
}

std::optional<Launch> by_slurm(const Variables& variables) {
  if (!launched_by_srun(variables)) return {};
  want_all(variables, "Slurm", {"SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_JOB_ID"});
  World world;
  world.rank = variables.whole("SLURM_PROCID");
  world.size = slurm_size(variables);
  world.local_rank = variables.whole("SLURM_LOCALID");
  world.local_size = slurm_local_size(variables);
  world.launcher = "Slurm";
  Launch launch = checked(
      std::move(world), {"SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_NTASKS_PER_NODE"});
  const std::string nodes = variables.text("SLURM_STEP_NODELIST");
  meet(launch, variables, first_of(nodes.empty() ? variables.text("SLURM_JOB_NODELIST") : nodes),
       variables.text("SLURM_JOB_ID") + '.' + variables.text("SLURM_STEP_ID"));
  return launch;
}

// `srun --mpi=pmi2` sets PMI_RANK and PMI_SIZE besides its own variables: that is one launcher.
bool pmi_of(const std::optional<Launch>& slurm, const Variables& variables) {
  return slurm && variables.has("PMI_RANK") && variables.has("PMI_SIZE") &&
         !has_any(variables, {"MPI_LOCALRANKID", "MPI_LOCALNRANKS"}) &&
         variables.whole("PMI_RANK") == slurm->world.rank &&
         variables.whole("PMI_SIZE") == slurm->world.size;
}

std::optional<Launch> by_pmi(const Variables& variables, const std::optional<Launch>& slurm) {
  if (pmi_of(slurm, variables)) return {};
  auto launch =
      launch_with(variables, "PMI", {"PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"});
  if (launch) meet(*launch, variables, "", variables.text("PMI_JOBID"));
  return launch;
}

// A launcher that starts one process on each host may have started another launcher there, such as
// torchrun under srun: its numbers are those of the hosts, and the inner one's count.
void refuse_unless_around(const Launch& inner, const Launch& outer) {
  const World &in = inner.world, &out = outer.world;
  if (out.local_size == 1 || (out.rank == in.rank && out.size == in.size)) return;
  throw Error(ErrorKind::kUsage, inner.rank_name + " and " + outer.rank_name,
              str("expected the same rank, got rank ", in.rank, " of ", in.size, " by ",
                  in.launcher, " and rank ", out.rank, " of ", out.size, " by ", out.launcher),
              "Unset the variables of the launcher that did not start this process");
}

}  // namespace

World world_from(const Environment& environment) {
  const Variables variables(environment);
  // Whoever has started the launcher of ours has started it once.
  if (variables.has("LACUNA_LAUNCHER")) {
    if (const auto own = by_torchrun(variables)) return own->world;
  }
  const std::optional<Launch> slurm = by_slurm(variables);
  // From the innermost outwards.
  const std::optional<Launch> launches[] = {by_torchrun(variables), by_open_mpi(variables),
                                            by_pmi(variables, slurm), slurm};
  const Launch* chosen = nullptr;
  for (const std::optional<Launch>& launch : launches) {
    if (!launch) continue;
    if (chosen == nullptr) {
      chosen = &*launch;
    } else {
      refuse_unless_around(*chosen, *launch);
    }
  }
  return chosen == nullptr ? World{} : chosen->world;
}

}  // namespace lacuna
