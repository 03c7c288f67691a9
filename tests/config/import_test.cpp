#include "config/import.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <set>

#include <algorithm>

#include "config/key.hpp"
#include "config/oslo.hpp"
#include "config/settings.hpp"

using namespace cloudos::config;

namespace {

Import imported(Service service, const std::string& text, const std::string& name = "x.conf") {
  const ImportFile file{service, name, text};
  return import_files(std::span(&file, 1));
}

Imported one(Service service, const std::string& text) {
  const Import result = imported(service, text);
  REQUIRE(result.options.size() == 1);
  return result.options[0];
}

}  // namespace

TEST_CASE("oslo's syntax: sections, both marks, continuations, quotes, repeats, comments") {
  const OsloFile file = read_oslo(
      "debug = true\n"
      "# comment\n"
      "[ml2]\r\n"
      "type_drivers: flat,\n"
      "  vlan\n"
      "\tvxlan\n"
      "\n"
      "  lost\n"
      "name = 'a b'\n"
      "name=\"c\"\n"
      "; other\n"
      "url = http://a:b@c/?x=$my_ip\n"
      "empty =\n"
      "= nothing\n"
      "word\n"
      "[open\n"
      "[keystone_authtoken]\n"
      "password = x#y\n");
  struct Row {
    std::string what, section, name, value;
    std::size_t line;
  };
  const Row rows[] = {
      {"before any section", "DEFAULT", "debug", "true", 1},
      {"continued", "ml2", "type_drivers", "flat,\nvlan\nvxlan", 4},
      {"single quotes", "ml2", "name", "a b", 9},
      {"again", "ml2", "name", "c", 10},
      {"marks in the value", "ml2", "url", "http://a:b@c/?x=$my_ip", 12},
      {"empty", "ml2", "empty", "", 13},
      {"no comment behind", "keystone_authtoken", "password", "x#y", 18},
  };
  REQUIRE(file.options.size() == std::size(rows));
  for (std::size_t i = 0; i < std::size(rows); ++i) {
    CAPTURE(rows[i].what);
    CHECK(file.options[i].section == rows[i].section);
    CHECK(file.options[i].name == rows[i].name);
    CHECK(file.options[i].value == rows[i].value);
    CHECK(file.options[i].line == rows[i].line);
  }
  CHECK(file.bad_lines == std::vector<std::size_t>{8, 14, 15, 16});
}

TEST_CASE("every rule of the table is sound") {
  for (const ImportRule& rule : import_rules()) {
    CAPTURE(std::string(rule.section));
    CAPTURE(std::string(rule.name));
    const std::size_t dot = rule.target.find('.');
    if (rule.target.empty()) {
      CHECK_FALSE(rule.why.empty());
      CHECK((rule.convert == nullptr));
    } else {
      CHECK(find_key(rule.target.substr(0, dot), rule.target.substr(dot + 1)) != nullptr);
      // A value that is not taken needs a word about it.
      if (rule.convert && !rule.convert("?")) CHECK_FALSE(rule.why.empty());
    }
    CHECK_FALSE(rule.why.ends_with('.'));
    // No rule stands behind one that takes everything it would.
    for (const ImportRule& earlier : import_rules()) {
      if (&earlier == &rule) break;
      const bool hides = earlier.service == rule.service && earlier.section == rule.section &&
                         (earlier.name == rule.name || earlier.name == "*");
      CHECK_FALSE(hides);
    }
  }
}

TEST_CASE("options become keys, or say why not") {
  using Fate = Imported::Fate;
  struct Row {
    std::string what;
    Service service;
    std::string text;
    Fate fate;
    std::string says;
  };
  const Row rows[] = {
      {"debug", Service::Nova, "debug = True", Fate::Mapped, "[log] level = debug"},
      {"no debug", Service::Glance, "debug = false", Fate::Mapped, "[log] level = info"},
      {"JSON", Service::Neutron, "use_json = 1", Fate::Mapped, "[log] format = json"},
      {"virt type", Service::Nova, "[libvirt]\nvirt_type = kvm", Fate::Mapped,
       "[hypervisor] virt_type = kvm"},
      {"virt type of another kind", Service::Nova, "[libvirt]\nvirt_type = lxc", Fate::NotUsable,
       "needs auto, kvm or qemu"},
      {"dashes", Service::Nova, "[libvirt]\nvirt-type = qemu", Fate::Mapped,
       "[hypervisor] virt_type = qemu"},
      {"driver", Service::Nova, "compute_driver = libvirt.LibvirtDriver", Fate::Mapped,
       "[hypervisor] backend = libvirt"},
      {"fake driver", Service::Nova, "compute_driver = fake.FakeDriver", Fate::Mapped,
       "[hypervisor] backend = simulated"},
      {"other driver", Service::Nova, "compute_driver = ironic.IronicDriver", Fate::NotUsable,
       "of compute drivers"},
      {"IPv6 address", Service::Glance, "bind_host = ::", Fate::Mapped,
       "[server] listen = [::]:5000"},
      {"port", Service::Glance, "bind_port = 9292", Fate::NoCounterpart, "one port"},
      {"interpolation", Service::Nova, "osapi_compute_listen = $my_ip", Fate::NotUsable,
       "made of other options"},
      {"bridge mappings", Service::Neutron, "[linux_bridge]\nbridge_mappings = ext:br0,x:br1",
       Fate::Mapped, "[network] bridge_mappings = ext:br0, x:br1"},
      {"mechanism among others", Service::Neutron,
       "[ml2]\nmechanism_drivers = linuxbridge,l2population", Fate::Mapped,
       "[network] backend = linuxbridge"},
      {"types of projects' networks", Service::Neutron, "[ml2]\ntenant_network_types = vxlan,vlan",
       Fate::Mapped, "[network] tenant_network_types = vxlan, vlan"},
      {"a type that is not here", Service::Neutron, "[ml2]\ntenant_network_types = geneve",
       Fate::NotUsable, "local, vlan or vxlan"},
      {"ranges of tags", Service::Neutron,
       "[ml2_type_vlan]\nnetwork_vlan_ranges = p1:100:199,p1:300:399,p2", Fate::Mapped,
       "[network] network_vlan_ranges = p1:100:199, p1:300:399, p2"},
      {"ranges of tunnels", Service::Neutron, "[ml2_type_vxlan]\nvni_ranges = 1:1000",
       Fate::Mapped, "[network] vni_ranges = 1:1000"},
      {"no ranges", Service::Neutron, "[ml2_type_vxlan]\nvni_ranges =", Fate::NotUsable,
       "from 1 to 65535"},
      {"flat networks", Service::Neutron, "[ml2_type_flat]\nflat_networks = *", Fate::Mapped,
       "[network] flat_networks = *"},
      {"end of tunnels without its host", Service::Neutron, "[vxlan]\nlocal_ip = 10.1.2.3",
       Fate::NotUsable, "tunnel_address is a host's"},
      {"name of the host", Service::Neutron, "host = compute-1", Fate::Mapped,
       "[network] host = compute-1"},
      {"what links carry", Service::Neutron, "global_physnet_mtu = 9000", Fate::Mapped,
       "[network] mtu = 9000"},
      {"domain of names", Service::Neutron, "dns_domain = openstackgate.local.", Fate::Mapped,
       "[network] dns_domain = openstackgate.local."},
      {"no domain of names", Service::Neutron, "dns_domain =", Fate::NotUsable, "openstacklocal"},
      {"domain of names that is none", Service::Neutron, "dns_domain = a_b", Fate::NotUsable,
       "such as example.org"},
      {"domain of guests", Service::Nova, "[api]\ndhcp_domain = cloud.example", Fate::Mapped,
       "[network] dns_domain = cloud.example"},
      {"domain of guests, before", Service::Nova, "dhcp_domain = cloud.example", Fate::Mapped,
       "[network] dns_domain = cloud.example"},
      {"routers on several hosts", Service::Neutron, "l3_ha = true", Fate::NoCounterpart,
       "on one host"},
      {"other mechanism", Service::Neutron, "[ml2]\nmechanism_drivers = openvswitch",
       Fate::NotUsable, "of mechanism drivers"},
      {"the same anyway", Service::Neutron, "core_plugin = ml2", Fate::Same, "ML2"},
      {"lifetime", Service::Keystone, "[token]\nexpiration = 7200", Fate::Mapped,
       "[identity] token_lifetime = 2h"},
      {"lifetime of words", Service::Keystone, "[token]\nexpiration = long", Fate::NotUsable,
       "needs a time"},
      {"rounds of bcrypt", Service::Keystone, "[identity]\npassword_hash_rounds = 11", Fate::Mapped,
       "[identity] password_cost = 11"},
      {"rounds of another", Service::Keystone, "[identity]\npassword_hash_rounds = 29000",
       Fate::NotUsable, "bcrypt's cost is 4 to 16"},
      {"certificate without its key", Service::Neutron, "[ssl]\ncert_file = /c.pem",
       Fate::NotUsable, "a certificate and its key go together"},
      {"policy of a service", Service::Neutron, "[oslo_policy]\npolicy_file = /etc/p.yaml",
       Fate::NotUsable, "one file holds the rules"},
      {"public address", Service::Keystone, "public_endpoint = https://c.example:5000/v3/",
       Fate::Mapped, "[cloud] public_url = https://c.example:5000"},
      {"pattern with its end", Service::Keystone,
       "[security_compliance]\npassword_regex = ^(?=.*\\d).{7,}$", Fate::Mapped,
       "password_regex = ^(?=.*\\d).{7,}$"},
      {"pattern of another option", Service::Keystone,
       "[security_compliance]\npassword_regex = $least.*", Fate::NotUsable, "write out"},
      {"policy", Service::Keystone, "[oslo_policy]\npolicy_file = /etc/neutron/policy.yaml",
       Fate::Mapped, "[identity] policy_file = /etc/neutron/policy.yaml"},
      {"policy beside its service", Service::Nova, "[oslo_policy]\npolicy_file = policy.yaml",
       Fate::NotUsable, "one file holds the rules"},
      {"bus", Service::Nova, "transport_url = rabbit://u:s3cret@h", Fate::NoCounterpart,
       "no message bus"},
      {"database", Service::Keystone, "[database]\nconnection = mysql://u:s3cret@h/d",
       Fate::NoCounterpart, "no database server"},
      {"service user", Service::Glance, "[keystone_authtoken]\npassword = s3cret",
       Fate::NoCounterpart, "do not log in to each other"},
      {"limit of lists", Service::Keystone, "list_limit = 100", Fate::Mapped,
       "[identity] list_limit = 100"},
      {"limit of some lists", Service::Keystone, "[resource]\nlist_limit = 100",
       Fate::NoCounterpart, "all lists have one limit"},
      {"endpoints that were not chosen", Service::Keystone,
       "[endpoint_filter]\nreturn_all_endpoints_if_no_filter = false", Fate::Mapped,
       "[identity] return_all_endpoints_if_no_filter = no"},
      {"model of limits", Service::Keystone,
       "[unified_limit]\nenforcement_model = strict_two_level", Fate::Mapped,
       "[identity] limit_model = strict_two_level"},
      {"model that is not here", Service::Keystone, "[unified_limit]\nenforcement_model = deep",
       Fate::NotUsable, "flat or strict_two_level"},
      {"no limit of members", Service::Glance, "image_member_quota = -1", Fate::Mapped,
       "[image] member_quota = 128"},
      {"no limit of places", Service::Glance, "image_location_quota = -1", Fate::Mapped,
       "[image] location_quota = 10"},
      {"too many places", Service::Glance, "image_location_quota = 11", Fate::NotUsable,
       "at most 10"},
      {"methods of import", Service::Glance,
       "enabled_import_methods = [glance-direct,web-download]", Fate::Mapped,
       "[image] import_methods = glance-direct, web-download"},
      {"images of other regions", Service::Glance,
       "enabled_import_methods = [glance-direct, glance-download]", Fate::Mapped,
       "[image] import_methods = glance-direct, glance-download"},
      {"properties of downloads", Service::Glance,
       "[glance_download_properties]\nextra_properties = hw_,os_type", Fate::Mapped,
       "[image] download_properties = hw_, os_type"},
      {"a method of somebody's own", Service::Glance, "enabled_import_methods = [teleport]",
       Fate::NotUsable, "name those that are here"},
      {"delayed delete", Service::Glance, "delayed_delete = True", Fate::Mapped,
       "[image] delayed_delete = yes"},
      {"time until data goes", Service::Glance, "scrub_time = 7200", Fate::Mapped,
       "[image] scrub_time = 2h"},
      {"location strategy", Service::Glance, "location_strategy = store_type", Fate::Mapped,
       "[image] location_strategy = store_type"},
      {"preferred types of stores", Service::Glance,
       "[store_type_location_strategy]\nstore_type_preference = http, filesystem", Fate::Mapped,
       "[image] store_type_preference = http, file"},
      {"a type of store that is not here", Service::Glance,
       "[store_type_location_strategy]\nstore_type_preference = rbd", Fate::NotUsable,
       "file and http"},
      {"size of the cache", Service::Glance, "image_cache_max_size = 10737418240", Fate::Mapped,
       "[image] cache_size = 10GiB"},
      {"formats must match", Service::Glance, "[image_format]\nrequire_image_format_match = true",
       Fate::Mapped, "[image] require_format_match = yes"},
      {"conversion", Service::Glance, "[image_conversion]\noutput_format = raw", Fate::Mapped,
       "[image] conversion_format = raw"},
      {"conversion to what is not made", Service::Glance,
       "[image_conversion]\noutput_format = vmdk", Fate::NotUsable, "none, raw or qcow2"},
      {"plugins that unpack", Service::Glance,
       "[image_import_opts]\nimage_import_plugins = ['no_op', image_decompression]", Fate::Mapped,
       "[image] decompress = yes"},
      {"properties for all imports", Service::Glance,
       "[inject_metadata_properties]\ninject = os_type:linux,origin:web", Fate::Mapped,
       "[image] inject_properties = os_type:linux, origin:web"},
      {"schemes of downloads", Service::Glance,
       "[import_filtering_opts]\nallowed_schemes = [https]", Fate::Mapped,
       "[image] web_schemes = https"},
      {"ports that are refused", Service::Glance,
       "[import_filtering_opts]\ndisallowed_ports = [22]", Fate::NoCounterpart,
       "name those that are allowed"},
      {"hosts that are refused", Service::Glance,
       "[import_filtering_opts]\ndisallowed_hosts = [a.example,b.example]", Fate::Mapped,
       "[image] web_denied_hosts = a.example, b.example"},
      {"a store's folder", Service::Glance, "[fast]\nfilesystem_store_datadir = /srv/images",
       Fate::NoCounterpart, "upload the images"},
      {"unknown", Service::Nova, "flux_capacitor = 88", Fate::Unknown, ""},
      {"unknown section", Service::Nova, "[flux]\ncapacitor = 88", Fate::Unknown, ""},
      {"of another service", Service::Glance, "[libvirt]\nvirt_type = kvm", Fate::Unknown, ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Imported got = one(row.service, row.text);
    CAPTURE(got.became);
    CAPTURE(got.why);
    CHECK(static_cast<int>(got.fate) == static_cast<int>(row.fate));
    CHECK((got.fate == Fate::Mapped ? got.became : got.why).find(row.says) != std::string::npos);
    CHECK((got.became + got.why + got.option).find("s3cret") == std::string::npos);
  }
}

TEST_CASE("a key that another service's option has by the same name is what that option becomes") {
  // Of other services and ours: one word, two meanings.
  const std::set<std::string> differ{"DEFAULT.workers", "DEFAULT.log_file"};
  for (const ImportRule& rule : import_rules()) {
    if (!rule.target.empty() || rule.same || rule.name == "*") continue;
    for (const Key& key : keys()) {
      if (key.name != rule.name || key.section == "cloud") continue;
      CAPTURE(std::string(rule.section));
      CAPTURE(std::string(rule.name));
      CAPTURE(std::string(key.section));
      // Lists have one limit; the others of that name say so.
      CHECK((rule.name == "list_limit" || rule.name == "policy_file" ||
             differ.count(fmt::format("{}.{}", rule.section, rule.name)) > 0));
    }
  }
}

TEST_CASE("several services that say one thing differently leave it to be decided") {
  const ImportFile files[] = {
      {Service::Nova, "nova.conf", "debug = true\n[DEFAULT]\ndebug = false\n"},
      {Service::Glance, "glance-api.conf", "debug = false\nuse_json = true\n"},
      {Service::Neutron, "neutron.conf", "debug = true\nuse_json = true\n"},
  };
  const Import result = import_files(files);
  REQUIRE(result.options.size() == 6);
  // In one file the last one counts, as with the services themselves.
  CHECK(result.file.find("# nova.conf:3\nlevel = info\n") != std::string::npos);
  CHECK(result.options[2].fate == Imported::Fate::Mapped);
  CHECK(result.options[4].fate == Imported::Fate::NotUsable);
  CHECK(result.options[4].why.find("nova.conf:3 already says level otherwise") == 0);
  CHECK(result.options[5].fate == Imported::Fate::Mapped);
}

TEST_CASE("what an import writes is a good file, and its report counts every option") {
  const ImportFile files[] = {
      {Service::Nova, "nova.conf",
       "[DEFAULT]\nmy_ip = 10.0.0.1\ntransport_url = rabbit://x\ncompute_driver = "
       "libvirt.LibvirtDriver\n[libvirt]\nvirt_type = kvm\ncpu_mode = host-model\n[vnc]\nenabled = "
       "true\nserver_listen = $my_ip\n[api_database]\nconnection = sqlite:///x # y\n[new]\nx = "
       "1\n"},
      {Service::Keystone, "keystone.conf",
       "[token]\nprovider = fernet\nexpiration = 3600\n[ssl]\ncert_file = /etc/ssl/a #b.pem\n"
       "key_file = /etc/ssl/k.pem\nbroken line\n"},
  };
  const Import result = import_files(files);
  const Layer layer = read_text(result.file, "/etc/cloudos/cloudos.conf");
  for (const Problem& problem : layer.problems) CHECK(to_string(problem) == "");
  const Merged merged = merge(std::span(&layer, 1));
  for (const Problem& problem : merged.problems) CHECK(to_string(problem) == "");
  CHECK(merged.settings.text("hypervisor", "virt_type") == "kvm");
  CHECK(merged.settings.text("tls", "certificate") == "/etc/ssl/a #b.pem");
  CHECK(merged.settings.text("cloud", "data_dir") == "/var/lib/cloudos");

  const std::string report = report_text(result);
  CAPTURE(report);
  CHECK(report.find("nova.conf:6 [libvirt] virt_type  ->  [hypervisor] virt_type = kvm") !=
        std::string::npos);
  CHECK(report.find("Unknown, not looked at:\n  - ") == std::string::npos);
  CHECK(report.find("nova.conf:14 [new] x") != std::string::npos);
  CHECK(report.find("keystone.conf:7 is neither section nor option") != std::string::npos);
  CHECK(report.find("13 options: 5 mapped") != std::string::npos);
}

TEST_CASE("what does not go together is left to be decided, and the rest is a good file") {
  const ImportFile files[] = {
      {Service::Neutron, "linuxbridge_agent.ini",
       "[vxlan]\nlocal_ip = 10.0.0.31\nl2_population = true\n"},
      {Service::Neutron, "ml2_conf.ini", "[ml2_type_vxlan]\nvni_ranges = 1:1000\n"},
      {Service::Glance, "glance-api.conf", "[ssl]\ncert_file = /c.pem\n"},
  };
  const Import result = import_files(files);
  const Layer layer = read_text(result.file, "/etc/cloudos/cloudos.conf");
  for (const Problem& problem : merge(std::span(&layer, 1)).problems) CHECK(to_string(problem) == "");
  REQUIRE(result.options.size() == 4);
  CHECK(result.options[0].fate == Imported::Fate::NotUsable);
  CHECK(result.options[0].why == "tunnel_address is a host's: say which, by host in [network]");
  CHECK(result.options[0].became.empty());
  CHECK(result.options[2].fate == Imported::Fate::Mapped);
  CHECK(result.options[3].why.find("a certificate and its key go together") == 0);
  CHECK(result.file.find("tunnel_address") == std::string::npos);
  CHECK(result.file.find("vni_ranges = 1:1000") != std::string::npos);
  // With what was missing it is taken.
  const ImportFile whole[] = {files[0], {Service::Neutron, "neutron.conf", "host = net1\n"}};
  CHECK(import_files(whole).file.find("tunnel_address = 10.0.0.31") != std::string::npos);
}

TEST_CASE("files are known by their usual names") {
  struct Row {
    std::string name;
    std::optional<Service> service;
  };
  const Row rows[] = {
      {"/etc/nova/nova.conf", Service::Nova},
      {"nova-compute.conf", Service::Nova},
      {"/etc/neutron/plugins/ml2/ml2_conf.ini", Service::Neutron},
      {"linuxbridge_agent.ini", Service::Neutron},
      {"keystone.conf", Service::Keystone},
      {"glance-api.conf", Service::Glance},
      {"/etc/nova/other.conf", std::nullopt},
      {"", std::nullopt},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    CHECK(service_of_file(row.name) == row.service);
  }
}

TEST_CASE("any text can be imported") {
  std::string odd;
  for (int i = 0; i < 256; ++i) odd += static_cast<char>(i);
  for (const std::string& text :
       {std::string(), odd, "[" + odd + "]\n" + odd + "=" + odd, std::string(100'000, '\n'),
        std::string(100'000, '['), "[DEFAULT]\ndebug = " + odd}) {
    for (const Service service :
         {Service::Nova, Service::Neutron, Service::Keystone, Service::Glance}) {
      const Import result = imported(service, text);
      CHECK(read_text(result.file, "f").problems.empty());
    }
  }
}
