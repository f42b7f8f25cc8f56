#include "text_format.hpp"

#include <prometheus/client_metric.h>
#include <prometheus/metric_type.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string_view>

namespace resilience::inline v1::detail {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

std::string_view word_of(MetricType type) noexcept {
    switch (type) {
        case MetricType::Counter:
            return "counter";
        case MetricType::Gauge:
            return "gauge";
        default:
            return "untyped";
    }
}

double value_of(const ClientMetric& metric, MetricType type) noexcept {
    switch (type) {
        case MetricType::Counter:
            return metric.counter.value;
        case MetricType::Gauge:
            return metric.gauge.value;
        default:
            return metric.untyped.value;
    }
}

void append_number(std::string& text, double number) {
    std::array<char, 32> digits;
    char* const end = digits.data() + digits.size();
    const bool whole = std::abs(number) < 1e15 && std::trunc(number) == number;
    const auto written = whole ? std::to_chars(digits.data(), end, static_cast<std::int64_t>(number))
                               : std::to_chars(digits.data(), end, number);
    text.append(digits.data(), written.ptr);
}

bool needs_escape(char character) noexcept { return character == '\\' || character == '"' || character == '\n'; }

void append_escaped(std::string& text, std::string_view value) {
    for (auto from = value.begin();;) {
        const auto at = std::find_if(from, value.end(), needs_escape);
        text.append(from, at);
        if (at == value.end()) return;
        text.append(1, '\\').append(1, *at == '\n' ? 'n' : *at);
        from = at + 1;
    }
}

void append_labels(std::string& text, const std::vector<ClientMetric::Label>& labels) {
    if (labels.empty()) return;
    char before = '{';
    for (const auto& label : labels) {
        text.append(1, before).append(label.name).append("=\"");
        append_escaped(text, label.value);
        text.append(1, '"');
        before = ',';
    }
    text.append(1, '}');
}

}  // namespace

void append_exposition(std::string& text, const MetricFamily& family) {
    text.append("# HELP ").append(family.name).append(1, ' ').append(family.help).append(1, '\n');
    text.append("# TYPE ").append(family.name).append(1, ' ').append(word_of(family.type)).append(1, '\n');
    for (const auto& metric : family.metric) {
        text.append(family.name);
        append_labels(text, metric.label);
        text.append(1, ' ');
        append_number(text, value_of(metric, family.type));
        text.append(1, '\n');
    }
}

}  // namespace resilience::inline v1::detail
