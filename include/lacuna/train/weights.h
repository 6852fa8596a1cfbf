// Weights as safetensors files, under the names of nn::parameter_specs.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "lacuna/base/files.h"
#include "lacuna/nn/parameters.h"

namespace lacuna::train {

/// A buffer in the flat layout of a parameter store; its tensors are called prefix + parameter
/// name.
struct FlatBuffer {
  std::string prefix;
  View values;
};

/// Writes the parameters' parts of all buffers, which lie in host memory, in their own precision,
/// atomically. Throws Error(kIo).
void save_buffers(const std::string& path, const std::vector<nn::ParameterSlice>& slices,
                  const std::vector<FlatBuffer>& buffers,
                  const std::map<std::string, std::string>& metadata,
                  const BetweenPieces& between_pieces = {});

/// Reads what save_buffers() wrote into buffers of the queue's device, converting from any float
/// type. Throws Error(kData) when the file is damaged, lacks a tensor, has one of another shape, or
/// has other tensors besides.
void load_buffers(const Queue& queue, const std::string& path,
                  const std::vector<nn::ParameterSlice>& slices,
                  const std::vector<FlatBuffer>& buffers);

/// save_buffers() and load_buffers() of the values of all parameters, without a prefix.
void save_weights(const std::string& path, const nn::ParameterStore& parameters,
                  const std::map<std::string, std::string>& metadata);

void load_weights(const std::string& path, nn::ParameterStore& parameters);

}  // namespace lacuna::train
