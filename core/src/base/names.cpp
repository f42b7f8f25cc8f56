#include <cstddef>
#include <mutex>
#include <resilience/base/config_error.hpp>
#include <resilience/base/names.hpp>
#include <resilience/base/quoted_text.hpp>
#include <set>
#include <string>

namespace resilience::inline v1 {
namespace {

constexpr std::size_t longest_name = 128;
constexpr std::size_t most_names = 65'536;

struct NameTable {
    std::mutex mutex;
    std::set<std::string, std::less<>> names;  // nodes never move, so views into them stay valid
};

// Never destroyed: views of names are used by atexit handlers and thread-local destructors.
NameTable& name_table() {
    static NameTable* const table = new NameTable;
    return *table;
}

}  // namespace

void check_name(std::string_view name) {
    ConfigProblems problems{"name " + quoted_text(name.substr(0, longest_name))};
    if (name.empty()) problems.add("name", "is empty; use 1 to 128 bytes");
    if (name.size() > longest_name) {
        problems.add("name", "has " + std::to_string(name.size()) + " bytes; use 1 to 128");
    }
    if (name.find('\0') != std::string_view::npos) problems.add("name", "holds a NUL byte");
    for (std::size_t at = 0; at < name.size();) {
        const std::size_t length = utf8_sequence_length(name.substr(at));
        if (length == 0) {
            problems.add("name", "is not valid UTF-8 at byte " + std::to_string(at));
            break;
        }
        at += length;
    }
    problems.throw_if_any();
}

std::string_view intern_name(std::string_view name) {
    check_name(name);
    NameTable& table = name_table();
    const std::scoped_lock lock(table.mutex);
    if (const auto known = table.names.find(name); known != table.names.end()) return *known;
    if (table.names.size() >= most_names) {
        throw ConfigError(
            "name " + quoted_text(name),
            {{.field = "name", .message = "is one too many; a process holds at most 65536 distinct names"}});
    }
    return *table.names.emplace(name).first;
}

}  // namespace resilience::inline v1
