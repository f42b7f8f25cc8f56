#include "demo/fault_routes.hpp"

#include <nlohmann/json.hpp>
#include <resilience/http/rejection_response.hpp>
#include <string>
#include <utility>

#include "demo/fault_json.hpp"
#include "text/suggestion.hpp"

namespace resilience::demo {
namespace {

using Json = nlohmann::ordered_json;
using Sets = std::vector<const Upstreams*>;

constexpr std::string_view root = "/demo/faults";

HttpAnswer json_answer(const Json& json) {
    // Bytes of a request that are no UTF-8 come back replaced, not as an exception.
    return {.status = 200, .body = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n", .headers = {}};
}

HttpAnswer problem_answer(int status, std::string_view detail, const std::vector<std::string>& problems) {
    const Json json{{"type", "about:blank"},
                    {"title", http_status_title(status)},
                    {"status", status},
                    {"detail", detail},
                    {"problems", problems}};
    HttpAnswer answer = json_answer(json);
    answer.status = status;
    answer.content_type = problem_content_type;
    return answer;
}

// What stands behind "/demo/faults/"; empty for the root itself.
std::string_view name_in(const HttpQuestion& question) {
    const std::string_view path = question.path;
    return path.size() <= root.size() + 1 ? std::string_view{} : path.substr(root.size() + 1);
}

HttpAnswer no_such_upstream(std::string_view name) {
    std::string detail = "there is no upstream '" + std::string(name.substr(0, 60)) + "'";
    const std::string hint = program::did_you_mean(name, upstream_names);
    detail += hint.empty() ? "; there are payment, inventory and recommendations" : hint;
    return problem_answer(404, detail, {});
}

Json json_of_one(const Upstream& upstream) {
    return {{"upstream", upstream.name()}, {"fault", json_of(upstream.fault())}};
}

HttpAnswer list(const Sets& sets, const HttpQuestion& question) {
    const Upstreams& upstreams = *sets.front();
    const std::string_view name = name_in(question);
    if (!name.empty()) {
        const std::optional<UpstreamId> id = upstream_of(name);
        return id ? json_answer(json_of_one(*upstreams[static_cast<std::size_t>(*id)])) : no_such_upstream(name);
    }
    Json faults = Json::object();
    for (const auto& upstream : upstreams) faults[upstream->name()] = json_of(upstream->fault());
    return json_answer({{"faults", faults}});
}

HttpAnswer begin(const Sets& sets, const HttpQuestion& question) {
    const std::string_view name = name_in(question);
    const std::optional<UpstreamId> id = upstream_of(name);
    if (!id) return no_such_upstream(name);
    FaultReader reader;
    std::vector<std::string> unknown;
    for (const auto& [key, value] : question.query) {
        if (reader.take(key, value) || reader.take_period(key, value)) continue;
        unknown.push_back("unknown word '" + key + "'" + program::did_you_mean(key, fault_words));
    }
    if (unknown.empty()) reader.finish();
    std::vector<std::string> problems = std::move(unknown);
    problems.insert(problems.end(), reader.problems().begin(), reader.problems().end());
    if (!problems.empty()) return problem_answer(400, "this fault makes no sense", problems);
    const auto index = static_cast<std::size_t>(*id);
    for (const Upstreams* const set : sets) (*set)[index]->set_fault(reader.fault(), reader.period());
    return json_answer(json_of_one(*(*sets.front())[index]));
}

HttpAnswer end(const Sets& sets, const HttpQuestion& question) {
    const std::string_view name = name_in(question);
    const std::optional<UpstreamId> id = upstream_of(name);
    if (!id) return no_such_upstream(name);
    bool ended = false;
    for (const Upstreams* const set : sets) ended = (*set)[static_cast<std::size_t>(*id)]->end_fault() || ended;
    return json_answer({{"upstream", name}, {"ended", ended}});
}

}  // namespace

std::vector<HttpRoute> fault_routes(const Sets& sets) {
    using Answer = HttpAnswer (*)(const Sets&, const HttpQuestion&);
    const auto bound = [&sets](Answer answer) {
        return [sets, answer](const HttpQuestion& question) { return answer(sets, question); };
    };
    const std::string below = std::string(root) + "/";
    return {HttpRoute{"GET", std::string(root), bound(&list)}, HttpRoute{"GET", below, bound(&list)},
            HttpRoute{"POST", below, bound(&begin)}, HttpRoute{"DELETE", below, bound(&end)}};
}

}  // namespace resilience::demo
