// Ranks that are threads of the test, each with a group of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "lacuna/comm/group.h"

/// A port of the loopback that is free.
uint16_t free_port();

/// What rank `rank` of `size` is told by its launcher.
lacuna::World world_of(int rank, int size, uint16_t port);

/// Times with which losses are found within a second.
lacuna::GroupTimes short_times();

/// Runs `work` on `size` ranks that have met; returns what each has thrown, by rank ("": nothing).
std::vector<std::string> run_ranks(int size, const std::function<void(lacuna::Group&)>& work);
