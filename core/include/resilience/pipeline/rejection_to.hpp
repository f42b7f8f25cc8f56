#pragma once

// How a Rejection becomes an error of the function's own type, so that `execute` need not nest two `expected`s.
//
//     the function returns                                   execute returns
//     std::expected<T, Rejection>                            the same
//     std::expected<T, std::error_code>                      the same; a rejection has the category "resilience"
//     std::expected<T, std::variant<…, Rejection, …>>        the same; a rejection is that alternative
//     std::expected<T, MyError>                              the same if rejection_to<MyError> exists
//
// For an error type of your own:
//
//     template <> struct resilience::rejection_to<MyError> {
//         static MyError convert(const Rejection& rejection) { return MyError{to_string(rejection)}; }
//         // Optional: the rejection inside an error, or nothing. With it, what a pipeline inside the function refused
//         // counts as a rejection for the policies around, not as a failure. `const Rejection*` or an optional.
//         static const Rejection* find(const MyError& error) { return error.rejection(); }
//     };
//
// Define it where MyError is defined, before the first `execute` that needs it.

#include <concepts>
#include <optional>
#include <resilience/base/error_code.hpp>
#include <resilience/base/rejection.hpp>
#include <system_error>
#include <variant>

namespace resilience::inline v1 {

template <class Error>
struct rejection_to;

template <class Error>
concept HoldsRejection = requires(const Rejection& rejection) {
    { rejection_to<Error>::convert(rejection) } -> std::convertible_to<Error>;
};

// An error that can say whether it is a rejection.
template <class Error>
concept FindsRejection = HoldsRejection<Error> && requires(const Error& error) {
    static_cast<bool>(rejection_to<Error>::find(error));
    { *rejection_to<Error>::find(error) } -> std::convertible_to<const Rejection&>;
};

template <>
struct rejection_to<Rejection> {
    static Rejection convert(const Rejection& rejection) noexcept { return rejection; }
    static const Rejection* find(const Rejection& rejection) noexcept { return &rejection; }
};

// Only the reason survives.
template <>
struct rejection_to<std::error_code> {
    static std::error_code convert(const Rejection& rejection) noexcept { return make_error_code(rejection.reason); }
    static std::optional<Rejection> find(const std::error_code& code) noexcept {
        const std::optional<RejectionReason> reason = rejection_reason(code);
        if (!reason) return std::nullopt;
        return Rejection{.reason = *reason, .kind = PolicyKind::pipeline};
    }
};

// Variants with exactly one alternative Rejection.
template <class... Alternatives>
    requires((std::same_as<Alternatives, Rejection> + ...) == 1)
struct rejection_to<std::variant<Alternatives...>> {
    static std::variant<Alternatives...> convert(const Rejection& rejection) {
        return std::variant<Alternatives...>(std::in_place_type<Rejection>, rejection);
    }
    static const Rejection* find(const std::variant<Alternatives...>& error) noexcept {
        return std::get_if<Rejection>(&error);
    }
};

}  // namespace resilience::inline v1
