#include <gtest/gtest.h>

#include <map>
#include <resilience/http/rejection_response.hpp>
#include <resilience/http/retry_after.hpp>
#include <resilience/http/status_classifier.hpp>
#include <system_error>

#include "request_target.hpp"
#include "response_text.hpp"

using namespace resilience;
using namespace std::chrono_literals;

namespace http_values_test {

constexpr std::chrono::system_clock::time_point wall(int year, unsigned month, unsigned day,
                                                     std::chrono::seconds time = 0s) {
    return std::chrono::sys_days{std::chrono::year{year} / std::chrono::month{month} / std::chrono::day{day}} + time;
}

constexpr auto wall_now = wall(2026, 10, 21, 7h + 28min);

std::string time_text(std::optional<Duration> duration) {
    return duration ? std::to_string(duration->count()) + " ns" : "nothing";
}

TEST(RetryAfter, reads_seconds_and_the_three_spellings_of_a_date) {
    struct Row {
        std::string_view text;
        std::optional<Duration> expected;
    };
    const Row rows[] = {
        {"0", 0s},
        {"1", 1s},
        {"120", 120s},
        {" \t120 ", 120s},
        {"007", 7s},
        {"9223372036", 9223372036s},
        {"9223372037", Duration::max()},
        {"99999999999999999999999", Duration::max()},
        {"Wed, 21 Oct 2026 07:28:00 GMT", 0s},
        {"Wed, 21 Oct 2026 07:28:30 GMT", 30s},
        {"Wed, 21 Oct 2026 07:27:59 GMT", 0s},
        {"Thu, 22 Oct 2026 07:28:00 GMT", 24h},
        {"Mon, 29 Feb 2028 00:00:60 GMT", wall(2028, 2, 29, 60s) - wall_now},
        {"Wednesday, 21-Oct-26 07:29:00 GMT", 60s},
        {"Sunday, 06-Nov-94 08:49:37 GMT", 0s},
        {"Friday, 01-Jan-76 00:00:00 GMT", wall(2076, 1, 1) - wall_now},
        {"Wed Oct 21 08:28:00 2026", 1h},
        {"Sun Nov  1 00:00:00 2026", wall(2026, 11, 1) - wall_now},
        {"Fri, 31 Dec 9999 23:59:59 GMT", Duration::max()},
        {"", {}},
        {"  ", {}},
        {"soon", {}},
        {"-1", {}},
        {"+1", {}},
        {"1.5", {}},
        {"1 s", {}},
        {"120, 60", {}},
        {"Wed, 21 Oct 2026 07:28:30", {}},
        {"Wed, 21 Oct 2026 07:28:30 GMT+1", {}},
        {"Wed, 21 Oct 2026 07:28:30 CET", {}},
        {"Wed, 30 Feb 2026 07:28:30 GMT", {}},
        {"Wed, 00 Oct 2026 07:28:30 GMT", {}},
        {"Wed, 21 Okt 2026 07:28:30 GMT", {}},
        {"Wed, 21 Oct 2026 24:00:00 GMT", {}},
        {"Wed, 21 Oct 2026 07:60:00 GMT", {}},
        {"Xyz, 21 Oct 2026 07:28:30 GMT", {}},
        {"Wed, 21 Oct 26 07:28:30 GMT", {}},
        {"Wednesday, 21-Oct-2026 07:29:00 GMT", {}},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(time_text(parse_retry_after(row.text, wall_now)), time_text(row.expected)) << row.text;
    }
}

TEST(RetryAfter, counts_a_date_from_the_very_moment) {
    EXPECT_EQ(parse_retry_after("Wed, 21 Oct 2026 07:28:01 GMT", wall_now + 250ms), 750ms);
}

struct PlainResponse {
    int status = 0;
    std::optional<std::chrono::seconds> retry_after{};
};
enum class StatusCode : unsigned { service_unavailable = 503 };
struct FunctionResponse {
    std::map<std::string, std::string> fields;
    [[nodiscard]] StatusCode status() const { return StatusCode::service_unavailable; }
    [[nodiscard]] std::optional<std::string> header(const std::string& name) const {
        const auto found = fields.find(name);
        return found == fields.end() ? std::nullopt : std::optional(found->second);
    }
};
struct IndexedResponse {  // the shape of Beast's response
    unsigned number = 503;
    std::string_view retry_after_text;
    [[nodiscard]] unsigned result_int() const { return number; }
    std::string_view operator[](std::string_view name) const { return name == "Retry-After" ? retry_after_text : ""; }
};

TEST(HttpStatusClassifier, judges_every_status_by_its_table) {
    struct Row {
        int status;
        CallResult result;
        bool retryable;
    };
    const Row rows[] = {
        {100, CallResult::success, true},
        {200, CallResult::success, true},
        {204, CallResult::success, true},
        {302, CallResult::success, true},
        {304, CallResult::success, true},
        {399, CallResult::success, true},
        {400, CallResult::application_error, false},
        {401, CallResult::application_error, false},
        {404, CallResult::application_error, false},
        {408, CallResult::failure, true},
        {409, CallResult::application_error, false},
        {422, CallResult::application_error, false},
        {429, CallResult::overloaded, false},
        {499, CallResult::application_error, false},
        {500, CallResult::failure, true},
        {501, CallResult::failure, false},
        {502, CallResult::failure, true},
        {503, CallResult::failure, true},
        {504, CallResult::failure, true},
        {505, CallResult::failure, false},
        {599, CallResult::failure, true},
        {600, CallResult::failure, true},
        {0, CallResult::failure, true},
        {-7, CallResult::failure, true},
    };
    for (const Row& row : rows) {
        for (const Verdict& verdict :
             {HttpStatusClassifier{}(row.status), HttpStatusClassifier{}(PlainResponse{.status = row.status})}) {
            EXPECT_EQ(verdict.result, row.result) << row.status;
            EXPECT_EQ(verdict.retryable, row.retryable) << row.status;
            EXPECT_FALSE(verdict.retry_after) << row.status;
        }
    }
}

TEST(HttpStatusClassifier, takes_retry_after_from_whatever_the_response_offers) {
    const HttpStatusClassifier classify{.wall_now = [] { return wall_now; }};
    const auto expect_overloaded = [](const Verdict& verdict, Duration retry_after) {
        EXPECT_EQ(verdict.result, CallResult::overloaded);
        EXPECT_TRUE(verdict.retryable);
        EXPECT_EQ(verdict.retry_after, retry_after);
    };
    expect_overloaded(classify(PlainResponse{.status = 429, .retry_after = 3s}), 3s);
    expect_overloaded(classify(PlainResponse{.status = 503, .retry_after = 0s}), 0s);
    expect_overloaded(classify(FunctionResponse{{{"Retry-After", "7"}}}), 7s);
    expect_overloaded(classify(FunctionResponse{{{"Retry-After", "Wed, 21 Oct 2026 07:29:00 GMT"}}}), 1min);
    expect_overloaded(classify(IndexedResponse{503, "2"}), 2s);
    expect_overloaded(classify(IndexedResponse{429, "2"}), 2s);
}

TEST(HttpStatusClassifier, counts_a_503_that_does_not_say_when_as_a_failure) {
    const HttpStatusClassifier classify{.wall_now = [] { return wall_now; }};
    for (const Verdict& verdict : {classify(FunctionResponse{}), classify(FunctionResponse{{{"Retry-After", "soon"}}}),
                                   classify(IndexedResponse{503, ""}), classify(StatusCode::service_unavailable)}) {
        EXPECT_EQ(verdict.result, CallResult::failure);
        EXPECT_TRUE(verdict.retryable);
        EXPECT_FALSE(verdict.retry_after);
    }
}

TEST(HttpStatusClassifier, ignores_retry_after_on_any_other_status) {
    const Verdict verdict = HttpStatusClassifier{}(PlainResponse{.status = 500, .retry_after = 3s});
    EXPECT_EQ(verdict.result, CallResult::failure);
    EXPECT_FALSE(verdict.retry_after);
}

TEST(HttpStatusClassifier, counts_an_expected_without_a_response_as_a_failure) {
    using Answer = std::expected<PlainResponse, std::error_code>;
    EXPECT_EQ(HttpStatusClassifier{}(Answer{PlainResponse{.status = 404}}).result, CallResult::application_error);
    const Answer none = std::unexpected(std::make_error_code(std::errc::connection_refused));
    EXPECT_EQ(HttpStatusClassifier{}(none).result, CallResult::failure);
}

TEST(HttpStatusClassifier, accepts_results_with_a_status_and_nothing_else) {
    EXPECT_TRUE((std::is_invocable_v<HttpStatusClassifier, const IndexedResponse&>));
    EXPECT_FALSE((std::is_invocable_v<HttpStatusClassifier, std::string>));
    EXPECT_FALSE((std::is_invocable_v<HttpStatusClassifier, bool>));
}

TEST(RejectionResponse, maps_every_reason_to_its_status) {
    struct Row {
        RejectionReason reason;
        int status;
    };
    const Row rows[] = {
        {RejectionReason::circuit_open, 503},      {RejectionReason::half_open_full, 503},
        {RejectionReason::forced_open, 503},       {RejectionReason::rate_limited, 429},
        {RejectionReason::exceeds_capacity, 429},  {RejectionReason::bulkhead_full, 503},
        {RejectionReason::queue_full, 503},        {RejectionReason::queue_timeout, 503},
        {RejectionReason::load_shed, 503},         {RejectionReason::throttled, 503},
        {RejectionReason::deadline_exceeded, 504}, {RejectionReason::retry_budget_exhausted, 503},
        {RejectionReason::cancelled, 499},         {RejectionReason::shutting_down, 503},
    };
    EXPECT_EQ(std::size(rows), rejection_reasons);
    for (const Row& row : rows) EXPECT_EQ(http_status_of(row.reason), row.status) << row.reason;
}

TEST(RejectionResponse, tells_reason_policy_and_when) {
    const Rejection rejection{.policy = "payment_api", .retry_after = 4600ms};
    EXPECT_EQ(problem_json(rejection),
              R"({"type":"about:blank","title":"Service Unavailable","status":503,"reason":"circuit_open",)"
              R"("policy":"payment_api","retry_after_seconds":4.6})");
    using Headers = std::vector<std::pair<std::string, std::string>>;
    EXPECT_EQ(rejection_headers(rejection),
              (Headers{{"X-Resilience", "rejected; reason=circuit_open; policy=payment_api"}, {"Retry-After", "5"}}));
}

TEST(RejectionResponse, leaves_out_what_is_unknown) {
    const Rejection rejection{.reason = RejectionReason::forced_open};
    EXPECT_EQ(problem_json(429, "Too Many Requests", rejection),
              R"({"type":"about:blank","title":"Too Many Requests","status":429,"reason":"forced_open",)"
              R"("policy":null,"retry_after_seconds":null})");
    using Headers = std::vector<std::pair<std::string, std::string>>;
    EXPECT_EQ(rejection_headers(rejection), (Headers{{"X-Resilience", "rejected; reason=forced_open"}}));
}

TEST(RejectionResponse, rounds_retry_after_up_to_at_least_one_second) {
    struct Row {
        Duration retry_after;
        std::string_view header;
        std::string_view json;
    };
    const Row rows[] = {{0s, "1", ":0.0}"},         {1ns, "1", ":0.001}"},
                        {999ms, "1", ":0.999}"},    {1s, "1", ":1.0}"},
                        {1s + 1ns, "2", ":1.001}"}, {60s, "60", ":60.0}"},
                        {-5s, "1", ":0.0}"},        {Duration::max(), "9223372037", ":9223372036.855}"}};
    for (const Row& row : rows) {
        const Rejection rejection{.retry_after = row.retry_after};
        EXPECT_EQ(rejection_headers(rejection).at(1).second, row.header);
        EXPECT_TRUE(problem_json(rejection).ends_with(row.json)) << problem_json(rejection);
    }
}

TEST(RejectionResponse, keeps_a_hostile_policy_name_from_breaking_header_or_json) {
    const Rejection rejection{.policy = "a b;\r\nX: \"ü%<img>/z-9_.:"};
    EXPECT_EQ(rejection_headers(rejection).front().second,
              "rejected; reason=circuit_open; policy=a%20b%3B%0D%0AX:%20%22%C3%BC%25%3Cimg%3E/z-9_.:");
    EXPECT_NE(problem_json(rejection).find(R"("a b;\r\nX: \"ü%<img>/z-9_.:")"), std::string::npos);
    EXPECT_NE(problem_json(Rejection{.policy = "\xff"}).find("\"\xEF\xBF\xBD\""), std::string::npos);
}

TEST(RequestTarget, is_taken_apart_and_decoded) {
    const auto target = detail::parse_request_target("/demo/a%2Fb+c?name=pay*&for=20s&flag&x=1%2B1+2&x=last&&=y");
    ASSERT_TRUE(target);
    EXPECT_EQ(target->path, "/demo/a/b+c");
    const std::map<std::string, std::string, std::less<>> query{
        {"name", "pay*"}, {"for", "20s"}, {"flag", ""}, {"x", "last"}, {"", "y"}};
    EXPECT_EQ(target->query, query);
    EXPECT_EQ(target->authority, "");
    EXPECT_EQ(detail::parse_request_target("/?x=1%2B1+2")->query.at("x"), "1+1 2");
    EXPECT_EQ(detail::parse_request_target("HTTP://a.b:80/c")->authority, "a.b:80");
    EXPECT_EQ(detail::parse_request_target("http://a.b?q=1")->query.at("q"), "1");
}

TEST(RequestTarget, is_refused_when_malformed) {
    for (const std::string_view text :
         {"", "stats", "*", "/%", "/%4", "/%zz", "/%00", "/?a=%0", "/?%00", "http:///x", "?a"}) {
        EXPECT_FALSE(detail::parse_request_target(text)) << text;
    }
    EXPECT_EQ(detail::parse_request_target("http://h")->path, "/");
}

TEST(RequestTarget, finds_the_host_of_an_authority) {
    EXPECT_EQ(detail::host_of("LocalHost:9911"), "localhost");
    EXPECT_EQ(detail::host_of("[::1]:80"), "::1");
    EXPECT_EQ(detail::host_of("[::1"), "");
    EXPECT_EQ(detail::host_of("a.b"), "a.b");
    EXPECT_EQ(detail::host_of(""), "");
}

TEST(ResponseText, writes_dates_in_any_locale) {
    EXPECT_EQ(detail::http_date(wall(1994, 11, 6, 8h + 49min + 37s) + 999ms), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(detail::http_date(wall(2028, 2, 29)), "Tue, 29 Feb 2028 00:00:00 GMT");
}

TEST(ResponseText, drops_headers_that_could_break_out_or_belong_to_the_server) {
    const HttpAnswer answer{.body = "abc",
                            .headers = {{"X-Good", "yes\tno"},
                                        {"X-Bad", "a\r\nSet-Cookie: b"},
                                        {"X Bad", "c"},
                                        {"", "d"},
                                        {"content-length", "7"},
                                        {"Transfer-Encoding", "chunked"},
                                        {"cache-control", "max-age=5"}}};
    EXPECT_EQ(detail::response_head(answer, false, wall(1994, 11, 6)),
              "HTTP/1.1 200 OK\r\n"
              "Date: Sun, 06 Nov 1994 00:00:00 GMT\r\n"
              "Connection: close\r\n"
              "Content-Type: application/json\r\n"
              "Content-Length: 3\r\n"
              "Content-Security-Policy: default-src 'self'\r\n"
              "X-Content-Type-Options: nosniff\r\n"
              "X-Good: yes\tno\r\n"
              "cache-control: max-age=5\r\n"
              "\r\n");
}

TEST(ResponseText, gives_an_answer_without_content_no_length) {
    const std::string head = detail::response_head(HttpAnswer{.status = 204}, true, wall(1994, 11, 6));
    EXPECT_EQ(head.find("Content-Length"), std::string::npos);
    EXPECT_TRUE(head.starts_with("HTTP/1.1 204 No Content\r\n"));
}

}  // namespace http_values_test
