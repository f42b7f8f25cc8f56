// The page in a real browser: what a person sees, and what must never happen there.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/keyed_rate_limiter.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <string>

#include "admin_server_fixture.hpp"
#include "browser_for_tests.hpp"

using namespace resilience;
using namespace resilience::testing_http;
using namespace std::chrono_literals;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

namespace admin_page_test {

constexpr const char* status = "document.getElementById('status').textContent";
constexpr const char* reasons = "[...document.querySelectorAll('#reasons li')].map((item) => item.textContent).join()";

// A table as a person reads it: names and states.
std::string rows_of(const std::string& kind) {
    return "[...document.querySelectorAll('[aria-labelledby=" + kind +
           "] tbody tr')].map((row) => row.cells[0].textContent + ' ' + row.cells[1].textContent).join(' | ')";
}

// The lowest contrast of any text with what stands behind it, as WCAG 2 computes it.
constexpr const char* lowest_contrast = R"((() => {
  const channels = (color) => color.match(/[\d.]+/g).map(Number);
  const light = (color) => channels(color).slice(0, 3).map((value) => value / 255)
    .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = getComputedStyle(each).backgroundColor;
      if (channels(color)[3] !== 0) return light(color);
    }
    return 1;
  };
  const texts = [...document.body.querySelectorAll('*')].filter((element) => element.offsetParent &&
    [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim()));
  if (texts.length < 20) return 0;
  return Math.min(...texts.map((element) => {
    const [one, other] = [light(getComputedStyle(element).color), behind(element)];
    return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  }));
})())";

struct AdminPage : AdminServerTest {
    void open(AdminServerConfig config = any_port()) {
        start(std::move(config));
        browser.open(server->url() + "/");
    }
    void expect_soon(const std::string& expression, const std::string& value) {
        if (browser.eventually("(" + expression + ") === " + nlohmann::json(value).dump())) return;
        ADD_FAILURE() << expression << "\n  is " << browser.evaluate(expression) << "\n not \"" << value << '"';
    }
    void expect_no_trouble() {
        browser.evaluate("1");  // what was said before is read by now
        EXPECT_THAT(browser.troubles(), IsEmpty());
        EXPECT_THAT(browser.requests(), Each(StartsWith(server->url() + "/")));
    }

    Browser browser;
};

TEST_F(AdminPage, shows_every_state_as_it_changes_the_worst_first) {
    const auto payment = manager.register_circuit_breaker("payment_api");
    const auto stock = manager.register_circuit_breaker("stock");
    open();
    expect_soon("document.title", "checkout");
    expect_soon(status, "● healthy · ready · 0 open");
    expect_soon("document.getElementById('contact').textContent", "● live");
    expect_soon("document.getElementById('figures').getAttribute('aria-busy')", "false");
    expect_soon(rows_of("circuit_breakers"), "payment_api ● closed | stock ● closed");
    expect_soon(reasons, "");

    stock->open();
    expect_soon(rows_of("circuit_breakers"), "stock ■ open | payment_api ● closed");
    expect_soon(status, "◐ degraded · ready · 1 open");
    expect_soon("document.title", "■ 1 open — checkout");
    EXPECT_TRUE(browser.eventually(std::string(reasons) + ".startsWith('circuit stock is open for ')"));
    payment->force_open();
    expect_soon(rows_of("circuit_breakers"), "payment_api ✋ forced open | stock ■ open");
    payment->half_open();
    stock->force_closed();
    expect_soon(rows_of("circuit_breakers"), "stock ✋ forced closed | payment_api ◐ half-open");
    payment->reset();
    stock->reset();
    expect_soon(rows_of("circuit_breakers"), "payment_api ● closed | stock ● closed");
    expect_soon("document.title", "checkout");
    expect_no_trouble();
}

TEST_F(AdminPage, shows_what_is_full_and_what_is_empty_and_what_comes_later) {
    open();
    EXPECT_TRUE(browser.eventually("!document.getElementById('empty').hidden"));
    EXPECT_THAT(browser.evaluate("document.body.innerText").get<std::string>(),
                HasSubstr("Connected. No policies registered yet"));
    const auto bulkhead = manager.register_bulkhead("pool", 1);
    const auto limiter = manager.register_rate_limiter("search", 1, 0.001);
    expect_soon(rows_of("bulkheads"), "pool ● has room");
    expect_soon(rows_of("rate_limiters"), "search ● has tokens");
    EXPECT_EQ(browser.evaluate("document.getElementById('empty').hidden"), true);
    EXPECT_TRUE(limiter->acquire());
    {
        const auto permit = bulkhead->try_acquire();
        expect_soon(rows_of("bulkheads"), "pool ■ full");
        expect_soon(rows_of("rate_limiters"), "search ■ empty");
    }
    expect_soon(rows_of("bulkheads"), "pool ● has room");
    expect_no_trouble();
}

TEST_F(AdminPage, shows_a_limiter_that_is_full_of_keys_as_well_unless_it_refuses_new_ones) {
    for (const WhenFull when_full : {WhenFull::evict_idle, WhenFull::refuse_new}) {
        const auto* name = when_full == WhenFull::refuse_new ? "refuses" : "evicts";
        const auto limiter = manager.register_keyed_rate_limiter(
            name, {.tiers = {{"only", 10, 0.001}}, .max_keys = 1, .when_full = when_full});
        EXPECT_TRUE(limiter->acquire("alice"));
    }
    open();
    expect_soon(rows_of("rate_limiters"), "evicts ● full of keys | refuses ■ full of keys");
    expect_soon(
        "[...document.querySelectorAll('[aria-labelledby=rate_limiters] tbody tr')]"
        ".map((row) => row.cells[1].className).join()",
        "ok,refused");
    expect_no_trouble();
}

TEST_F(AdminPage, shows_hostile_names_as_the_text_they_are) {
    const std::string script = "<script>alert(1)</script>";
    const std::string image =
        "<img src=x onerror=\"alert(1)\">'\"\\ &amp; \xC3\xBC \xE6\xBC\xA2\xE5\xAD\x97 \xE2\x80\xAE";
    manager.register_circuit_breaker(image)->force_open();
    manager.register_circuit_breaker(script);
    manager.register_bulkhead("__proto__", 1);
    manager.register_bulkhead("constructor", 1);
    open();
    expect_soon(rows_of("circuit_breakers"), image + " ✋ forced open | " + script + " ● closed");
    expect_soon(rows_of("bulkheads"), "__proto__ ● has room | constructor ● has room");
    EXPECT_EQ(browser.evaluate("document.images.length"), 0);
    EXPECT_EQ(browser.evaluate("document.scripts.length"), 1);
    expect_no_trouble();
}

TEST_F(AdminPage, fits_narrow_and_wide_windows_and_can_be_read_in_light_and_dark) {
    const auto breaker =
        manager.register_circuit_breaker("a_name_of_a_length_that_nobody_would_choose_" + std::string(80, 'x'));
    breaker->force_open(10h);
    manager.register_circuit_breaker("payment_api")->open();
    manager.register_circuit_breaker("stock")->half_open();
    manager.register_bulkhead("pool", 1);
    manager.register_rate_limiter("search", 1'000'000, 1'000'000);
    manager.register_retry("reads");
    open();
    for (const int width : {320, 380, 800, 1280, 1600}) {
        browser.resize(width, 900);
        ASSERT_TRUE(browser.eventually("innerWidth === " + std::to_string(width)));
        ASSERT_TRUE(browser.eventually("document.querySelectorAll('tbody tr').length === 6"));
        EXPECT_EQ(browser.evaluate("document.documentElement.scrollWidth"), width);
        for (const char* scheme : {"light", "dark"}) {
            browser.prefer_colors(scheme);
            EXPECT_GE(browser.evaluate(lowest_contrast).get<double>(), 4.5) << width << ' ' << scheme;
        }
    }
    browser.resize(380, 900);
    EXPECT_EQ(browser.evaluate("getComputedStyle(document.querySelector('tbody td'), '::before').content"),
              "\"State\"");
    EXPECT_EQ(browser.evaluate("[...document.querySelectorAll('.sheet')]"
                               ".filter((sheet) => sheet.scrollWidth > sheet.clientWidth).length"),
              0);
    expect_no_trouble();
}

TEST_F(AdminPage, says_that_its_figures_are_old_when_the_server_is_gone_and_goes_on_when_it_is_back) {
    manager.register_circuit_breaker("payment_api");
    open();
    expect_soon(rows_of("circuit_breakers"), "payment_api ● closed");
    const AdminServerConfig same{.port = server->port()};
    server.reset();
    EXPECT_TRUE(browser.eventually("document.getElementById('lost').textContent.startsWith('Lost contact ')"));
    EXPECT_EQ(browser.evaluate("document.getElementById('lost').hidden"), false);
    EXPECT_EQ(browser.evaluate("document.getElementById('figures').className"), "old");
    EXPECT_GE(browser.evaluate(lowest_contrast).get<double>(), 4.5);
    manager.circuit_breaker("payment_api")->force_open();
    start(same);
    expect_soon(rows_of("circuit_breakers"), "payment_api ✋ forced open");
    EXPECT_EQ(browser.evaluate("document.getElementById('lost').hidden"), true);
    EXPECT_THAT(browser.requests(), Each(StartsWith(server->url() + "/")));
}

}  // namespace admin_page_test
