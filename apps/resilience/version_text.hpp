#pragma once

// What `resilience version` prints.

#include <string>

namespace resilience::program {

// Version, compiler and adapters, a line each.
[[nodiscard]] std::string version_text();

}  // namespace resilience::program
