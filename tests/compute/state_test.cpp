#include "compute/ssh_key.hpp"
#include "compute/state.hpp"
#include "world.hpp"

using namespace cloudos;

TEST_CASE("the status clients see follows vm_state and task_state") {
  struct Row { VmState vm; ServerTask task; const char* status; };
  const Row rows[] = {
      {VmState::Building, ServerTask::Scheduling, "BUILD"},
      {VmState::Building, ServerTask::None, "BUILD"},
      {VmState::Active, ServerTask::None, "ACTIVE"},
      {VmState::Active, ServerTask::PoweringOff, "ACTIVE"},
      {VmState::Active, ServerTask::Rebooting, "REBOOT"},
      {VmState::Active, ServerTask::RebootingHard, "HARD_REBOOT"},
      {VmState::Active, ServerTask::Deleting, "ACTIVE"},
      {VmState::Stopped, ServerTask::None, "SHUTOFF"},
      {VmState::Stopped, ServerTask::RebootingHard, "SHUTOFF"},
      {VmState::Error, ServerTask::None, "ERROR"},
      {VmState::Error, ServerTask::RebootingHard, "ERROR"},
  };
  for (const Row& row : rows) {
    CAPTURE(to_string(row.vm));
    CAPTURE(to_string(row.task));
    CHECK(server_status(row.vm, row.task) == row.status);
  }
}

TEST_CASE("actions are allowed in the states the table names and in no other") {
  using compute::Action;
  struct Row { std::string what; Action action; std::string vm_states; std::string task_states;
               bool needs_launch; };
  const std::string any_task =
      "- scheduling networking block_device_mapping spawning powering-off powering-on rebooting "
      "rebooting_hard deleting ";
  const Row rows[] = {
      {"start", Action::Start, "stopped ", "- ", true},
      {"stop", Action::Stop, "active error ", "- ", true},
      {"soft reboot", Action::RebootSoft, "active ", "- ", true},
      {"hard reboot", Action::RebootHard, "active stopped error ", "- rebooting rebooting_hard ",
       true},
      {"metadata", Action::ChangeMetadata, "active stopped ", any_task, false},
      {"delete", Action::Delete, "building active stopped error ", any_task, false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    std::string vms, task_names;
    Server server;
    server.launched_at = WallTime{};
    for (int vm = 0; vm <= static_cast<int>(VmState::Error); ++vm) {
      server.vm_state = static_cast<VmState>(vm);
      if (compute::check_action(server, row.action))
        vms += std::string(to_string(server.vm_state)) + " ";
    }
    CHECK(vms == row.vm_states);
    server.vm_state = *compute::parse_vm_state(row.vm_states.substr(0, row.vm_states.find(' ')));
    for (int task = 0; task <= static_cast<int>(ServerTask::Deleting); ++task) {
      server.task_state = static_cast<ServerTask>(task);
      const auto name = to_string(server.task_state);
      if (compute::check_action(server, row.action))
        task_names += std::string(name.empty() ? "-" : name) + " ";
    }
    CHECK(task_names == row.task_states);
    server.task_state = ServerTask::None;
    server.launched_at.reset();
    CHECK(compute::check_action(server, row.action).has_value() == !row.needs_launch);
  }
  Server stopped;
  stopped.id = ServerId{"s1"};
  stopped.vm_state = VmState::Stopped;
  const auto refused = compute::check_action(stopped, Action::Stop);
  CHECK(refused.error().code == ErrorCode::Conflict);
  CHECK(refused.error().message == "Cannot 'stop' instance s1 while it is in vm_state stopped");
}

TEST_CASE("the look at the hypervisor stores, stops or leaves alone") {
  using compute::HostBoot;
  using compute::Sync;
  struct Row { std::string what; VmState vm; PowerState stored; std::optional<PowerState> seen;
               Sync sync; HostBoot boot = HostBoot::Same; };
  const Row rows[] = {
      {"as it should be", VmState::Active, PowerState::Running, PowerState::Running, Sync::Nothing},
      {"went off", VmState::Active, PowerState::Running, PowerState::Shutdown, Sync::MarkStopped},
      {"crashed", VmState::Active, PowerState::Running, PowerState::Crashed, Sync::MarkStopped},
      {"suspended", VmState::Active, PowerState::Running, PowerState::Suspended, Sync::MarkStopped},
      {"vanished", VmState::Active, PowerState::Running, std::nullopt, Sync::MarkStopped},
      {"paused", VmState::Active, PowerState::Running, PowerState::Paused, Sync::Store},
      {"paused, known", VmState::Active, PowerState::Paused, PowerState::Paused, Sync::Nothing},
      {"off and stopped", VmState::Stopped, PowerState::Shutdown, PowerState::Shutdown,
       Sync::Nothing},
      {"gone and stopped", VmState::Stopped, PowerState::Shutdown, std::nullopt, Sync::Store},
      {"runs though stopped", VmState::Stopped, PowerState::Shutdown, PowerState::Running,
       Sync::ForceStop},
      {"paused though stopped", VmState::Stopped, PowerState::Shutdown, PowerState::Paused,
       Sync::ForceStop},
      {"error keeps", VmState::Error, PowerState::NoState, PowerState::Running, Sync::Store},
      {"error, nothing there", VmState::Error, PowerState::NoState, std::nullopt, Sync::Nothing},
      {"building", VmState::Building, PowerState::NoState, std::nullopt, Sync::Nothing},
      {"off by its host", VmState::Active, PowerState::Running, PowerState::Shutdown, Sync::Resume,
       HostBoot::Other},
      {"gone by its host", VmState::Active, PowerState::Running, std::nullopt, Sync::Resume,
       HostBoot::Other},
      {"off, never seen running", VmState::Active, PowerState::Running, PowerState::Shutdown,
       Sync::MarkStopped, HostBoot::Unrecorded},
      {"runs in a new start of its host", VmState::Active, PowerState::Running,
       PowerState::Running, Sync::Store, HostBoot::Other},
      {"runs, not recorded where", VmState::Active, PowerState::Running, PowerState::Running,
       Sync::Store, HostBoot::Unrecorded},
      {"stopped before its host was", VmState::Stopped, PowerState::Shutdown, PowerState::Shutdown,
       Sync::Nothing, HostBoot::Other},
      {"in error before its host was", VmState::Error, PowerState::Shutdown, PowerState::Shutdown,
       Sync::Nothing, HostBoot::Other},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(compute::power_sync(row.vm, row.stored, row.seen, row.boot) == row.sync);
  }
  CHECK(compute::compare_boot("", "") == HostBoot::Same);
  CHECK(compute::boot_mark("f", "").empty());
  const std::string a = compute::boot_mark("f", "a"), b = compute::boot_mark("f", "b");
  CHECK(compute::compare_boot(a, "") == HostBoot::Same);
  CHECK(compute::compare_boot(a, a) == HostBoot::Same);
  CHECK(compute::compare_boot(a, b) == HostBoot::Other);
  CHECK(compute::compare_boot("", b) == HostBoot::Unrecorded);
  // Restored from a backup, under an id of its own.
  CHECK(compute::compare_boot(compute::boot_mark("g", "a"), b) == HostBoot::Unrecorded);
}

TEST_CASE("host names are DNS labels made of what the name offers") {
  struct Row { std::string name; const char* label; };
  const Row rows[] = {
      {"web", "web"},          {"Web Server.1", "web-server-1"}, {"a_b", "a-b"},
      {"--x--", "x"},          {"-", "fallback"},                {"名前", "fallback"},
      {"tést", "tst"},         {std::string(100, 'a'), nullptr}, {"a/b;c$d", "abcd"},
      {"<script>", "script"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    const std::string expected = row.label ? row.label : std::string(63, 'a');
    CHECK(compute::host_name_for(row.name, "fallback") == expected);
  }
  CHECK(compute::host_name_for(std::string(62, 'a') + "-b", "f") == std::string(62, 'a'));
}

TEST_CASE("name patterns find like a small regular expression, in bounded time") {
  struct Row { std::string pattern; std::string text; bool found; };
  const Row rows[] = {
      {"", "abc", true},         {"b", "abc", true},          {"^b", "abc", false},
      {"^ab", "abc", true},      {"c$", "abc", true},         {"b$", "abc", false},
      {"a.c", "abc", true},      {"a.*c", "axxxc", true},     {"x+", "abc", false},
      {"ab?c", "ac", true},      {"^[a-c]+$", "abcab", true}, {"^[^a]", "abc", false},
      {"\\.", "a.b", true},      {"\\.", "ab", false},        {"[", "a[b", true},
      {"^.+-[0-9]+$", "vm-12", true}, {"^.+-[0-9]+..$", "vm-1234", true}, {"*", "*", true},
      {"(a)", "(a)", true},      {"^$", "", true},            {"^$", "a", false},
      {"a*a*a*a*a*a*a*a*a*b", std::string(400, 'a'), false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.pattern);
    CAPTURE(row.text);
    CHECK(compute::pattern_found(row.pattern, row.text) == row.found);
  }
}

namespace {
constexpr const char* kEd25519 =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
}

TEST_CASE("public keys are taken apart to the last byte") {
  const std::string good = kEd25519;
  struct Row { std::string what; std::string key; bool taken; };
  const Row rows[] = {
      {"ed25519", good, true},
      {"with a comment", good + " me@home", true},
      {"with blanks around", "  " + good + " \n", true},
      {"empty", "", false},
      {"the type only", "ssh-ed25519", false},
      {"no base64", "ssh-ed25519 !!!!", false},
      {"unknown type", "ssh-dss " + good.substr(12), false},
      {"another type than inside", "ssh-rsa " + good.substr(12), false},
      {"cut off", good.substr(0, good.size() - 8), false},
      {"a byte too many", good + "AAAA", false},
      {"two lines", good + "\n" + good, false},
      {"a private key", "-----BEGIN RSA PRIVATE KEY----- AAAA", false},
      {"a length beyond the end", "ssh-ed25519 /////w==", false},
      {"a megabyte", "ssh-ed25519 " + std::string(1 << 20, 'A'), false},
      {"not UTF-8", good + " \xff", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto key = compute::parse_ssh_key(row.key);
    CHECK(key.has_value() == row.taken);
    if (!key) CHECK(key.error().code == ErrorCode::InvalidArgument);
    else CHECK(key->fingerprint == "0f:a2:0a:d7:38:3e:65:45:08:6b:63:84:1c:ff:dc:ba");
  }
}

TEST_CASE("a generated pair is an RSA key that our own reader takes") {
  const auto pair = compute::generate_ssh_key("c");
  REQUIRE(pair);
  CHECK(pair->public_key.type == "ssh-rsa");
  CHECK(pair->private_pem.starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
  CHECK(pair->private_pem.ends_with("-----END RSA PRIVATE KEY-----\n"));
  CHECK(compute::parse_ssh_key(pair->public_key.line)->fingerprint ==
        pair->public_key.fingerprint);
  CHECK(compute::generate_ssh_key("c")->public_key.line != pair->public_key.line);
}
