// Weights as safetensors files, under the names of nn::parameter_specs.
#pragma once

#include <map>
#include <string>

#include "lacuna/nn/parameters.h"

namespace lacuna::train {

/// Writes all values in their own precision, atomically. Throws Error(kIo).
void save_weights(const std::string& path, const nn::ParameterStore& parameters,
                  const std::map<std::string, std::string>& metadata);

/// Reads all values, converting from any float type. Throws Error(kData) when the file is damaged,
/// lacks a parameter, has one of another shape, or has one that the model does not know.
void load_weights(Queue& queue, const std::string& path, const nn::ParameterStore& parameters);

}  // namespace lacuna::train
