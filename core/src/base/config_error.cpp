#include <resilience/base/config_error.hpp>

namespace resilience::inline v1 {
namespace {

std::string described(const std::string& subject, const std::vector<ConfigProblem>& problems) {
    std::string text = subject;
    text += ':';
    for (const ConfigProblem& problem : problems) {
        text += "\n  ";
        text += problem.field;
        text += ' ';
        text += problem.message;
    }
    return text;
}

}  // namespace

ConfigError::ConfigError(std::string subject, std::vector<ConfigProblem> problems)
    : std::invalid_argument(described(subject, problems)), problems_(std::move(problems)) {}

void ConfigProblems::add(std::string_view field, std::string message) {
    problems_.push_back(ConfigProblem{.field = std::string(field), .message = std::move(message)});
}

void ConfigProblems::throw_if_any() const {
    if (any()) throw ConfigError(subject_, problems_);
}

}  // namespace resilience::inline v1
