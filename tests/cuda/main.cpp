// The tests that need a GPU: without one they are skipped, which exit code 77 says.
#include <cstdio>

#include "lacuna/tensor/gpus.h"

#if __has_include(<catch2/catch_session.hpp>)
#include <catch2/catch_session.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

int main(int argc, char** argv) {
  const std::string reason = lacuna::cuda::why_unusable(0);
  if (!reason.empty()) {
    std::printf("skipped: no usable GPU: %s\n", reason.c_str());
    return 77;
  }
  return Catch::Session().run(argc, argv);
}
