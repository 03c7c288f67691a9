#include <algorithm>
#include <fstream>

#include "site.hpp"

using namespace program_test;
using cli_test::shared_site;
using cli_test::Site;
using cli_test::walk;
using nlohmann::json;

TEST_CASE("options of a domain, consumers, and credentials of programs by their names") {
  walk(shared_site(),
       {
           {"domain create options", 0, "options"},
           {"domain config show options", 4, "configuration"},
           {"domain config set options --identity list_limit=9 --ldap use_tls=true", 0, ""},
           {"domain config show options -f json", 0, "\"list_limit\": 9"},
           {"domain config set options --ldap colour=red", 1, "colour"},
           {"domain config unset options identity list_limit", 0, ""},
           {"domain config show options -f json", 0, "use_tls", "list_limit"},
           {"domain config group delete options ldap", 0, ""},
           {"domain config create options --ldap url=ldap://x/ --ldap password=hush", 0, ""},
           {"domain config show options", 0, "ldap://x/", "hush"},
           {"domain config delete options", 0, ""},
           {"domain config default show", 0, "inetOrgPerson"},
           {"consumer create --description printer", 0, "secret"},
           {"consumer list", 0, "printer", "secret"},
           {"application credential create robot --role reader", 0, "robot"},
           {"application credential show robot -f value -c name", 0, "robot"},
           {"application credential delete robot", 0, ""},
           {"application credential show robot", 4, "robot"},
       });
}

TEST_CASE("who may do what: users, groups, roles and where they have them") {
  walk(shared_site(),
       {
           {"project create p1 --description first --tag a", 0, "first"},
           {"project set p1 --tag b --name p2", 0, ""},
           {"project show p2 -f json", 0, "\"b\""},
           {"project set p2 --remove-tag a", 0, ""},
           {"project show p2 -c tags -f value", 0, "b", "a"},
           {"project set p2 --clear-tags --disable", 0, ""},
           {"project show p2 -c enabled -f value", 0, "false"},
           {"project set p2 --enable", 0, ""},
           {"project list --name p2 -f value -c Name", 0, "p2", "admin"},
           {"project list --my-projects -f value -c Name", 0, "admin", "p2"},
           {"project list --limit 1 -f json", 0, "ID"},
           {"user create u1 --password 'a secret' --email u@x --project p2", 0, "u1"},
           {"user set u1 --description 'who else'", 0, ""},
           {"user show u1 -f value -c description", 0, "who else"},
           {"group create g1", 0, "g1"},
           {"group add user g1 u1", 0, ""},
           {"group contains user g1 u1", 0, ""},
           {"user list --group g1 -f value -c Name", 0, "u1", "admin"},
           {"group list --user u1 -f value -c Name", 0, "g1"},
           {"role add --project p2 --user u1 member", 0, ""},
           {"role add --project p2 --group g1 reader", 0, ""},
           {"role assignment list --names --project p2", 0, "u1@Default"},
           {"role assignment list --names --project p2 --user u1 -f value -c Role", 0, "member",
            "reader"},
           {"project list --user u1 -f value -c Name", 0, "p2"},
           {"role remove --project p2 --user u1 member", 0, ""},
           {"role remove --project p2 --user u1 member", 4, ""},
           {"role add --user u1 member", 2, "--project"},
           {"role assignment list --names --user u1 -f value", 0, "", "member"},
           {"implied role list", 0, "Implied Role Name"},
           {"role create r1", 0, "r1"},
           {"implied role create r1 --implied-role reader", 0, ""},
           {"implied role list -f value", 0, "r1"},
           {"implied role delete r1 --implied-role reader", 0, ""},
           {"role delete r1", 0, ""},
           {"group remove user g1 u1", 0, ""},
           {"group contains user g1 u1", 4, ""},
           {"group delete g1", 0, ""},
           {"user delete u1", 0, ""},
           {"project delete p2", 0, ""},
           {"project show p2", 4, "cloudos project list"},
           {"catalog list", 0, "public: http://"},
           {"service list -f value -c Type --sort Type", 0, "compute\nidentity\nimage\nnetwork"},
           {"endpoint list --service compute -f value -c 'Service Type'", 0, "compute", "image"},
       });
}

TEST_CASE("names that domains share are told apart by the option that names the domain") {
  walk(shared_site(),
       {
           {"domain create east", 0, "east"},
           {"domain create west", 0, "west"},
           {"project create --domain east twin --description 'of the east'", 0, "twin"},
           {"project create --domain west twin --description 'of the west'", 0, "twin"},
           {"user create --domain east twin --password 'a secret'", 0, "twin"},
           {"user create --domain west twin --password 'a secret'", 0, "twin"},
           {"group create --domain east twin", 0, "twin"},
           {"group create --domain west twin", 0, "twin"},
           {"role create --domain west twin", 0, "twin"},
           {"project create --domain east twin", 1, "twin"},
           {"project create --domain east twin --or-show -f value -c description", 0, "of the east"},
           {"user create --domain west twin --password 'another one' --or-show", 0, "twin"},
           {"group create new --or-show", 0, "new"},
           {"group create new --or-show", 0, "new"},
           {"group delete new", 0, ""},
           {"role create member --or-show -f value -c name", 0, "member"},
           {"project show twin", 1, "use one of their ids"},
           {"catalog show identity", 0, "/identity"},
           {"catalog show image -f json", 0, "\"image\""},
           {"catalog show nothing", 4, "catalog list"},
           {"project show --domain west twin -f value -c description", 0, "of the west"},
           {"project set --domain east twin --description 'of the far east'", 0, ""},
           {"project show --domain east twin -f value -c description", 0, "of the far east"},
           {"project show --domain nowhere twin", 4, "nowhere"},
           {"project show --domain east admin", 4, "admin"},
           {"group add user --group-domain east --user-domain east twin twin", 0, ""},
           {"group contains user --group-domain east --user-domain east twin twin", 0, ""},
           {"group contains user --group-domain west --user-domain west twin twin", 4, ""},
           {"role add --project twin --project-domain west --user twin --user-domain west member",
            0, ""},
           {"role add --project twin --project-domain west --user twin --user-domain west twin "
            "--role-domain west",
            0, ""},
           {"role assignment list --names --user twin --user-domain west", 0, "twin@west"},
           {"role assignment list --names --user twin --user-domain east -f value", 0, "", "twin"},
           {"user delete --domain west twin", 0, ""},
           {"user show twin -f value -c name", 0, "twin"},
           {"user delete --domain east twin", 0, ""},
           {"project delete --domain east twin", 0, ""},
           {"project delete --domain west twin", 0, ""},
           {"domain set east --disable", 0, ""},
           {"domain set west --disable", 0, ""},
           {"domain delete east west", 0, ""},
       });
}

TEST_CASE("images are changed, shared, switched off, saved and stripped") {
  Site& site = shared_site();
  const std::string disk = site.dir.file("disk.raw", std::string(70'000, 'i'));
  const std::string copy = (site.dir.path() / "copy.raw").string();
  walk(site, {
                 {"image create i1 --file " + disk + " --tag a --property os=none", 0, "active"},
                 {"image set i1 --name i2 --tag b --property os=linux --min-ram 64", 0, ""},
                 {"image show i2 -f value -c os -c min_ram", 0, "linux\n64"},
                 {"image show i2 -f value -c tags", 0, "a, b"},
                 {"image unset i2 --tag a --property os", 0, ""},
                 {"image show i2 -f json", 0, "\"b\"", "\"os\""},
                 {"image unset i2", 2, "--property"},
                 {"image save i2 --file " + copy, 0, ""},
                 {"image save i2 --file /no/such/folder/x", 1, "/no/such/folder/x"},
                 {"image set i2 --deactivate", 0, ""},
                 {"image show i2 -f value -c status", 0, "deactivated"},
                 {"image set i2 --activate", 0, ""},
                 {"image list --name i2 --long -f value -c Status", 0, "active"},
                 {"image list --property os=linux -f value", 0, "", "i2"},
                 {"project create taker", 0, "taker"},
                 {"image set i2 --shared", 0, ""},
                 {"image add project i2 taker", 0, "pending"},
                 {"image set i2 --membership taker --accept", 0, ""},
                 {"image member list i2 -f value", 0, "accepted"},
                 {"image remove project i2 taker", 0, ""},
                 {"image member list i2 -f value", 0, "", "accepted"},
                 {"project delete taker", 0, ""},
                 {"image set i2 --protected", 0, ""},
                 {"image delete i2", 1, ""},
                 {"image set i2 --unprotected", 0, ""},
                 {"image delete i2", 0, ""},
             });
  CHECK(std::filesystem::file_size(copy) == 70'000);
  CHECK(text_of(copy) == text_of(disk));
}

TEST_CASE("parts of networks, subnets and ports are added and taken away") {
  walk(shared_site(),
       {
           {"network create n1 --mtu 1400", 0, "1400"},
           {"network set n1 --name n2 --mtu 1300 --disable", 0, ""},
           {"network show n2 -f value -c mtu -c admin_state_up", 0, "1300\nfalse"},
           {"network set n2 --enable", 0, ""},
           {"network list --long -f value -c Name -c State", 0, "n2 UP"},
           {"network list --name n2 -f json", 0, "n2"},
           {"subnet create s1 --network n2 --subnet-range 10.9.0.0/24", 0, "10.9.0.0/24"},
           {"subnet set s1 --dns-nameserver 10.9.0.3 --dns-nameserver 10.9.0.4", 0, ""},
           {"subnet set s1 --host-route destination=10.8.0.0/24,gateway=10.9.0.9", 0, ""},
           {"subnet show s1 -f json", 0, "\"nexthop\": \"10.9.0.9\""},
           {"subnet unset s1 --dns-nameserver 10.9.0.3", 0, ""},
           {"subnet show s1 -f value -c dns_nameservers", 0, "10.9.0.4", "10.9.0.3"},
           {"subnet unset s1 --dns-nameserver 10.9.0.3", 4, "--dns-nameserver"},
           {"subnet set s1 --no-dns-nameservers --dns-nameserver 10.9.0.5", 0, ""},
           {"subnet show s1 -f value -c dns_nameservers", 0, "10.9.0.5", "10.9.0.4"},
           {"subnet list --network n2 -f value -c Subnet", 0, "10.9.0.0/24"},
           {"security group create g1", 0, "g1"},
           {"security group create g2", 0, "g2"},
           {"security group set g2 --description changed", 0, ""},
           {"security group list -f value", 0, "changed"},
           {"security group rule create g1 --protocol tcp --dst-port 22", 0, "ingress"},
           {"security group rule create g1 --protocol icmp --icmp-type 8", 0, "icmp"},
           {"security group rule list g1 -f value -c 'Port Range' --protocol tcp", 0, "22:22"},
           {"security group rule list g1 --ingress --egress", 0, ""},
           {"port create p1 --network n2 --fixed-ip subnet=s1,ip-address=10.9.0.20 "
            "--security-group g1",
            0, "10.9.0.20"},
           {"port set p1 --fixed-ip ip-address=10.9.0.21,subnet=s1 --security-group g2", 0, ""},
           {"port show p1 -f json", 0, "10.9.0.21"},
           {"port list --network n2 -f value", 0, "ip_address='10.9.0.20'"},
           {"port unset p1 --fixed-ip ip-address=10.9.0.20 --security-group g1", 0, ""},
           {"port show p1 -f json", 0, "10.9.0.21", "10.9.0.20"},
           {"port set p1 --no-security-group --description bare", 0, ""},
           {"port show p1 -f value -c description -c security_groups", 0, "bare\n\n"},
           {"port list --fixed-ip ip_address=10.9.0.21 -f value -c Name", 0, "p1"},
           {"port list --status DOWN --limit 5 -f value -c Name", 0, "p1"},
           {"port delete p1", 0, ""},
           {"security group delete g1 g2", 0, ""},
           {"subnet delete s1", 0, ""},
           {"network delete n2 n2", 4, "No network"},
           {"extension list -f value -c Alias", 0, "port-security"},
       });
}

TEST_CASE("a network is made of several segments") {
  walk(shared_site(),
       {
           {"network create twofold --segment network-type=vxlan,segmentation-id=71 "
            "--segment network-type=vxlan,segmentation-id=72",
            0, "72"},
           {"network segment list --network twofold -f json", 0, "71"},
           {"network show twofold -c l2_adjacency -f value", 0, "true"},
           {"network create wrong --segment type=vxlan", 1, "provider:network_type"},
           {"network delete twofold", 0, ""},
       });
}

TEST_CASE("a trunk takes sub-ports by their names, and gives them back") {
  walk(shared_site(),
       {
           {"network create trunked", 0, "trunked"},
           {"port create parent --network trunked", 0, "parent"},
           {"port create child --network trunked", 0, "child"},
           {"network trunk create bundle --parent-port parent", 0, "bundle"},
           {"network trunk set bundle --subport port=child,segmentation-type=vlan", 1,
            "segmentation_id"},
           {"network trunk set bundle "
            "--subport port=child,segmentation-type=vlan,segmentation-id=17",
            0, ""},
           {"network subport list --trunk bundle -f json", 0, "17"},
           {"network trunk unset bundle --subport nobody", 4, "nobody"},
           {"network trunk unset bundle --subport child", 0, ""},
           {"network subport list --trunk bundle -f json", 0, "[]"},
           {"network trunk delete bundle", 0, ""},
           {"port delete child", 0, ""},
           {"port delete parent", 0, ""},
           {"network delete trunked", 0, ""},
       });
}

TEST_CASE("routers lead outside by the name of a network, and floating addresses have limits") {
  walk(shared_site(),
       {
           {"network create out --external", 0, "out"},
           {"subnet create outs --network out --subnet-range 192.0.2.0/24", 0, "192.0.2.0/24"},
           {"router create r1 --external-gateway out --disable-snat", 0, "\"enable_snat\":false"},
           {"router set r1 --no-external-gateway", 0, ""},
           {"router show r1 -f json", 0, "\"external_gateway_info\": null"},
           {"router set r1 --external-gateway out", 0, ""},
           {"router show r1 -f value -c external_gateway_info", 0, "\"enable_snat\":true"},
           {"router set r1 --external-gateway nowhere", 4, "nowhere"},
           {"network qos policy create q1", 0, "q1"},
           {"network qos rule create q1 --type minimum-bandwidth --min-kbps 5 --egress", 0,
            "egress"},
           {"floating ip create out --qos-policy q1", 1, "minimum_bandwidth"},
           {"network qos rule list q1 -f value -c Type -c 'Min Kbps'", 0, "minimum_bandwidth 5"},
           {"network qos policy delete q1", 0, ""},
           {"router delete r1", 0, ""},
           {"network delete out", 0, ""},
       });
}

TEST_CASE("servers are run, changed and watched; flavors, quotas and hosts are kept") {
  Site& site = shared_site();
  const std::string disk = site.dir.file("boot.raw", std::string(4096, 'b'));
  walk(site, {
                 {"image create im --file " + disk, 0, "active"},
                 {"flavor create f1 --ram 64 --disk 1 --vcpus 1 --private", 0, "f1"},
                 {"flavor set f1 --property a=1 --property b=2 --project admin", 0, ""},
                 {"call flavors.list_extra_specs id=f1", 4, ""},
                 {"flavor unset f1 --property a", 0, ""},
                 {"flavor unset f1 --property a", 4, ""},
                 {"flavor list --private -f value -c Name", 0, "f1"},
                 {"flavor list --all --min-ram 100 -f value -c Name", 0, "", "f1"},
                 {"server create s1 --flavor f1 --image im --property k=v --wait", 0, "ACTIVE"},
                 {"server create s2 --flavor f1 --image im --wait --description two", 0, "two"},
                 {"server list --sort Name -f value -c Name -c Status -c Image -c Flavor", 0,
                  "s1 ACTIVE im f1\ns2 ACTIVE im f1\n"},
                 {"server list --sort Name:desc --limit 1 -f value -c Name", 0, "s2", "s1"},
                 {"server list -n -f value -c Image -c Flavor", 0, "-", "im f1"},
                 {"server list --name s1 --all-projects --long", 0, "Power State", "s2"},
                 {"server list --flavor f1 --status ACTIVE -f csv -c Name", 0, "\"Name\"\n\"s"},
                 {"server set s1 --name s3 --property k=w --property x=y", 0, ""},
                 {"server show s3 -f json", 0, "\"k\": \"w\""},
                 {"server unset s3 --property k --property x", 0, ""},
                 {"server show s3 -f json -c metadata", 0, "\"metadata\": {}"},
                 {"server lock s2", 0, ""},
                 {"server unlock s2", 0, ""},
                                  {"server set s2 --state error", 0, ""},
                 {"server show s2 -f value -c status", 0, "ERROR"},
                 {"server set s2 --state active", 0, ""},
                 {"console log show s3", 0, ""},
                 {"console log show s3 --lines 1", 0, ""},
                 {"server reboot --hard s2 --wait", 0, ""},
                 {"server show s2 -f value -c status", 0, "ACTIVE"},
                 {"server stop s2 --wait", 0, ""},
                 {"server show s2 -f value -c status", 0, "SHUTOFF"},
                 {"server start s2 --wait", 0, ""},
                 {"server show s2 -f value -c status", 0, "ACTIVE"},
                 {"server list --sort-column Name --sort-descending -f value -c Name", 0, "s3\ns2\n"},
                 {"server list --sort-column Status --sort-column Name -f value -c Name", 0,
                  "s2\ns3\n"},
                 {"server stop s3", 0, ""},
                 {"server delete s2 s3 --wait", 0, ""},
                 {"server list -f value", 0, "", "s3"},
                 {"flavor delete f1", 0, ""},
                 {"image delete im", 0, ""},
                 {"quota show -f value", 0, "cores"},
                 {"quota set admin --cores 7 --networks 9", 0, ""},
                 {"quota show admin -f value", 0, "cores 7"},
                 {"quota show admin -f value", 0, "network 9"},
                 {"quota show admin --usage", 0, "In Use"},
                 {"quota show admin --default -f value", 0, "cores", "cores 7"},
                 {"quota delete admin", 0, ""},
                 {"quota show admin -f value", 0, "", "cores 7"},
                 {"quota set admin", 2, "--cores"},
                 {"limits show --absolute -f value", 0, "maxTotalCores"},
                 {"hypervisor list", 0, "Hypervisor Hostname"},
                 {"hypervisor stats show", 0, "vcpus"},
                 {"hypervisor show 1 -f value -c state", 0, "up"},
                 {"compute service list", 0, "nova-compute"},
                 {"availability zone list", 0, "available"},
                 {"host list -f value -c Service", 0, "compute"},
                 {"aggregate list", 0, ""},
             });
  const json host = site.ask({"host", "list"})[0];
  const std::string name = host["Host Name"];
  walk(site,
       {
           {"host show " + name, 0, "(total)"},
           {"compute service set " + name + " nova-compute --disable-reason 'new disk'", 0, ""},
           {"compute service list --long -f value -c Status -c 'Disabled Reason'", 0,
            "disabled new disk"},
           {"compute service set " + name + " nova-compute --enable", 0, ""},
           {"compute service list -f value -c Status", 0, "enabled"},
       });
}

TEST_CASE("tasks are listed by what they do, shown, and only stuck ones are retried") {
  Site& site = shared_site();
  const std::string disk = site.dir.file("task.raw", std::string(4096, 't'));
  walk(site, {
                 {"image create it --file " + disk, 0, "active"},
                 {"flavor create ft --ram 64 --disk 1 --vcpus 1", 0, "ft"},
                 {"server create st --flavor ft --image it --wait", 0, "ACTIVE"},
             });
  const json tasks = site.ask({"task", "list", "--type", "create-server", "--state", "done"});
  REQUIRE(!tasks.empty());
  const std::string id = tasks[0]["ID"];
  CHECK(tasks[0]["State"] == "done");
  CHECK(site.ask({"task", "list", "--limit", "1"}).size() == 1);
  CHECK(site.ask({"task", "list", "--resource", tasks[0]["Resource"]}).size() >= 1);
  walk(site, {
                 {"task show " + id + " -f value -c type", 0, "create-server"},
                 {"task retry " + id, 1, "not stuck"},
                 {"task unwind " + id, 1, "cannot be unwound"},
                 {"task show nothing", 4, "cloudos task list"},
                 {"task list --state asleep", 1, "there are: queued"},
                 {"task list --open -f value -c ID", 0, "", id},
                 {"server delete st --wait", 0, ""},
                 {"flavor delete ft", 0, ""},
                 {"image delete it", 0, ""},
             });
}

TEST_CASE("any verb can be called by its name") {
  walk(shared_site(),
       {
           {"call networks.create name=called", 0, "\"called\""},
           {"call networks.list name=called", 0, "\"called\""},
           {"call networks.list '{\"name\": \"another\"}'", 0, "[]"},
           {"call networks.crate name=x", 1, "networks.create"},
           {"call networks.list name", 1, "NAME=VALUE"},
           {"network delete called", 0, ""},
           {"verb list servers.st -f value -c Verb", 0, "servers.start\nservers.stop"},
           {"complete-names images", 0, ""},
           {"help server", 0, "server create"},
           {"server create --help", 0, "--flavor NAME_OR_ID"},
           {"--help", 0, "Exit codes"},
           {"server --help", 0, "server list"},
       });
}

TEST_CASE("a login is used again, dropped when it is refused, and not kept when told so") {
  Site& site = shared_site();
  namespace fs = std::filesystem;
  TempDir dir;
  auto variables = site.server.client_variables();
  variables["XDG_CACHE_HOME"] = dir.path().string();
  const auto run = [&](std::vector<std::string> words) {
    words.insert(words.begin(), CLOUDOS_PROGRAM);
    return run_program(words, variables);
  };
  const auto token = [&] {
    const Ran ran = run({"token", "issue", "-f", "value", "-c", "id"});
    CHECK(ran.code == 0);
    return ran.out;
  };
  CHECK(run({"--no-cache", "project", "list"}).code == 0);
  CHECK_FALSE(fs::exists(dir.path() / "cloudos"));
  const std::string first = token();
  CHECK(token() == first);
  CHECK(run({"token", "issue", "--no-cache", "-f", "value", "-c", "id"}).out != first);
  CHECK(token() == first);
  // Revoked behind its back: the next command logs in again, and says nothing of it.
  const std::string text = first.substr(0, first.find('\n'));
  CHECK(run({"token", "revoke", "--no-cache", text}).code == 0);
  const Ran list = run({"project", "list"});
  CHECK(list.code == 0);
  CHECK(list.err.empty());
  CHECK(token() != first);
}

TEST_CASE("one logs in by an application credential, by a token, to a domain or to the whole cloud") {
  Site& site = shared_site();
  TempDir dir;
  const std::string url = fmt::format("http://127.0.0.1:{}/v3", site.server.port);
  const std::string cache = (dir.path() / "cache").string();
  const auto run = [&](Variables variables, const std::string& line) {
    variables.emplace("OS_AUTH_URL", url);
    variables.emplace("XDG_CACHE_HOME", cache);
    std::vector<std::string> words = {CLOUDOS_PROGRAM};
    for (const auto& word : Site::words_of(line)) words.push_back(word);
    return run_program(words, variables);
  };
  const json made = site.ask({"application", "credential", "create", "door"});
  const std::string id = made["id"].get<std::string>(), secret = made["secret"].get<std::string>();
  std::string password = text_of(site.server.data_dir() / "keys/admin-password");
  password.resize(password.find('\n'));
  const std::string token = site.ask({"token", "issue"})["id"].get<std::string>();
  const std::string file = dir.file(
      "clouds.yaml", "clouds:\n  robots:\n    auth_type: v3applicationcredential\n    auth:\n"
                     "      auth_url: " + url + "\n      application_credential_id: " + id +
                     "\n      application_credential_secret: " + secret + "\n");
  const Variables credential = {{"OS_APPLICATION_CREDENTIAL_ID", id},
                                {"OS_APPLICATION_CREDENTIAL_SECRET", secret}};
  const Variables admin = {{"OS_USERNAME", "admin"}, {"OS_PASSWORD", password}};
  Variables in_project = admin, in_domain = admin, named = admin;
  in_project["OS_PROJECT_NAME"] = "admin";
  in_domain["OS_DOMAIN_NAME"] = "Default";
  named["OS_APPLICATION_CREDENTIAL_NAME"] = "door";
  named["OS_APPLICATION_CREDENTIAL_SECRET"] = secret;
  struct Row {
    std::string what;
    Variables variables;
    std::string line;
    int code;
    std::string says;
  };
  const Row rows[] = {
      {"credential", credential, "token issue -f value -c project_id", 0, ""},
      {"again, by the token that was kept", credential, "network list", 0, ""},
      {"credential by name", named, "network list", 0, ""},
      {"credential of a file", {{"OS_CLIENT_CONFIG_FILE", file}, {"OS_CLOUD", "robots"}},
       "network list", 0, ""},
      {"another project", credential, "--os-project-name admin network list", 3, "its project alone"},
      {"wrong secret",
       {{"OS_APPLICATION_CREDENTIAL_ID", id}, {"OS_APPLICATION_CREDENTIAL_SECRET", "x"}},
       "network list", 3, "refused the application credential"},
      {"a secret alone", {{"OS_APPLICATION_CREDENTIAL_SECRET", secret}}, "network list", 3,
       "OS_APPLICATION_CREDENTIAL_ID"},
      {"token", {{"OS_TOKEN", token}, {"OS_PROJECT_NAME", "admin"}}, "network list", 0, ""},
      {"token that is none", {{"OS_TOKEN", "x"}}, "project list", 3, "log in again"},
      {"whole cloud", admin, "--os-system-scope all user list -f value -c Name", 0, "admin"},
      {"whole cloud, not its project", in_project,
       "--os-system-scope all token issue -f value -c system", 0, "all"},
      {"a part of the cloud", admin, "--os-system-scope some user list", 3, "is 'all'"},
      {"domain", in_domain, "project list --domain default -f value -c Name", 0, "admin"},
      {"no brackets", {{"OS_AUTH_URL", "http://::1:5000"}, {"OS_TOKEN", "x"}}, "project list", 3,
       "brackets"},
      {"no web address", {{"OS_AUTH_URL", "ftp://x"}, {"OS_TOKEN", "x"}}, "project list", 3,
       "auth_url of the environment (OS_*) is an http:// or https:// URL"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Ran ran = run(row.variables, row.line);
    CAPTURE(ran.out);
    CAPTURE(ran.err);
    CHECK(ran.code == row.code);
    CHECK((row.code == 0 ? ran.out : ran.err).find(row.says) != std::string::npos);
  }
  const Ran missing = run_program({CLOUDOS_PROGRAM, "project", "list"},
                                  {{"OS_CLIENT_CONFIG_FILE", "/no/clouds.yaml"}});
  CHECK(missing.code == 3);
  CHECK(missing.err.find("/no/clouds.yaml is not there") != std::string::npos);
  // Neither a secret nor another's token is in what was kept.
  for (const auto& entry : std::filesystem::recursive_directory_iterator(cache))
    if (entry.is_regular_file()) CHECK(text_of(entry.path()).find(secret) == std::string::npos);
  CHECK(site.cloudos({"application", "credential", "delete", "door"}).code == 0);
}
