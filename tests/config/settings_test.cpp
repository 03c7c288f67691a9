#include "config/settings.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

using namespace cloudos::config;

namespace {

std::string all_problems(const std::vector<Problem>& problems) {
  std::string text;
  for (const Problem& problem : problems) text += to_string(problem) + "\n";
  return text;
}

Merged merged_text(std::string_view text, std::vector<std::string> environment = {}) {
  const Layer layers[] = {read_text(text, "f.conf"), read_environment(environment)};
  return merge(layers);
}

constexpr std::string_view kGood = "[cloud]\ndata_dir = /srv/cloud\n";

}  // namespace

TEST_CASE("the table of keys is sound: defaults are canonical, names and flags are single") {
  std::set<std::string> names, flags, sections_seen;
  std::string_view section;
  for (const Key& key : keys()) {
    CAPTURE(std::string(key.section));
    CAPTURE(std::string(key.name));
    CHECK(is_section(key.section));
    CHECK(names.insert(environment_name(key)).second);
    if (!key.flag.empty()) CHECK(flags.insert(std::string(key.flag)).second);
    if (!key.flag.empty()) CHECK(!key.word.empty());
    if (key.secret) CHECK_MESSAGE(key.flag.empty(), "others see a program's arguments");
    CHECK(!key.help.empty());
    CHECK(!key.help.ends_with('.'));
    CHECK((key.type == Type::Choice) == !key.choices.empty());
    const bool number =
        key.type == Type::Count || key.type == Type::Bytes || key.type == Type::Seconds;
    CHECK((key.most > key.least) == number);
    if (!key.fallback.empty()) {
      const auto value = canonical(key, key.fallback);
      REQUIRE(value);
      CHECK(*canonical(key, *value) == *value);
    }
    // The keys of a section stand together.
    if (key.section != section) CHECK(sections_seen.insert(std::string(key.section)).second);
    section = key.section;
  }
  CHECK(sections_seen.size() == sections().size());
}

TEST_CASE("ranges of networks are what they say, or a problem that says what they should") {
  struct Row {
    std::string what, line, says;  ///< says empty: good.
  };
  const Row rows[] = {
      {"tags", "network_vlan_ranges = p1:100:199, p1:300:399, p2", ""},
      {"tags of nothing", "network_vlan_ranges = :1:2", "network_vlan_ranges needs"},
      {"too many tags", "network_vlan_ranges = p1:1:4095", "network_vlan_ranges needs"},
      {"backwards", "network_vlan_ranges = p1:9:1", "network_vlan_ranges needs"},
      {"tunnels", "vni_ranges = 1:1000, 5000:16777215", ""},
      {"half a range", "vni_ranges = 7", "vni_ranges needs"},
      {"zero", "vni_ranges = 0:9", "vni_ranges needs"},
      {"types", "tenant_network_types = vlan, vxlan, local", ""},
      {"a domain", "dns_domain = openstackgate.local.", ""},
      {"a domain of one label", "dns_domain = cloud", ""},
      {"no domain", "dns_domain = .", "unlike '.'"},
      {"two domains", "dns_domain = a.example b.example", "unlike 'a.example b.example'"},
      {"flat for all", "tenant_network_types = flat", "cannot be of type flat"},
      {"a tunnel of nobody's", "tunnel_address = 192.0.2.7", "by host in [network]"},
      {"a tunnel of a host's", "host = one\ntunnel_address = 192.0.2.7", ""},
      {"another host beside one without a name", "host_namespaces = two:space-2", "by host in"},
      {"another host", "host = one\nhost_namespaces = two:space-2\nhost_tunnels = two:192.0.2.8", ""},
      {"a tunnel of a host that is not there", "host = one\nhost_tunnels = two:192.0.2.8",
       "there is no host 'two'"},
      {"a daemon beside a host without a name",
       "[hypervisor]\nother_hosts = two:qemu+tcp://192.0.2.8/system", "set host_names"},
      {"a daemon beside this host",
       "[hypervisor]\nhost_names = one\nother_hosts = two:qemu+tcp://192.0.2.8/system", ""},
      {"a path for a host's name", "host = one\nhost_namespaces = ../two:space", "unlike '../two'"},
      {"this host for another", "host = one\nhost_namespaces = one:space", "host one is this one"},
      {"a host's name of another alphabet", "host = one\nhost_namespaces = zw\u00f6lf:space",
       "unlike 'zw\u00f6lf'"},
      {"a host's name that is no end",
       "host = one\nhost_namespaces = " + std::string(300, 'x') + ":s",
       "unlike '" + std::string(64, 'x') + "...'"},
      {"a host's name that is an option", "host = one\nhost_namespaces = -x:space", "unlike '-x'"},
      {"a host twice", "host = one\nhost_namespaces = two:a, two:b", "each name once"},
      {"a path for a namespace", "host = one\nhost_namespaces = two:../../proc/1/ns/net",
       "unlike '../../proc/1/ns/net'"},
      {"two hosts in a namespace", "host = one\nhost_namespaces = two:space, three:space",
       "hosts three and two cannot be one network namespace, space"},
      {"a namespace for what is simulated",
       "host = one\nbackend = simulated\nhost_namespaces = two:space",
       "need backend = linuxbridge"},
      {"a tunnel that ends nowhere",
       "host = one\nhost_namespaces = two:space\nhost_tunnels = two:nowhere", "unlike 'nowhere'"},
      {"a tunnel that ends at an IPv6 address",
       "host = one\nhost_namespaces = two:space\nhost_tunnels = two:2001:db8::1", ""},
      {"a daemon of a host's with no name for one",
       "[hypervisor]\nhost_names = one\nother_hosts = ../two:qemu:///system", "unlike '../two'"},
      {"a daemon of this host's",
       "[hypervisor]\nhost_names = one\nother_hosts = one:qemu:///system", "is in host_names"},
      {"no daemon", "[hypervisor]\nhost_names = one\nother_hosts = two:qemu:///embed",
       "needs the URI of a libvirt daemon"},
      {"a daemon of two hosts",
       "[hypervisor]\nhost_names = one\nother_hosts = two:qemu:///system, three:qemu:///system",
       "hosts three and two cannot have one libvirt daemon"},
      {"a daemon of this host's and another's",
       "[hypervisor]\nhost_names = one\nlibvirt_uri = qemu:///system\nother_hosts = "
       "two:qemu:///system",
       "hosts one and two cannot have one libvirt daemon"},
      {"no packets", "mtu = 100", "needs a number from 576 to 65535"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto merged = merged_text(std::string(kGood) + "[network]\n" + row.line + "\n");
    const std::string problems = all_problems(merged.problems);
    CAPTURE(problems);
    CHECK(problems.empty() == row.says.empty());
    CHECK(problems.find(row.says) != std::string::npos);
  }
}

TEST_CASE("a value is taken in its canonical form or refused with what it wants") {
  struct Row {
    std::string what, section, name, text, value;  ///< value empty: refused.
  };
  const Row rows[] = {
      {"number", "cloud", "workers", "8", "8"},
      {"number with blanks", "cloud", "workers", " 8\t", "8"},
      {"number below", "cloud", "workers", "0", ""},
      {"number above", "cloud", "workers", "257", ""},
      {"number beyond 64 bits", "cloud", "workers", "99999999999999999999", ""},
      {"negative number", "cloud", "workers", "-1", ""},
      {"number with a sign", "cloud", "workers", "+1", ""},
      {"number with a unit", "cloud", "workers", "8k", ""},
      {"bytes", "cloud", "store_limit", "1073741824", "1GiB"},
      {"bytes with unit and blank", "cloud", "store_limit", "64 mib", "64MiB"},
      {"bytes of odd size", "cloud", "store_limit", "16777217", "16777217"},
      {"bytes with a power of ten", "cloud", "store_limit", "64MB", ""},
      {"bytes that overflow", "cloud", "store_limit", "18446744073709551615TiB", ""},
      {"seconds", "identity", "token_lifetime", "3600", "1h"},
      {"minutes", "identity", "token_lifetime", "90m", "90m"},
      {"days", "identity", "token_lifetime", "2d", "2d"},
      {"too short", "identity", "token_lifetime", "59s", ""},
      {"unit alone", "identity", "token_lifetime", "h", ""},
      {"two units", "identity", "token_lifetime", "1h30m", ""},
      {"choice", "hypervisor", "virt_type", "KVM", "kvm"},
      {"no choice", "hypervisor", "virt_type", "xen", ""},
      {"two choices", "hypervisor", "virt_type", "kvm, qemu", ""},
      {"URL", "cloud", "public_url", "https://cloud.example/", "https://cloud.example"},
      {"URL without scheme", "cloud", "public_url", "cloud.example", ""},
      {"URL with a query", "cloud", "public_url", "http://a?b", ""},
      {"URL with a quote", "cloud", "public_url", "http://a\"", ""},
      {"scheme alone", "cloud", "public_url", "https://", ""},
      {"libvirt URI", "hypervisor", "libvirt_uri", "qemu+tls://h/system", "qemu+tls://h/system"},
      {"libvirt without scheme", "hypervisor", "libvirt_uri", "qemu", ""},
      {"one address", "server", "listen", "127.0.0.1:0", "127.0.0.1:0"},
      {"two addresses", "server", "listen", "127.0.0.1:5000,[::1]:5000",
       "127.0.0.1:5000, [::1]:5000"},
      {"with schemes", "server", "listen", "http://[::1]:80, https://0.0.0.0:443",
       "http://[::1]:80, https://0.0.0.0:443"},
      {"the same address twice", "server", "listen", "[::1]:1, [::1]:1", ""},
      {"IPv6 without brackets", "server", "listen", "::1:5000", ""},
      {"empty brackets", "server", "listen", "[]:5000", ""},
      {"bracket not closed", "server", "listen", "[::1:5000", ""},
      {"no port", "server", "listen", "127.0.0.1", ""},
      {"port too large", "server", "listen", "127.0.0.1:65536", ""},
      {"port of words", "server", "listen", "127.0.0.1:http", ""},
      {"no address", "server", "listen", ":5000", ""},
      {"a path behind", "server", "listen", "http://a:80/", ""},
      {"list with a hole", "server", "listen", "a:1,,b:2", ""},
      {"list that ends in a comma", "server", "listen", "a:1,", ""},
      {"names", "hypervisor", "host_names", "a,b", "a, b"},
      {"name with a blank", "hypervisor", "host_names", "a b", ""},
      {"name twice", "hypervisor", "host_names", "a, a", ""},
      {"mapping", "network", "bridge_mappings", "ext: br0, int:br1", "ext:br0, int:br1"},
      {"mapping without value", "network", "bridge_mappings", "ext:", ""},
      {"mapping without name", "network", "bridge_mappings", ":br0", ""},
      {"mapping twice", "network", "bridge_mappings", "a:b, a:c", ""},
      {"level", "log", "level", "WARNING", "warning"},
      {"levels", "log", "level", "info, tasks=debug", "info,tasks=debug"},
      {"no level", "log", "level", "loud", ""},
      {"room without name", "log", "level", "=debug", ""},
      {"path", "cloud", "data_dir", "/srv/a b", "/srv/a b"},
      {"path with a line end", "cloud", "data_dir", "/srv/a\n/b", ""},
      {"path with a NUL", "cloud", "data_dir", std::string("/srv\0x", 6), ""},
      {"path that is not UTF-8", "cloud", "data_dir", "/srv/\xff", ""},
      {"empty", "cloud", "data_dir", "", ""},
      {"blanks", "cloud", "data_dir", "  ", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Key* key = find_key(row.section, row.name);
    REQUIRE(key);
    const auto value = canonical(*key, row.text);
    CHECK(value.has_value() == !row.value.empty());
    if (value) {
      CHECK(*value == row.value);
      CHECK(*canonical(*key, *value) == *value);
    } else {
      CHECK(value.error().message == wants(*key));
    }
  }
}

TEST_CASE("everything that is wrong with a file is said at once, each with its line") {
  const Layer layer = read_text(
      "workers = 3\n"                  // 1
      "[cloud]\n"                      // 2
      "# a comment\n"                  // 3
      "worker = 3\n"                   // 4
      "workers = many\n"               // 5
      "[clod]\n"                       // 6
      "anything = is not looked at\n"  // 7
      "[log\n"                         // 8
      "[log]\n"                        // 9
      "level = info # noisy\n"         // 10
      "level\n"                        // 11
      "virt_type = kvm\n"              // 12
      "zzzzzzzz = 1\n"                 // 13
      "[identity]\n"                   // 14
      "password_cost =\n"              // 15
      "password_cost = 10\n"           // 16
      "password_cost = 11\n",          // 17
      "f.conf");
  const std::string text = all_problems(layer.problems);
  CAPTURE(text);
  const std::string rows[] = {
      "f.conf:1: a key needs a [section] line above it.",
      "f.conf:4: [cloud] has no key 'worker'. Did you mean 'workers'?",
      "f.conf:5: workers needs a number from 1 to 256.",
      "f.conf:6: there is no section [clod]. Did you mean 'cloud'?",
      "f.conf:8: a section is written [name]",
      "f.conf:10: level is followed by ' #' or ' ;': give a comment a line of its own",
      "f.conf:11: 'level' is neither [section] nor key = value.",
      "f.conf:12: [log] has no key 'virt_type', but [hypervisor] has: move it there.",
      "f.conf:13: [log] has no key 'zzzzzzzz'. There are: level",
      "f.conf:15: password_cost has no value",
      "f.conf:17: password_cost is set a second time, first in line",
  };
  for (const std::string& row : rows) {
    CAPTURE(row);
    CHECK(text.find(row) != std::string::npos);
  }
  CHECK(text.find("f.conf:7:") == std::string::npos);
}

TEST_CASE("a file's small print: comments, quotes, line ends, relative paths, a byte order mark") {
  const Layer layer = read_text(
      "\xef\xbb\xbf; comment\r\n[cloud]\r\n  data_dir=cloud data  \r\n"
      "admin_password = \"a # b\"\r\n\r\n[ log ]\r\nlevel\t=\tdebug",
      "/etc/c/f.conf");
  CHECK(all_problems(layer.problems) == "");
  REQUIRE(layer.entries.size() == 3);
  CHECK(layer.entries[0].text == "/etc/c/cloud data");
  CHECK(layer.entries[0].place == "/etc/c/f.conf:3");
  CHECK(layer.entries[1].text == "a # b");
  CHECK(layer.entries[2].text == "debug");
  const Layer large = read_text(std::string(2 << 20, '#'), "f");
  CHECK(all_problems(large.problems).find("f: is larger than") == 0);
}

TEST_CASE("hostile text is read in bounded time and answered with bounded text") {
  std::string deep;
  for (int i = 0; i < 200'000; ++i) deep += "[x\n";
  CHECK(read_text(deep, "f").problems.size() == 100);
  const Layer wide = read_text("[cloud]\n" + std::string(900'000, 'k') + " = 1\n", "f");
  REQUIRE(wide.problems.size() == 1);
  CHECK(wide.problems[0].message.size() < 300);
  const Layer escape = read_text("[cloud]\n\x1b[31mred = 1\n", "f");
  REQUIRE(escape.problems.size() == 1);
  CHECK(escape.problems[0].message.find('\x1b') == std::string::npos);
}

TEST_CASE(
    "flags weigh more than the environment, that more than the file, that more than defaults") {
  Layer flags;
  const Layer file =
      read_text("[cloud]\ndata_dir = /f\nworkers = 3\n[log]\nlevel = debug\n", "f.conf");
  const std::string variables[] = {"CLOUDOS_CLOUD_WORKERS=4", "CLOUDOS_LOG_LEVEL=error", "HOME=/",
                                   "CLOUDOS_CLOUD_PUBLIC_URL="};
  const Layer environment = read_environment(variables);
  add_flag(flags, *find_flag("--log-level"), "warning");
  const Layer layers[] = {file, environment, flags};
  const Merged merged = merge(layers);
  CHECK(all_problems(merged.problems) == "");
  struct Row {
    std::string what, section, name, text, place;
    Origin origin;
  };
  const Row rows[] = {
      {"default", "server", "io_threads", "2", "", Origin::Default},
      {"file", "cloud", "data_dir", "/f", "f.conf:2", Origin::File},
      {"environment", "cloud", "workers", "4", "CLOUDOS_CLOUD_WORKERS", Origin::Environment},
      {"flag", "log", "level", "warning", "--log-level", Origin::Flag},
      {"empty variable", "cloud", "public_url", "", "", Origin::Default},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Settings::Value& value = merged.settings.of(row.section, row.name);
    CHECK(value.text == row.text);
    CHECK(value.place == row.place);
    CHECK(value.origin == row.origin);
  }
  CHECK(merged.settings.number("cloud", "workers") == 4);
  CHECK(merged.settings.number("identity", "token_lifetime") == 3'600);
}

TEST_CASE("a variable of our sections that sets no key is refused, others are nobody's") {
  const std::string variables[] = {"CLOUDOS_CLOUD_WORKRES=4",
                                   "CLOUDOS_LOG_LEVEL=loud",
                                   "CLOUDOS_SOMETHING=1",
                                   "CLOUDOS=1",
                                   "PATH=/bin",
                                   "odd"};
  const std::string text = all_problems(read_environment(variables).problems);
  CHECK(text.find("CLOUDOS_CLOUD_WORKRES: no key is set by this variable. Did you mean "
                  "'CLOUDOS_CLOUD_WORKERS'?") != std::string::npos);
  CHECK(text.find("CLOUDOS_LOG_LEVEL: needs debug") != std::string::npos);
  CHECK(text.find("SOMETHING") == std::string::npos);
  CHECK(std::count(text.begin(), text.end(), '\n') == 2);
}

TEST_CASE("a flag again adds to a list and replaces another value") {
  Layer flags;
  add_flag(flags, *find_flag("--listen"), "127.0.0.1:1");
  add_flag(flags, *find_flag("--listen"), "[::1]:1");
  add_flag(flags, *find_flag("--workers"), "3");
  add_flag(flags, *find_flag("--workers"), "5");
  CHECK(flags.problems.empty());
  const Settings settings = merge(std::span(&flags, 1)).settings;
  CHECK(settings.list("server", "listen") == std::vector<std::string>{"127.0.0.1:1", "[::1]:1"});
  CHECK(settings.number("cloud", "workers") == 5);
}

TEST_CASE("values that do not go together are problems") {
  struct Row {
    std::string what, text, says;
  };
  const Row rows[] = {
      {"all is well", std::string(kGood), ""},
      {"no folder", "", "--data-dir DIR is required"},
      {"hosts without simulated", std::string(kGood) + "[hypervisor]\nsimulated_hosts = 3\n",
       "f.conf:4: simulated_hosts is for backend = simulated"},
      {"one host is what there is anyway", std::string(kGood) + "[hypervisor]\nsimulated_hosts = 1\n",
       ""},
      {"a room that is none", std::string(kGood) + "[log]\nlevel = info, taks=debug\n",
       "f.conf:4: no room of the log is called 'taks'. Did you mean 'tasks'?"},
      {"a room like none", std::string(kGood) + "[log]\nlevel = info, volumes=debug\n",
       "there are: audit, cloud,"},
      {"rooms", std::string(kGood) + "[log]\nlevel = info, tasks=debug, cloudosd=error\n", ""},
      {"no way to import", std::string(kGood) + "[image]\nimport_methods = copy-image, web-dowload\n",
       "f.conf:4: images are not imported by 'web-dowload'"},
      {"every way to import",
       std::string(kGood) +
           "[image]\nimport_methods = glance-direct, web-download, copy-image, glance-download\n",
       ""},
      {"a scheme that is not spoken", std::string(kGood) + "[image]\nweb_schemes = https, ftp\n",
       "f.conf:4: nothing is read by 'ftp'"},
      {"a port that is none", std::string(kGood) + "[image]\nweb_ports = 80, htpps\n",
       "f.conf:4: web_ports needs numbers from 1 to 65535"},
      {"a port beyond the last", std::string(kGood) + "[image]\nweb_ports = 99999\n", "unlike '99999'"},
      {"any port", std::string(kGood) + "[image]\nweb_ports = any\n", ""},
      {"any port and one", std::string(kGood) + "[image]\nweb_ports = any, 80\n", "any alone"},
      {"hosts by number and by name",
       std::string(kGood) + "[hypervisor]\nbackend = simulated\nsimulated_hosts = 3\n"
                            "host_names = a, b, c\n",
       "f.conf:6: host_names and simulated_hosts both"},
      {"several real hosts", std::string(kGood) + "[hypervisor]\nhost_names = a, b\n",
       "several hosts need backend = simulated"},
      {"two passwords", std::string(kGood) + "admin_password = x\nadmin_password_file = /y\n",
       "keep one"},
      {"certificate without key", std::string(kGood) + "[tls]\ncertificate = /c.pem\n",
       "f.conf:4: a certificate and its key go together"},
      {"key without certificate", std::string(kGood) + "[tls]\nkey = /c.pem\n", "go together"},
      {"https without certificate", std::string(kGood) + "[server]\nlisten = https://[::]:443\n",
       "https://[::]:443 needs certificate and key"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const std::string text = all_problems(merged_text(row.text).problems);
    CAPTURE(text);
    CHECK(text.empty() == row.says.empty());
    CHECK(text.find(row.says) != std::string::npos);
  }
}

TEST_CASE("the sample file says every key, and is a good file both as it is and uncommented") {
  const std::string sample = sample_text();
  const Layer as_is = read_text(sample, "sample");
  CHECK(all_problems(as_is.problems) == "");
  CHECK(as_is.entries.empty());
  // Words of the file stay as the file has them, others begin a sentence.
  CHECK(sample.find("\n# auto takes KVM") != std::string::npos);
  CHECK(sample.find("\n# auto, kvm or qemu. ") != std::string::npos);
  CHECK(sample.find("\n# Threads that carry requests.\n") != std::string::npos);
  std::string uncommented;
  std::size_t with_default = 0;
  for (const Key& key : keys()) with_default += !key.fallback.empty();
  for (std::size_t at = 0; at < sample.size();) {
    const std::size_t end = sample.find('\n', at);
    std::string line = sample.substr(at, end - at);
    at = end + 1;
    if (line.size() > 1 && line[0] == '#' && line[1] != ' ') line.erase(0, 1);
    if (!line.ends_with(" =")) uncommented += line + "\n";
    CHECK(line.size() <= 100);
  }
  const Layer set = read_text(uncommented, "sample");
  CHECK(all_problems(set.problems) == "");
  CHECK(set.entries.size() == with_default);
  const Settings read = merge(std::span(&set, 1)).settings;
  CHECK(changed_keys(Settings(), read).empty());
  for (const Key& key : keys()) {
    CAPTURE(std::string(key.name));
    CHECK(sample.find("\n#" + std::string(key.name) + " =") != std::string::npos);
    CHECK(sample.find(environment_name(key)) != std::string::npos);
  }
}

TEST_CASE("the effective view is a file that sets the same, and shows no secret") {
  const auto merged = merged_text(
      "[cloud]\ndata_dir = \"/a #b\"\nadmin_password = open-sesame\n[log]\nlevel = debug\n",
      {"CLOUDOS_CLOUD_WORKERS=7"});
  CHECK(all_problems(merged.problems) == "");
  for (const bool all : {false, true}) {
    const std::string view = effective_text(merged.settings, all);
    CAPTURE(view);
    CHECK(view.find("open-sesame") == std::string::npos);
    CHECK(view.find("# CLOUDOS_CLOUD_WORKERS\nworkers = 7\n") != std::string::npos);
    CHECK(view.find("# f.conf:2\ndata_dir = \"/a #b\"\n") != std::string::npos);
    CHECK((view.find("io_threads") != std::string::npos) == all);
    const Layer again = read_text(view, "view");
    CHECK(all_problems(again.problems) == "");
    const auto changed = changed_keys(merge(std::span(&again, 1)).settings, merged.settings);
    REQUIRE(changed.size() == 1);
    CHECK(changed[0]->name == "admin_password");
  }
}

TEST_CASE("a secret's value appears in no problem") {
  const Layer layer = read_text("[cloud]\nadmin_password = hunter2 # x\n", "f");
  REQUIRE(layer.problems.size() == 1);
  CHECK(to_string(layer.problems[0]).find("hunter2") == std::string::npos);
  const std::string variables[] = {"CLOUDOS_CLOUD_ADMIN_PASSWORD=hunter2\x01"};
  const Layer environment = read_environment(variables);
  REQUIRE(environment.problems.size() == 1);
  CHECK(to_string(environment.problems[0]).find("hunter2") == std::string::npos);
}

TEST_CASE("the nearest name is a likely one or none") {
  const std::string_view names[] = {"level", "format", "file", "workers"};
  struct Row {
    std::string what, word, near;
  };
  const Row rows[] = {
      {"the same", "level", "level"},
      {"letter missing", "levl", "level"},
      {"swapped letters", "lveel", "level"},
      {"plural", "levels", "level"},
      {"far off", "banana", ""},
      {"short and wrong", "zz", ""},
      {"empty", "", ""},
      {"endless", std::string(100'000, 'l'), ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(nearest(row.word, names) == row.near);
  }
}
