#include "cloudosd/options.hpp"

#include <doctest/doctest.h>

using namespace cloudosd;

namespace {

using Words = std::vector<std::string>;

/// Everything that is wrong with a command line; empty when it is taken.
std::string refusal(const Words& words) {
  const auto parsed = parse_arguments(words);
  if (const auto* error = std::get_if<UsageError>(&parsed)) return error->message;
  std::string text;
  for (const auto& problem : load_settings(std::get<Invocation>(parsed), {}).problems)
    text += cloudos::config::to_string(problem);
  return text;
}

Command command_of(const Words& words) {
  const auto parsed = parse_arguments(words);
  REQUIRE(std::holds_alternative<Invocation>(parsed));
  return make_command(load_settings(std::get<Invocation>(parsed), {}).settings);
}

}  // namespace

TEST_CASE("the command line is taken whole or refused, saying what it wants") {
  struct Row {
    std::string what;
    std::vector<std::string> words;
    const char* says;
  };  // "": taken
  const Row rows[] = {
      {"the least", {"--data-dir", "d"}, ""},
      {"with equals", {"--data-dir=d", "--listen=0.0.0.0:0"}, ""},
      {"all",
       {"--data-dir",
        "d",
        "--listen",
        "[::1]:5000",
        "--public-url",
        "https://a/",
        "--simulated",
        "--hosts",
        "3",
        "--workers",
        "4",
        "--io-threads",
        "1",
        "--virt-type",
        "qemu",
        "--libvirt-uri",
        "qemu:///system",
        "--log-level",
        "WARNING",
        "--admin-password-file",
        "f"},
       ""},
      {"no folder", {}, "--data-dir DIR is required"},
      {"unknown option", {"--data-dir", "d", "--fast"}, "'--fast' is not an option"},
      {"word", {"d"}, "'d' is not an option"},
      {"value missing", {"--data-dir"}, "--data-dir needs a folder"},
      {"no port", {"--data-dir", "d", "--listen", "127.0.0.1"}, "--listen needs"},
      {"port too large", {"--data-dir", "d", "--listen", "127.0.0.1:65536"}, "--listen needs"},
      {"port of words", {"--data-dir", "d", "--listen", "127.0.0.1:http"}, "--listen needs"},
      {"IPv6 without brackets", {"--data-dir", "d", "--listen", "::1:5000"}, "--listen needs"},
      {"no scheme", {"--data-dir", "d", "--public-url", "cloud.example"}, "--public-url needs"},
      {"URL with a quote", {"--data-dir", "d", "--public-url", "http://a\""}, "--public-url needs"},
      {"hosts without simulated",
       {"--data-dir", "d", "--hosts", "3"},
       "--hosts N is for --simulated"},
      {"no hosts", {"--data-dir", "d", "--simulated", "--hosts", "0"}, "--hosts needs"},
      {"no workers", {"--data-dir", "d", "--workers", "0"}, "--workers needs"},
      {"other virt type", {"--data-dir", "d", "--virt-type", "xen"}, "--virt-type needs"},
      {"other level", {"--data-dir", "d", "--log-level", "loud"}, "--log-level needs"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(refusal(row.words).empty() == !*row.says);
    CHECK(refusal(row.words).find(row.says) != std::string::npos);
  }
  const Command all = command_of(rows[2].words);
  CHECK(all.server.listen.front().address == "::1");
  CHECK(*all.public_url == "https://a");
  CHECK(all.cloud.host_names.size() == 3);
  CHECK(all.cloud.hypervisor == cloudos::Backend::Simulated);
  CHECK(all.cloud.network == cloudos::Backend::Simulated);
  CHECK(all.cloud.log_level == cloudos::LogLevel::Warning);
  CHECK(command_of(rows[0].words).cloud.hypervisor == cloudos::Backend::Real);
}

TEST_CASE("without options nothing differs from the library's own defaults but by intent") {
  const Command command = command_of({"--data-dir", "d"});
  const cloudos::Options plain;
  CHECK(command.cloud.libvirt_uri == plain.libvirt_uri);
  CHECK(command.cloud.virt_type == plain.virt_type);
  CHECK(command.cloud.token_lifetime == plain.token_lifetime);
  CHECK(command.cloud.password_cost == plain.password_cost);
  CHECK(command.cloud.store_limit_bytes == plain.store_limit_bytes);
  CHECK(command.cloud.log_level == plain.log_level);
  CHECK(command.server.io_threads == ServerOptions{}.io_threads);
  CHECK(command.server.connections == ServerOptions{}.connections);
  REQUIRE(command.server.listen.size() == 1);
  CHECK(command.server.listen[0].address == Listen{}.address);
  CHECK(command.server.listen[0].port == Listen{}.port);
  CHECK_FALSE(command.server.listen[0].tls);
}

TEST_CASE("with a certificate addresses speak https unless they say http") {
  const Command command =
      command_of({"--data-dir", "d", "--tls-certificate", "/c", "--tls-key", "/k", "--listen",
                  "[::]:443", "--listen", "http://127.0.0.1:80"});
  REQUIRE(command.server.listen.size() == 2);
  CHECK(command.server.listen[0].tls);
  CHECK(command.server.listen[0].address == "::");
  CHECK_FALSE(command.server.listen[1].tls);
  CHECK(command.server.tls.certificate == "/c");
  CHECK(command.server.tls.key == "/k");
}

TEST_CASE("the public address is made of where the server answers") {
  struct Row {
    std::string what, address;
    bool tls;
    std::string url;
  };
  const Row rows[] = {
      {"IPv4", "10.0.0.1", false, "http://10.0.0.1:80"},
      {"IPv6", "::1", false, "http://[::1]:80"},
      {"every IPv4", "0.0.0.0", false, "http://127.0.0.1:80"},
      {"everything", "::", true, "https://[::1]:80"},
      {"name with TLS", "cloud.example", true, "https://cloud.example:80"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(default_public_url(row.address, 80, row.tls) == row.url);
  }
}

TEST_CASE("help, version and the like win over everything else that is asked for") {
  struct Row {
    std::string what;
    std::vector<std::string> words;
    Invocation::Action action;
  };
  const Row rows[] = {
      {"help", {"--data-dir", "d", "--help"}, Invocation::Action::Help},
      {"short help", {"-h"}, Invocation::Action::Help},
      {"version", {"--version", "--check-config"}, Invocation::Action::Version},
      {"check", {"--check-config", "--data-dir", "d"}, Invocation::Action::CheckConfig},
      {"sample", {"--sample-config"}, Invocation::Action::SampleConfig},
      {"run", {"--config", "f"}, Invocation::Action::Run},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto parsed = parse_arguments(row.words);
    REQUIRE(std::holds_alternative<Invocation>(parsed));
    CHECK(std::get<Invocation>(parsed).action == row.action);
  }
}

TEST_CASE("the help names every flag of the table") {
  const std::string text = help_text();
  for (const auto& key : cloudos::config::keys()) {
    CAPTURE(std::string(key.flag));
    if (!key.flag.empty())
      CHECK(text.find("  " + std::string(key.flag) + " ") != std::string::npos);
  }
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    CHECK(end - at <= 100);
    at = end + 1;
  }
}

TEST_CASE("stores of images are read from the configuration, or what is wrong is told") {
  const auto parsed = parse_arguments(Words{"--data-dir", "d"});
  const Invocation& invocation = std::get<Invocation>(parsed);
  const Words good{"CLOUDOS_IMAGE_STORES=fast:/srv/fast, slow:/srv/slow",
                   "CLOUDOS_IMAGE_STORE_WEIGHTS=fast:200, file:7",
                   "CLOUDOS_IMAGE_STORE_CAPACITY=fast:3",
                   "CLOUDOS_IMAGE_DEFAULT_STORE=slow",
                   "CLOUDOS_IMAGE_HTTP_STORE=yes",
                   "CLOUDOS_IMAGE_LOCATION_STRATEGY=measured",
                   "CLOUDOS_IMAGE_DELAYED_DELETE=yes",
                   "CLOUDOS_IMAGE_SCRUB_TIME=2h",
                   "CLOUDOS_IMAGE_CACHE_SIZE=1GiB"};
  const auto loaded = load_settings(invocation, good);
  REQUIRE(loaded.problems.empty());
  const cloudos::ImageStoreOptions stores = make_command(loaded.settings).cloud.image_stores;
  REQUIRE(stores.folders.size() == 2);
  CHECK(stores.folders.at("fast").folder == "/srv/fast");
  CHECK(stores.folders.at("fast").weight == 200);
  CHECK(stores.folders.at("fast").capacity_bytes == std::uint64_t{3} << 30);
  CHECK(stores.folders.at("slow").weight == 0);
  CHECK(stores.weight == 7);
  CHECK(stores.default_store == "slow");
  CHECK(stores.http);
  CHECK(stores.strategy == cloudos::LocationStrategy::Measured);
  CHECK(stores.scrub_time == std::chrono::hours(2));
  CHECK(stores.cache_bytes == 1 << 30);
  struct Row {
    std::string what;
    std::string variable;
    const char* says;
  };
  const Row rows[] = {
      {"a folder that is relative", "CLOUDOS_IMAGE_STORES=a:b", "must begin with /"},
      {"a weight of no store", "CLOUDOS_IMAGE_STORE_WEIGHTS=a:1", "no store a"},
      {"a weight that is no number", "CLOUDOS_IMAGE_STORE_WEIGHTS=file:heavy", "needs a number"},
      {"a default that is not there", "CLOUDOS_IMAGE_DEFAULT_STORE=b", "no store b"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto wrong = load_settings(invocation, Words{row.variable});
    REQUIRE(wrong.problems.size() == 1);
    CHECK(wrong.problems[0].message.find(row.says) != std::string::npos);
  }
}
