// The pages of an Ogg file: libsndfile takes one that was cut short or lost a page for a whole one.
#pragma once

#include <string>

#include "sound_bytes.h"

namespace lacuna {

/// Reads the file once. Throws Error(kData) at `place`, with the byte, unless it is one logical
/// stream of whole pages with right checksums, in order, up to the page that is marked as the last.
void check_ogg_pages(const std::string& place, const SoundBytes& bytes);

}  // namespace lacuna
