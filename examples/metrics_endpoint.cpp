// Metrics, stats and probes of a program over HTTP: /metrics /stats /livez /readyz, and a page at /.

#include <iostream>
#include <resilience/http/admin_server.hpp>
#include <resilience/prometheus/exporter.hpp>
#include <resilience/resilience.hpp>

using namespace resilience;

int main() {
    ResilienceManager manager{"checkout"};
    manager.register_circuit_breaker("payment_api");

    AdminServer server{manager, {.port = 0}};  // 0: any free port; loopback unless told otherwise
    std::cout << "listening on " << server.url() << '\n';

    // What a scrape of /metrics would get:
    const std::string text = export_metrics(manager);
    std::cout << text.substr(0, text.find('\n')) << '\n';
    return text.find("resilience_circuit_breaker_state{service=\"payment_api\"} 0") != std::string::npos ? 0 : 1;
}
