#pragma once

// HttpStatusClassifier: what an HTTP answer means for breakers and retries. Header only.
//
//     Pipeline guarded{classify(HttpStatusClassifier{}), RetryConfig{}, breaker};
//     auto answer = guarded.execute([&] { return client.get("/price"); });   // anything with a status
//
// | status                     | result            | retryable             |
// |----------------------------|-------------------|-----------------------|
// | 100 to 399                 | success           | -                     |
// | 408                        | failure           | yes                   |
// | 429                        | overloaded        | when it says when     |
// | other 4xx                  | application_error | no                    |
// | 503 with Retry-After       | overloaded        | yes, at that moment   |
// | 501, 505                   | failure           | no: it will not learn |
// | other 5xx                  | failure           | yes                   |
// | anything else (0, 42, 600) | failure           | yes: no HTTP answer   |
//
// A 429, and a 503 that says when to return, come from a callee that is up and protects itself: breakers ignore them,
// retries wait as long as they were told. Without a moment a 429 is not retried, because that would press on.
//
// Accepted: an integer; a result with `.status`, `.status()` or `.result_int()` (Beast), each an integer or an
// enumeration of one; a std::expected of any of these, whose error is a failure. Retry-After is looked for in
// `.retry_after` (a Duration, or an optional one; or the header's text), `.header("Retry-After")` and
// `result["Retry-After"]`, in this order; the last two return text, or an optional text, empty when absent.

#include <chrono>
#include <concepts>
#include <expected>
#include <optional>
#include <resilience/base/time.hpp>
#include <resilience/base/verdict.hpp>
#include <resilience/http/retry_after.hpp>
#include <string_view>
#include <type_traits>
#include <utility>

namespace resilience::inline v1 {

namespace detail {

template <class Status>
concept StatusNumber = (std::integral<Status> && !std::same_as<Status, bool>) || std::is_enum_v<Status>;

template <class Result>
concept HasStatusFunction = requires(const Result& result) {
    { result.status() } -> StatusNumber;
};
template <class Result>
concept HasStatusMember =
    requires(const Result& result) { requires StatusNumber<std::decay_t<decltype(result.status)>>; };
template <class Result>
concept HasResultInt = requires(const Result& result) {
    { result.result_int() } -> StatusNumber;
};
template <class Result>
concept HttpResult =
    StatusNumber<Result> || HasResultInt<Result> || HasStatusFunction<Result> || HasStatusMember<Result>;

template <HttpResult Result>
[[nodiscard]] constexpr long long http_status(const Result& result) {
    if constexpr (StatusNumber<Result>) {
        return static_cast<long long>(result);
    } else if constexpr (HasResultInt<Result>) {
        return static_cast<long long>(result.result_int());
    } else if constexpr (HasStatusFunction<Result>) {
        return static_cast<long long>(result.status());
    } else {
        return static_cast<long long>(result.status);
    }
}

// What a response offers as Retry-After, whatever its form, as a Duration.
template <class Offer>
[[nodiscard]] std::optional<Duration> retry_after_of(const Offer& offer,
                                                     std::chrono::system_clock::time_point (*wall_now)()) {
    if constexpr (std::convertible_to<const Offer&, std::optional<Duration>>) {
        return offer;
    } else if constexpr (requires { std::string_view(offer.data(), offer.size()); }) {
        const std::string_view text(offer.data(), offer.size());
        return text.empty() ? std::nullopt : parse_retry_after(text, wall_now());
    } else if constexpr (std::convertible_to<const Offer&, const char*>) {
        const char* text = offer;
        return text == nullptr ? std::nullopt : parse_retry_after(text, wall_now());
    } else {
        return offer ? retry_after_of(*offer, wall_now) : std::nullopt;
    }
}

}  // namespace detail

struct HttpStatusClassifier {
    // The wall clock a Retry-After date is compared with; read only for a 429 or 503 that carries the header.
    std::chrono::system_clock::time_point (*wall_now)() = &std::chrono::system_clock::now;

    template <detail::HttpResult Result>
    [[nodiscard]] Verdict operator()(const Result& result) const {
        const long long status = detail::http_status(result);
        if (status == 429 || status == 503) return judge(status, offered_retry_after(result));
        return judge(status, std::nullopt);
    }

    template <detail::HttpResult Result, class Error>
    [[nodiscard]] Verdict operator()(const std::expected<Result, Error>& result) const {
        return result.has_value() ? (*this)(*result) : Verdict{.result = CallResult::failure};
    }

    // The table above as a function of what was read.
    [[nodiscard]] static constexpr Verdict judge(long long status, std::optional<Duration> retry_after) noexcept {
        if (status >= 100 && status < 400) return {};
        if (status == 429 || (status == 503 && retry_after)) {
            return {.result = CallResult::overloaded, .retryable = retry_after.has_value(), .retry_after = retry_after};
        }
        if (status >= 400 && status < 500 && status != 408) {
            return {.result = CallResult::application_error, .retryable = false};
        }
        return {.result = CallResult::failure, .retryable = status != 501 && status != 505};
    }

  private:
    template <class Result>
    [[nodiscard]] std::optional<Duration> offered_retry_after(const Result& result) const {
        if constexpr (requires { result.retry_after; }) {
            return detail::retry_after_of(result.retry_after, wall_now);
        } else if constexpr (requires { result.header("Retry-After"); }) {
            return detail::retry_after_of(result.header("Retry-After"), wall_now);
        } else if constexpr (!detail::StatusNumber<Result> && requires { result["Retry-After"]; }) {
            return detail::retry_after_of(result["Retry-After"], wall_now);
        } else {
            return std::nullopt;
        }
    }
};

}  // namespace resilience::inline v1
