#pragma once

// The version of the library, as stats, metrics and packages report it.

#include <string_view>

namespace resilience::inline v1 {

// That of the headers a program was compiled with. The same as in the root CMakeLists.txt; a test holds the two
// together.
inline constexpr std::string_view library_version = "0.1.0";

}  // namespace resilience::inline v1
