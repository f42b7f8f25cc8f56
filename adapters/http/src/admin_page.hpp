#pragma once

// The page an admin server shows at '/': its files, kept in the program so that it needs nothing from elsewhere.

#include <span>
#include <string_view>

namespace resilience::inline v1::detail {

struct AdminPageFile {
    std::string_view path;
    std::string_view content_type;
    std::string_view text;
};

[[nodiscard]] std::span<const AdminPageFile> admin_page_files() noexcept;

}  // namespace resilience::inline v1::detail
