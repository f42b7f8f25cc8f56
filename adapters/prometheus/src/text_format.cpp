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
        case MetricType::Histogram:
            return "histogram";
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

void append_label(std::string& text, char before, std::string_view name, std::string_view value) {
    text.append(1, before).append(name).append("=\"");
    append_escaped(text, value);
    text.append(1, '"');
}

// Returns what stands before another label.
char append_open_labels(std::string& text, const std::vector<ClientMetric::Label>& labels) {
    char before = '{';
    for (const auto& label : labels) {
        append_label(text, before, label.name, label.value);
        before = ',';
    }
    return before;
}

void append_labels(std::string& text, const std::vector<ClientMetric::Label>& labels) {
    if (append_open_labels(text, labels) == ',') text.append(1, '}');
}

void append_histogram(std::string& text, std::string_view name, const ClientMetric& metric) {
    const auto append_plain = [&](std::string_view suffix, double value) {
        text.append(name).append(suffix);
        append_labels(text, metric.label);
        text.append(1, ' ');
        append_number(text, value);
        text.append(1, '\n');
    };
    const auto append_bucket = [&](std::string_view edge, std::uint64_t count) {
        text.append(name).append("_bucket");
        append_label(text, append_open_labels(text, metric.label), "le", edge);
        text.append("} ");
        append_number(text, static_cast<double>(count));
        text.append(1, '\n');
    };
    append_plain("_count", static_cast<double>(metric.histogram.sample_count));
    append_plain("_sum", metric.histogram.sample_sum);
    std::string edge;
    for (const auto& bucket : metric.histogram.bucket) {
        edge.clear();
        append_number(edge, bucket.upper_bound);
        append_bucket(edge, bucket.cumulative_count);
    }
    append_bucket("+Inf", metric.histogram.sample_count);
}

}  // namespace

void append_exposition(std::string& text, const MetricFamily& family) {
    text.append("# HELP ").append(family.name).append(1, ' ').append(family.help).append(1, '\n');
    text.append("# TYPE ").append(family.name).append(1, ' ').append(word_of(family.type)).append(1, '\n');
    for (const auto& metric : family.metric) {
        if (family.type == MetricType::Histogram) {
            append_histogram(text, family.name, metric);
            continue;
        }
        text.append(family.name);
        append_labels(text, metric.label);
        text.append(1, ' ');
        append_number(text, value_of(metric, family.type));
        text.append(1, '\n');
    }
}

}  // namespace resilience::inline v1::detail
