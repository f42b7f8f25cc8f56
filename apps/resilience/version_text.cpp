#include "version_text.hpp"

#include <resilience/base/version.hpp>

namespace resilience::program {

std::string version_text() {
#if defined(__clang__)
    const std::string compiler = "clang " __clang_version__;
#else
    const std::string compiler = "g++ " __VERSION__;
#endif
    return "resilience " + std::string(library_version) + "\ncompiler: " + compiler +
           "\nadapters: json, prometheus, http\n";
}

}  // namespace resilience::program
