#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <resilience/http/rejection_response.hpp>

namespace resilience::inline v1 {

namespace {

using Document = nlohmann::ordered_json;

// Names are untrusted bytes: what is not UTF-8 is replaced instead of thrown at.
std::string to_text(const Document& document) {
    return document.dump(-1, ' ', false, Document::error_handler_t::replace);
}

Document problem(int status, std::string_view title) {
    return Document{{"type", "about:blank"}, {"title", title}, {"status", status}};
}

// Thousandths of a second, rounded up: a client that waits as long as it is told is not early.
double seconds_to_tell(Duration duration) {
    const auto whole = std::chrono::ceil<std::chrono::milliseconds>(std::max(duration, Duration::zero()));
    return static_cast<double>(whole.count()) / 1000.0;
}

std::string percent_encode(std::string_view text) {
    constexpr std::string_view plain = "_.:/-";
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string encoded;
    for (const char byte : text) {
        const bool letter =
            (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        if (letter || plain.find(byte) != std::string_view::npos) {
            encoded.push_back(byte);
        } else {
            const auto value = static_cast<std::uint8_t>(byte);
            encoded.append({'%', digits[value / 16], digits[value % 16]});
        }
    }
    return encoded;
}

}  // namespace

int http_status_of(RejectionReason reason) noexcept {
    switch (reason) {
        case RejectionReason::rate_limited:
        case RejectionReason::exceeds_capacity:
            return 429;
        case RejectionReason::deadline_exceeded:
            return 504;
        case RejectionReason::cancelled:
            return 499;
        case RejectionReason::circuit_open:
        case RejectionReason::half_open_full:
        case RejectionReason::forced_open:
        case RejectionReason::bulkhead_full:
        case RejectionReason::queue_full:
        case RejectionReason::queue_timeout:
        case RejectionReason::load_shed:
        case RejectionReason::throttled:
        case RejectionReason::retry_budget_exhausted:
        case RejectionReason::shutting_down:
            break;
    }
    return 503;
}

std::string_view http_status_title(int status) noexcept {
    struct Title {
        int status;
        std::string_view text;
    };
    constexpr Title titles[] = {{200, "OK"},
                                {201, "Created"},
                                {202, "Accepted"},
                                {204, "No Content"},
                                {304, "Not Modified"},
                                {400, "Bad Request"},
                                {401, "Unauthorized"},
                                {403, "Forbidden"},
                                {404, "Not Found"},
                                {405, "Method Not Allowed"},
                                {408, "Request Timeout"},
                                {409, "Conflict"},
                                {413, "Content Too Large"},
                                {415, "Unsupported Media Type"},
                                {422, "Unprocessable Content"},
                                {429, "Too Many Requests"},
                                {431, "Request Header Fields Too Large"},
                                {499, "Client Closed Request"},
                                {500, "Internal Server Error"},
                                {501, "Not Implemented"},
                                {502, "Bad Gateway"},
                                {503, "Service Unavailable"},
                                {504, "Gateway Timeout"}};
    const auto* found = std::ranges::find(titles, status, &Title::status);
    return found == std::end(titles) ? "Unknown Status" : found->text;
}

std::string problem_json(int status, std::string_view title, const Rejection& rejection) {
    Document document = problem(status, title);
    document["reason"] = to_string(rejection.reason);
    document["policy"] = rejection.policy.empty() ? Document(nullptr) : Document(rejection.policy);
    document["retry_after_seconds"] =
        rejection.retry_after ? Document(seconds_to_tell(*rejection.retry_after)) : Document(nullptr);
    return to_text(document);
}

std::string problem_json(const Rejection& rejection) {
    const int status = http_status_of(rejection.reason);
    return problem_json(status, http_status_title(status), rejection);
}

std::string problem_json(int status, std::string_view title, std::string_view detail) {
    Document document = problem(status, title);
    document["detail"] = detail;
    return to_text(document);
}

std::vector<std::pair<std::string, std::string>> rejection_headers(const Rejection& rejection) {
    std::string told = "rejected; reason=" + std::string(to_string(rejection.reason));
    if (!rejection.policy.empty()) told += "; policy=" + percent_encode(rejection.policy);
    std::vector<std::pair<std::string, std::string>> headers{{"X-Resilience", std::move(told)}};
    if (rejection.retry_after) {
        const auto seconds = std::chrono::ceil<std::chrono::seconds>(*rejection.retry_after).count();
        headers.emplace_back("Retry-After", std::to_string(std::max<std::int64_t>(1, seconds)));
    }
    return headers;
}

}  // namespace resilience::inline v1
