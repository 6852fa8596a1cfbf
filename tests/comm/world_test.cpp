#include "lacuna/comm/world.h"

#include <map>
#include <string>

#include "../catch.h"
#include "../expect_error.h"

using namespace lacuna;

namespace {

using Settings = std::map<std::string, std::string>;

World world_in(const Settings& environment) {
  return world_from([&](const char* name) -> const char* {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
}

// `environment` with some of its variables changed.
Settings with(Settings environment, const Settings& changes) {
  for (const auto& [name, value] : changes) environment[name] = value;
  return environment;
}

Settings without(Settings environment, const std::string& name) {
  environment.erase(name);
  return environment;
}

void check_refused(const Settings& environment, const std::string& fragment) {
  expect_error(ErrorKind::kUsage, fragment, [&] { world_in(environment); });
}

const Settings kTorchrun = {{"RANK", "5"},           {"WORLD_SIZE", "8"},
                            {"LOCAL_RANK", "1"},     {"LOCAL_WORLD_SIZE", "4"},
                            {"MASTER_ADDR", "head"}, {"MASTER_PORT", "29500"}};
const Settings kSlurm = {{"SLURM_JOB_ID", "4711"},
                         {"SLURM_STEP_ID", "0"},
                         {"SLURM_PROCID", "5"},
                         {"SLURM_NTASKS", "8"},
                         {"SLURM_LOCALID", "1"},
                         {"SLURM_NTASKS_PER_NODE", "4"},
                         {"SLURM_STEP_NODELIST", "node[03-05,9],gpu1"}};
const Settings kOpenMpi = {{"OMPI_COMM_WORLD_RANK", "3"},
                           {"OMPI_COMM_WORLD_SIZE", "4"},
                           {"OMPI_COMM_WORLD_LOCAL_RANK", "3"},
                           {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"},
                           {"PMIX_NAMESPACE", "prterun-1@1"}};
const Settings kPmi = {
    {"PMI_RANK", "1"}, {"PMI_SIZE", "2"}, {"MPI_LOCALRANKID", "1"}, {"MPI_LOCALNRANKS", "2"}};

}  // namespace

TEST_CASE("a process that nobody launched is alone") {
  const World world = world_in({{"MASTER_ADDR", "head"}, {"HOME", "/root"}});
  CHECK(world.alone());
  CHECK(world.launcher.empty());
}

TEST_CASE("the variables of torchrun and of our own launcher are read") {
  const World world = world_in(kTorchrun);
  CHECK(world.rank == 5);
  CHECK(world.size == 8);
  CHECK(world.local_rank == 1);
  CHECK(world.local_size == 4);
  CHECK(world.host == "head");
  CHECK(world.port == 29500);
  CHECK(world.launcher == "torchrun");
  CHECK(world.port == 29500);
  // The agent of torchrun itself goes on listening at its port.
  CHECK(world_in(with(kTorchrun, {{"TORCHELASTIC_RUN_ID", "a"}})).port == 29501);
  const Settings last = {{"TORCHELASTIC_RUN_ID", "a"}, {"MASTER_PORT", "65535"}};
  CHECK(world_in(with(kTorchrun, last)).port == 65534);
  CHECK(world_in(with(kTorchrun, {{"LACUNA_LAUNCHER", "1"}})).launcher == "lacuna");
}

TEST_CASE("the variables of Slurm are read, and rank 0 is met on the first host of the step") {
  const World world = world_in(kSlurm);
  CHECK(world.rank == 5);
  CHECK(world.size == 8);
  CHECK(world.local_rank == 1);
  CHECK(world.local_size == 4);
  CHECK(world.host == "node03");
  CHECK(world.port >= 61000);
  CHECK(world.launcher == "Slurm");
  CHECK(world_in(with(kSlurm, {{"SLURM_PROCID", "0"}, {"SLURM_LOCALID", "0"}})).port == world.port);
  CHECK(world_in(with(kSlurm, {{"SLURM_JOB_ID", "4712"}})).port != world.port);
  CHECK(world_in(with(kSlurm, {{"SLURM_STEP_ID", "1"}})).port != world.port);
  const World told = world_in(with(kSlurm, {{"MASTER_ADDR", "ib0"}, {"MASTER_PORT", "700"}}));
  CHECK(told.host == "ib0");
  CHECK(told.port == 700);
}

TEST_CASE("the first host of a list of Slurm is found however the list is written") {
  const auto host = [](const std::string& nodes) {
    return world_in(with(kSlurm, {{"SLURM_STEP_NODELIST", nodes}})).host;
  };
  CHECK(host("a,b") == "a");
  CHECK(host("gpu-[7,9-12]") == "gpu-7");
  CHECK(host("rack[1-2]node[01-16]") == "rack1node01");
  CHECK(host("n[001-100].cluster") == "n001.cluster");
  const Settings of_job =
      with(without(kSlurm, "SLURM_STEP_NODELIST"), {{"SLURM_JOB_NODELIST", "job[2-3]"}});
  CHECK(world_in(of_job).host == "job2");
}

TEST_CASE("the processes of a node are those of the Slurm step, also where nodes differ") {
  const Settings uneven =
      with(kSlurm, {{"SLURM_STEP_TASKS_PER_NODE", "2(x2),4"}, {"SLURM_NODEID", "2"}});
  CHECK(world_in(uneven).local_size == 4);
  CHECK(world_in(with(uneven, {{"SLURM_NODEID", "1"}})).local_size == 2);
  check_refused(without(uneven, "SLURM_NODEID"), "SLURM_NODEID");
  check_refused(without(kSlurm, "SLURM_NTASKS_PER_NODE"), "SLURM_NTASKS_PER_NODE");
  CHECK(world_in(with(kSlurm, {{"SLURM_STEP_NUM_TASKS", "6"}})).size == 6);
}

TEST_CASE("a shell of salloc and a script of sbatch are no launch") {
  CHECK(world_in(without(kSlurm, "SLURM_STEP_ID")).alone());
  CHECK(world_in(without(kSlurm, "SLURM_PROCID")).alone());
  CHECK(world_in(with(kSlurm, {{"SLURM_STEP_ID", "4294967290"}})).alone());  // interactive step
}

TEST_CASE("the variables of Open MPI and PMI are read, and on one host rank 0 is met there") {
  const World open_mpi = world_in(kOpenMpi);
  CHECK(open_mpi.rank == 3);
  CHECK(open_mpi.local_size == 4);
  CHECK(open_mpi.host == "127.0.0.1");
  CHECK(open_mpi.port >= 61000);
  CHECK(open_mpi.launcher == "Open MPI");
  CHECK(world_in(with(kOpenMpi, {{"PMIX_NAMESPACE", "prterun-2@1"}})).port != open_mpi.port);
  const World pmi = world_in(kPmi);
  CHECK(pmi.rank == 1);
  CHECK(pmi.size == 2);
  CHECK(pmi.launcher == "PMI");
}

TEST_CASE("with MPI on several hosts it must be said where rank 0 is") {
  const Settings hosts =
      with(kOpenMpi, {{"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}, {"OMPI_COMM_WORLD_LOCAL_RANK", "1"}});
  check_refused(hosts, "MASTER_ADDR, MASTER_PORT");
  check_refused(with(hosts, {{"MASTER_ADDR", "head"}}), "MASTER_PORT: missing");
  const World world = world_in(with(hosts, {{"MASTER_ADDR", "head"}, {"MASTER_PORT", "29500"}}));
  CHECK(world.host == "head");
  CHECK(world.port == 29500);
}

TEST_CASE("ranks that cannot be are refused by the names of their variables") {
  check_refused(with(kTorchrun, {{"RANK", "8"}}), "RANK and WORLD_SIZE");
  check_refused(with(kTorchrun, {{"LOCAL_RANK", "4"}}), "LOCAL_RANK and LOCAL_WORLD_SIZE");
  check_refused(with(kTorchrun, {{"LOCAL_WORLD_SIZE", "9"}}), "LOCAL_WORLD_SIZE and WORLD_SIZE");
  check_refused(with(kTorchrun, {{"WORLD_SIZE", "0"}}), "RANK and WORLD_SIZE");
  check_refused(with(kTorchrun, {{"RANK", "-1"}}), "RANK: expected a whole number from 0");
  check_refused(with(kTorchrun, {{"WORLD_SIZE", "8x"}}), "WORLD_SIZE: expected a whole number");
  check_refused(with(kTorchrun, {{"WORLD_SIZE", "99999999999"}}), "WORLD_SIZE");
  check_refused(with(kTorchrun, {{"MASTER_PORT", "65536"}}), "MASTER_PORT");
  check_refused(with(kTorchrun, {{"MASTER_PORT", "0"}}), "MASTER_PORT");
  check_refused(with(kSlurm, {{"SLURM_PROCID", "8"}}), "SLURM_PROCID and SLURM_NTASKS");
  check_refused(with(kPmi, {{"PMI_RANK", "two"}}), "PMI_RANK");
}

TEST_CASE("half of a launcher's variables are refused, naming those that are missing") {
  for (const auto& [name, value] : kTorchrun) {
    check_refused(without(kTorchrun, name), name + ": missing");
    check_refused(with(kTorchrun, {{name, ""}}), name + ": missing");
  }
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"}) {
    check_refused(without(kOpenMpi, name), std::string(name) + ": missing");
  }
  check_refused(without(kPmi, "MPI_LOCALNRANKS"), "MPI_LOCALNRANKS: missing");
  check_refused(without(kSlurm, "SLURM_LOCALID"), "SLURM_LOCALID: missing");
  check_refused({{"RANK", "0"}}, "WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE: missing");
}

TEST_CASE("two launchers that contradict each other are refused") {
  CHECK(world_in(with(kSlurm, kTorchrun)).launcher == "torchrun");  // they agree
  check_refused(with(with(kSlurm, kTorchrun), {{"RANK", "4"}}), "RANK and SLURM_PROCID");
  check_refused(with(with(kOpenMpi, kTorchrun), {{"RANK", "4"}}), "RANK and OMPI_COMM_WORLD_RANK");
}

TEST_CASE("a launcher that Slurm has started once on each node counts, and Slurm does not") {
  const Settings one_a_node = with(kSlurm, {{"SLURM_NTASKS_PER_NODE", "1"},
                                            {"SLURM_NTASKS", "2"},
                                            {"SLURM_PROCID", "1"},
                                            {"SLURM_LOCALID", "0"}});
  const World by_torchrun = world_in(with(one_a_node, kTorchrun));
  CHECK(by_torchrun.rank == 5);
  CHECK(by_torchrun.launcher == "torchrun");
  CHECK(world_in(with(one_a_node, kOpenMpi)).rank == 3);
}

TEST_CASE("the PMI variables that Slurm sets besides its own are Slurm's") {
  CHECK(world_in(with(kSlurm, {{"PMI_RANK", "5"}, {"PMI_SIZE", "8"}})).launcher == "Slurm");
  check_refused(with(kSlurm, {{"PMI_RANK", "4"}, {"PMI_SIZE", "8"}}), "MPI_LOCALRANKID");
}

TEST_CASE("what our own launcher says counts, whoever has started the launcher") {
  const Settings own = {{"LACUNA_LAUNCHER", "123"}, {"RANK", "1"},
                        {"WORLD_SIZE", "2"},        {"LOCAL_RANK", "1"},
                        {"LOCAL_WORLD_SIZE", "2"},  {"MASTER_ADDR", "127.0.0.1"},
                        {"MASTER_PORT", "40000"}};
  const Settings one_task = {{"SLURM_PROCID", "0"},
                             {"SLURM_NTASKS", "1"},
                             {"SLURM_LOCALID", "0"},
                             {"SLURM_NTASKS_PER_NODE", "1"}};
  const World world = world_in(with(with(kSlurm, one_task), own));
  CHECK(world.launcher == "lacuna");
  CHECK(world.rank == 1);
  CHECK(world.size == 2);
}
