// What people do with the field's own client, by the same words.
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <thread>

#include "base/fd.hpp"
#include "site.hpp"

using namespace program_test;
using cli_test::shared_site;
using cli_test::Site;
using cli_test::walk;
using nlohmann::json;

namespace {

/// A project with one of most kinds of things, each holding on to another; '@' stands for its name.
void fill_project(Site& site, const std::string& name, const std::string& disk) {
  const std::string lines[] = {
      "project create @",
      "role add --project @ --user admin admin",
      "--os-project-name @ network create @-net --tag t",
      "--os-project-name @ subnet create @-sub --network @-net --subnet-range 10.3.0.0/24",
      "--os-project-name @ router create @-way --external-gateway outside",
      "router add subnet @-way @-sub",
      "router add route @-way --route destination=10.4.0.0/24,gateway=10.3.0.9",
      "--os-project-name @ port create @-held --network @-net",
      "--os-project-name @ floating ip create outside --port @-held",
      "--os-project-name @ network trunk create @-bundle --parent-port @-held",
      "--os-project-name @ security group create @-guards",
      "--os-project-name @ network qos policy create @-slow",
      "--os-project-name @ address group create @-peers --address 192.0.2.7/32",
      "--os-project-name @ image create @-seen --file " + disk,
      "--os-project-name @ image create @-unseen --hidden --file " + disk,
      "--os-project-name @ server create @-guest --image @-seen --flavor usual --network @-net "
      "--wait",
  };
  for (std::string line : lines) {
    for (auto at = line.find('@'); at != line.npos; at = line.find('@')) line.replace(at, 1, name);
    walk(site, {{line, 0, "", ""}});
  }
}

}  // namespace

TEST_CASE("a project is emptied in the order in which its things let go, and nobody else's are") {
  Site& site = shared_site();
  const std::string disk = site.dir.file("purge.raw", std::string(4096, 'p'));
  walk(site, {{"network create outside --external", 0, "outside"},
              {"subnet create outsides --network outside --subnet-range 192.0.2.0/24", 0, ""},
              {"flavor create usual --ram 64 --disk 1 --vcpus 1", 0, "usual"}});
  fill_project(site, "leaving", disk);
  fill_project(site, "staying", disk);
  const json look = site.ask({"project", "purge", "--project", "leaving", "--dry-run"});
  std::set<std::string> types;
  for (const json& row : look) {
    types.insert(row["Type"].get<std::string>());
    CHECK(row["Status"] == "to delete");
  }
  for (const char* type : {"server", "floating ip", "trunk", "router", "port", "subnet", "network",
                           "security group", "network qos policy", "address group", "image",
                           "project"})
    CHECK(types.count(type) == 1);
  walk(site, {
                 {"--os-project-name leaving server show leaving-guest -f value -c status", 0,
                  "ACTIVE"},
                 {"project purge", 2, "--project"},
                 {"project purge --project leaving --auth-project", 2, "do not go together"},
                 {"project purge --project nobody", 4, "nobody"},
                 {"project cleanup --project leaving --created-before yesterday", 1, "is no time"},
                 {"project cleanup --project leaving --created-before 2001-01-01 --auto-approve", 0,
                  "", "deleted"},
                 // Nobody says yes.
                 {"project cleanup --project leaving", 0, "to delete", "deleted"},
                 {"--os-project-name leaving image set leaving-seen --protected", 0, ""},
                 {"project purge --project leaving", 1, ""},
                 {"project show leaving", 0, "leaving"},
                 {"--os-project-name leaving image list -f value -c Name", 0, "leaving-seen"},
                 {"--os-project-name leaving image set leaving-seen --unprotected", 0, ""},
                 {"project cleanup --project leaving --auto-approve -f value -c Type", 0, "image"},
                 {"project cleanup --project leaving --auto-approve -f value", 0, "", "deleted"},
                 {"project purge --project leaving -f value -c Type -c Status", 0,
                  "project deleted"},
                 {"project show leaving", 4, "leaving"},
                 {"server list --all-projects -f value -c Name", 0, "staying-guest"},
                 {"--os-project-name staying port list -f value -c Name", 0, "staying-held"},
                 {"--os-project-name staying project purge --auth-project --keep-project -f value "
                  "-c Type -c Status",
                  0, "network deleted", "project"},
                 {"project purge --project staying -f value -c Status", 0, "deleted"},
                 {"server list --all-projects -f value -c Name", 0, "", "guest"},
                 {"flavor delete usual", 0, ""},
                 {"network delete outside", 0, ""},
             });
}

TEST_CASE("a member empties the own project, once asked and sure, and may not see more") {
  Site& site = shared_site();
  walk(site, {{"project create own", 0, "own"},
              {"user create ann --password right", 0, "ann"},
              {"role add --project own --user ann member", 0, ""},
              {"network create notann", 0, "notann"}});
  Variables login = site.server.client_variables();
  login.erase("OS_CLOUD");
  login.insert({{"OS_AUTH_URL", "http://127.0.0.1:" + std::to_string(site.server.port) +
                                    "/identity"},
                {"OS_USERNAME", "ann"},
                {"OS_PASSWORD", "right"},
                {"OS_PROJECT_NAME", "own"}});
  const auto as_ann = [&](const std::string& line) {
    const Ran ran = run_program({"/bin/sh", "-c", line, CLOUDOS_PROGRAM}, login);
    INFO(line << ran.err);
    CHECK(ran.code == 0);
    return ran.out;
  };
  as_ann("$0 network create anns");
  as_ann("$0 security group create annsgroup");
  CHECK(as_ann("echo n | $0 project cleanup --auth-project").find("anns") != std::string::npos);
  CHECK(as_ann("$0 network list -f value -c Name").find("anns") != std::string::npos);
  const json none = json::parse(as_ann("echo n | $0 project cleanup --auth-project -f json"));
  CHECK(none.empty());
  const json one = json::parse(
      as_ann("echo y | $0 project cleanup --auth-project -f json --created-before 2001-01-01"));
  CHECK(one.empty());
  const std::string went = as_ann("echo y | $0 project cleanup --auth-project -f value");
  CHECK(went.find("to delete") == std::string::npos);
  CHECK(went.find("anns deleted") != std::string::npos);
  CHECK(went.find("annsgroup deleted") != std::string::npos);
  CHECK(went.find("refused") == std::string::npos);
  CHECK(as_ann("$0 network list -f value -c Name").find("anns") == std::string::npos);
  walk(site, {{"network delete notann", 0, ""},
              {"project purge --project own -f value -c Status", 0, "deleted"},
              {"user delete ann", 0, ""}});
}

TEST_CASE("tags are given with what is made, changed, taken away and asked for") {
  struct Kind {
    std::string words, make, name;
  };
  const Kind kinds[] = {
      {"network", "network create tagged", "tagged"},
      {"subnet", "subnet create tags --network tagged --subnet-range 10.5.0.0/24", "tags"},
      {"port", "port create tagp --network tagged", "tagp"},
      {"router", "router create tagr", "tagr"},
      {"security group", "security group create tagg", "tagg"},
      {"subnet pool", "subnet pool create tagl --pool-prefix 10.6.0.0/16", "tagl"},
  };
  Site& site = shared_site();
  for (const Kind& kind : kinds) {
    const std::string show = kind.words + " show " + kind.name + " -f json -c tags";
    const auto change = [&](const std::string& verb, const std::string& options) {
      return kind.words + " " + verb + " " + kind.name + " " + options;
    };
    walk(site, {
                   {kind.make + " --tag one --tag two -f value -c tags", 0, "one, two"},
                   {kind.words + " list --tags one,two -f value -c Name", 0, kind.name},
                   {kind.words + " list --any-tags two,three -f value -c Name", 0, kind.name},
                   {kind.words + " list --not-tags one -f value -c Name", 0, "", kind.name + "\n"},
                   {kind.words + " list --not-any-tags two,three -f value -c Name", 0, "",
                    kind.name + "\n"},
                   {change("set", "--tag three --name " + kind.name), 0, ""},
                   {show, 0, "three"},
                   {change("set", "--no-tag --tag four"), 0, ""},
                   {show, 0, "four", "one"},
                   {change("set", "--tag five"), 0, ""},
                   {change("unset", "--tag four"), 0, ""},
                   {show, 0, "five", "four"},
                   {change("unset", "--tag four"), 4, "four"},
                   {change("unset", "--all-tag"), 0, ""},
                   {show, 0, "[]"},
               });
  }
  // What is left of one that was made in part is said, and is there.
  walk(site, {{"network create halfway --tag one,two", 1, "was made, but not all of it"},
              {"network show halfway -f value -c tags", 0, ""},
              {"network delete halfway", 0, ""}});
  for (auto kind = std::rbegin(kinds); kind != std::rend(kinds); ++kind)
    CHECK(site.line(kind->words + " delete " + kind->name).code == 0);
}

TEST_CASE("images come by import or signed, and key pairs into a file of their owner's") {
  Site& site = shared_site();
  const std::string disk = site.dir.file("signed.raw", std::string(300'000, 's'));
  const auto path = [&](const char* name) { return (site.dir.path() / name).string(); };
  REQUIRE(run_program({"/usr/bin/openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
                       "30", "-subj", "/CN=signer", "-keyout", path("key.pem"), "-out",
                       path("cert.pem")})
              .code == 0);
  const std::string id =
      site.ask({"certificate", "add", "signer", "--file", path("cert.pem")})["id"];
  // A key that no file takes is no key: the pair is gone again.
  const Ran full = run_program({"/bin/sh", "-c",
                                "trap '' XFSZ; ulimit -f 0; exec \"$0\" keypair create lost "
                                "--private-key \"$1\" 2>&1",
                                CLOUDOS_PROGRAM, path("id4")},
                               site.server.client_variables());
  CHECK(full.code == 1);
  CHECK(full.out.find("cannot be written") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(path("id4")));
  const std::string with = " --sign-key-path " + path("key.pem") + " --sign-cert-id ";
  walk(site,
       {
           {"image create whole --file " + disk + with + id + " -f value -c status", 0, "active"},
           {"image show whole -f value -c img_signature_key_type", 0, "RSA-PSS"},
           {"image create bare --sign-cert-id " + id, 1, "--sign-key-path"},
           {"image create bare" + with + id, 1, "--file"},
           {"image create bare --import", 1, "--file"},
           {"image create bare --file " + disk + " --sign-cert-id x --sign-key-path " + disk, 1,
            "no private RSA key"},
           {"image create bare --file " + disk + with + "01a20691-0000-7065-bd3e-af36480e5f80", 1,
            "certificate"},
           {"image show bare", 4, "bare"},
           {"image create bare --protected --file " + disk + with +
                "01a20691-0000-7065-bd3e-af36480e5f80",
            1, "certificate"},
           {"image show bare", 4, "bare"},
           {"image create fetched --import --wait --file " + disk + " -f value -c status", 0,
            "active"},
           {"image set whole --os-distro debian --architecture x86_64", 0, ""},
           {"image show whole -f value -c os_distro", 0, "debian"},
           {"image delete whole fetched", 0, ""},
           {"certificate delete signer", 0, ""},
           {"keypair create --private-key " + path("id") + " mine", 0, "public_key", "PRIVATE"},
           {"keypair create --private-key " + path("id") + " another", 1, "is there already"},
           {"keypair show another", 4, ""},
           {"keypair create mine --private-key " + path("id2"), 1, "mine"},
           {"keypair create x --public-key " + path("id") + " --private-key " + path("id3"), 1,
            "--public-key"},
           {"keypair show mine --public-key", 0, "ssh-rsa ", "Field"},
           {"keypair list -f value -c Name", 0, "mine", "lost"},
           {"keypair list --project admin -f value -c Name", 0, "mine"},
           {"keypair delete mine", 0, ""},
       });
  CHECK(text_of(path("id")).find("PRIVATE KEY") != std::string::npos);
  CHECK((std::filesystem::status(path("id")).permissions() & std::filesystem::perms::all) ==
        (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  // What came to nothing leaves no file.
  CHECK_FALSE(std::filesystem::exists(path("id2")));
  CHECK_FALSE(std::filesystem::exists(path("id3")));
}

TEST_CASE("addresses lead to servers by their names, and rules of QoS are of any type") {
  Site& site = shared_site();
  const std::string disk = site.dir.file("floats.raw", std::string(4096, 'f'));
  walk(site,
       {
           {"network create fout --external", 0, "fout"},
           {"subnet create fouts --network fout --subnet-range 198.51.100.0/24", 0, ""},
           {"network create fin", 0, "fin"},
           {"subnet create fins --network fin --subnet-range 10.8.0.0/24", 0, ""},
           {"router create fr --external-gateway fout --fixed-ip "
            "subnet=fouts,ip-address=198.51.100.99",
            0, "198.51.100.99"},
           {"router add subnet fr fins", 0, ""},
           {"image create fim --file " + disk, 0, "active"},
           {"flavor create ff --ram 64 --disk 1 --vcpus 1 --private --property a=b "
            "--project admin",
            0, "ff"},
           {"call flavors.list_extra_specs id=ff", 4, ""},
           {"server create fs --image fim --flavor ff --network fin --wait", 0, "ACTIVE"},
           {"floating ip create fout --floating-ip-address 198.51.100.7", 0, "198.51.100.7"},
           {"server add floating ip fs 198.51.100.7", 0, ""},
           {"server show fs -f value -c addresses", 0, "198.51.100.7"},
           {"server remove floating ip fs 198.51.100.7", 0, ""},
           {"server remove floating ip fs 198.51.100.7", 4, "does not lead"},
           {"server add floating ip fs 198.51.100.7 --fixed-ip-address 10.8.0.250", 1, ""},
           {"port list --router fr -f value -c ID", 0, "-"},
           {"network qos policy create fq", 0, "fq"},
           {"network qos rule create fq --type nothing", 1, "no type of rule"},
           {"network qos rule create fq --type dscp-marking --dscp-mark 26", 0, "26"},
           {"network qos rule create fq --type bandwidth-limit --max-kbps 9 --ingress", 0,
            "ingress"},
       });
  const json rules = site.ask({"network", "qos", "rule", "list", "fq"});
  REQUIRE(rules.size() == 2);
  for (const json& rule : rules) {
    const std::string id = rule["ID"];
    const bool mark = rule["Type"] == "dscp_marking";
    walk(site,
         {{"network qos rule set fq " + id + (mark ? " --dscp-mark 28" : " --max-kbps 11"), 0, ""},
          {"network qos rule show fq " + id + " -f json", 0, mark ? "28" : "11"},
          {"network qos rule delete fq " + id, 0, ""},
          {"network qos rule delete fq " + id, 4, "has no rule"}});
  }
  walk(site, {{"network qos policy delete fq", 0, ""},
              {"server delete fs --wait", 0, ""},
              {"floating ip unset --port 198.51.100.7", 0, ""},
              {"floating ip delete 198.51.100.7", 0, ""},
              {"router unset fr --external-gateway", 0, ""},
              {"router remove subnet fr fins", 0, ""},
              {"router delete fr", 0, ""},
              {"network delete fin fout", 0, ""},
              {"flavor delete ff", 0, ""},
              {"image delete fim", 0, ""}});
}

TEST_CASE("versions, extensions, zones and quotas are listed for the services that are asked for") {
  walk(shared_site(),
       {
           {"versions show -f value -c 'Service Type' -c Version", 0, "compute 2.1"},
           {"versions show --service compute -f value -c 'Max Microversion'", 0, "2.19"},
           {"versions show --status SUPPORTED -f value -c Version", 0, "2.16", "2.19"},
           {"versions show --service volume -f value", 0, ""},
           {"extension list --compute -f value -c Alias", 0, "os-hosts", "port-security"},
           {"extension list --network -f value -c Alias", 0, "port-security", "os-hosts"},
           {"extension list --network --compute -f value -c Alias", 0, "os-hosts"},
           {"extension show port-security -f value -c alias", 0, "port-security"},
           {"extension show os-hosts", 4, "os-hosts"},
           {"extension show os-hosts --compute -f value -c alias", 0, "os-hosts"},
           {"availability zone list -f value", 0, "nova available\nnova available\nnova available"},
           {"availability zone list --compute -f value", 0, "nova available\n",
            "nova available\nnova"},
           {"availability zone list --network --long", 0, "router"},
           {"quota list", 2, "--compute"},
           {"project create counted", 0, "counted"},
           {"quota list --compute -f value -c Cores", 0, "", "17"},
           {"quota set counted --cores 17 --routers 3 --floating-ips 4", 0, ""},
           {"quota list --compute -f value -c Cores", 0, "17"},
           {"quota list --network -f value -c Routers -c 'Floating IPs'", 0, "3 4"},
           {"quota delete counted", 0, ""},
           {"quota list --compute -f value -c Cores", 0, "", "17"},
           {"user create counter --password x", 0, "counter"},
           {"user list --project counted -f value -c Name", 0, "", "counter"},
           {"role add --project counted --user counter reader", 0, ""},
           {"user list --project counted -f value -c Name", 0, "counter"},
           {"role assignment list --auth-user --auth-project --names -f value", 0, "admin@Default",
            "counter"},
           {"user delete counter", 0, ""},
           {"project delete counted", 0, ""},
           {"network agent list --network nowhere", 4, "nowhere"},
           {"trust create --help", 0, "--trustor-domain"},
       });
}

TEST_CASE("whether a network that leads out could be made is asked before it is made") {
  walk(shared_site(),
       {
           {"network auto allocated topology create --check-resources", 1, "external"},
           {"subnet pool create --default --pool-prefix 10.64.0.0/16 --default-prefix-length 26 tp",
            0, "tp"},
           {"network create --external --default tout", 0, "tout"},
           {"subnet create --network tout --subnet-range 192.0.2.0/24 tsub", 0, "tsub"},
           {"network auto allocated topology create --check-resources -f value", 0, "pass"},
           {"network list -f value -c Name", 0, "tout", "auto_allocated"},
           {"network auto allocated topology create --or-show", 0, "", "pass"},
           {"network list -f value -c Name", 0, "auto_allocated"},
           {"network auto allocated topology delete", 0, ""},
           {"network delete tout", 0, ""},
           {"subnet pool delete tp", 0, ""},
       });
}

TEST_CASE("a cloud that answers in shapes of its own gets an error, and no end of the program") {
  const cloudos::Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&at), size) == 0);
  REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&at), &size) == 0);
  REQUIRE(::listen(listener.get(), 4) == 0);
  const std::string root = "http://127.0.0.1:" + std::to_string(ntohs(at.sin_port));
  const json endpoint = {{"interface", "public"}, {"url", root + "/compute/v2.1"}};
  const json compute = {{"type", "compute"}, {"endpoints", {endpoint}}};
  const std::string body =
      json{{"token", {{"expires_at", "2999-01-01T00:00:00Z"}, {"catalog", {compute}}}},
           {"servers", {{{"id", "s"}, {"addresses", {{"net", {{{"addr", nullptr}}}}}}}}}}
          .dump();
  const std::string reply =
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Subject-Token: t\r\n"
      "Connection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  std::thread strange([&] {
    while (true) {
      const cloudos::Fd asking(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!asking.valid()) return;
      char some[4096];
      if (::recv(asking.get(), some, sizeof some, 0) > 0)
        (void)::send(asking.get(), reply.data(), reply.size(), MSG_NOSIGNAL);
      ::shutdown(asking.get(), SHUT_WR);
      while (::recv(asking.get(), some, sizeof some, 0) > 0) continue;
    }
  });
  const TempDir dir;
  const Ran ran = run_program(
      {CLOUDOS_PROGRAM, "server", "list"},
      {{"OS_AUTH_URL", root + "/identity/v3"},
       {"OS_USERNAME", "admin"},
       {"OS_PASSWORD", "secret"},
       {"OS_PROJECT_NAME", "admin"},
       {"OS_USER_DOMAIN_ID", "default"},
       {"OS_PROJECT_DOMAIN_ID", "default"},
       {"XDG_CACHE_HOME", dir.path().string()}});
  ::shutdown(listener.get(), SHUT_RDWR);
  strange.join();
  CAPTURE(ran.err);
  CHECK(ran.code == 1);
  CHECK(ran.err.find("not what it should be") != std::string::npos);
}
