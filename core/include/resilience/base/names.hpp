#pragma once

// Names of policies: interned once per distinct text, so that a view of a name lives as long as the process.

#include <string_view>

namespace resilience::inline v1 {

// The stored copy of `name`. 1 to 128 bytes of valid UTF-8 without NUL, at most 65,536 distinct names in a process;
// otherwise throws ConfigError. Takes a lock and may allocate: call it at registration, not per call.
// The table is never freed: names are few and outlive every policy that bears them.
[[nodiscard]] std::string_view intern_name(std::string_view name);

// Throws as `intern_name` where `name` is none, and stores nothing: for names that stand for others.
void check_name(std::string_view name);

}  // namespace resilience::inline v1
