#include "compute/state.hpp"

#include <arpa/inet.h>

#include <fmt/format.h>

namespace cloudos {

std::string_view to_string(VmState state) {
  switch (state) {
    case VmState::Building: return "building";
    case VmState::Active: return "active";
    case VmState::Stopped: return "stopped";
    case VmState::Error: return "error";
  }
  return "error";
}

std::string_view to_string(ServerTask task) {
  switch (task) {
    case ServerTask::None: return "";
    case ServerTask::Scheduling: return "scheduling";
    case ServerTask::Networking: return "networking";
    case ServerTask::BlockDeviceMapping: return "block_device_mapping";
    case ServerTask::Spawning: return "spawning";
    case ServerTask::PoweringOff: return "powering-off";
    case ServerTask::PoweringOn: return "powering-on";
    case ServerTask::Rebooting: return "rebooting";
    case ServerTask::RebootingHard: return "rebooting_hard";
    case ServerTask::Deleting: return "deleting";
  }
  return "";
}

std::string_view server_status(VmState state, ServerTask task) {
  switch (state) {
    case VmState::Building: return "BUILD";
    case VmState::Stopped: return "SHUTOFF";
    case VmState::Error: return "ERROR";
    case VmState::Active: break;
  }
  if (task == ServerTask::Rebooting) return "REBOOT";
  if (task == ServerTask::RebootingHard) return "HARD_REBOOT";
  return "ACTIVE";
}

namespace compute {
namespace {

constexpr unsigned bit(VmState state) { return 1U << static_cast<unsigned>(state); }
constexpr unsigned bit(ServerTask task) { return 1U << static_cast<unsigned>(task); }
constexpr unsigned kAny = ~0U;

struct ActionRule {
  Action action;
  std::string_view name;
  unsigned vm_states;
  unsigned task_states;
  bool must_have_launched;
};
constexpr ActionRule kActionRules[] = {
    {Action::Start, "start", bit(VmState::Stopped), bit(ServerTask::None), true},
    {Action::Stop, "stop", bit(VmState::Active) | bit(VmState::Error), bit(ServerTask::None), true},
    {Action::RebootSoft, "reboot", bit(VmState::Active), bit(ServerTask::None), true},
    {Action::RebootHard, "reboot",
     bit(VmState::Active) | bit(VmState::Stopped) | bit(VmState::Error),
     bit(ServerTask::None) | bit(ServerTask::Rebooting) | bit(ServerTask::RebootingHard), true},
    {Action::ChangeMetadata, "update metadata of", bit(VmState::Active) | bit(VmState::Stopped),
     kAny, false},
    {Action::ChangeInterfaces, "change the interfaces of",
     bit(VmState::Active) | bit(VmState::Stopped), bit(ServerTask::None), true},
    {Action::Delete, "delete", kAny, kAny, false},
};

}  // namespace

Result<void> check_action(const Server& server, Action action) {
  const ActionRule* rule = std::find_if(std::begin(kActionRules), std::end(kActionRules),
                                        [&](const ActionRule& r) { return r.action == action; });
  const auto refuse = [&](std::string_view kind, std::string_view state) {
    return fail(ErrorCode::Conflict, fmt::format("Cannot '{}' instance {} while it is in {} {}",
                                                 rule->name, server.id.value, kind, state));
  };
  if ((rule->vm_states & bit(server.vm_state)) == 0)
    return refuse("vm_state", to_string(server.vm_state));
  if ((rule->task_states & bit(server.task_state)) == 0)
    return refuse("task_state", to_string(server.task_state));
  if (rule->must_have_launched && !server.launched_at) return refuse("not_launched", "True");
  return Result<void>();
}

std::string boot_mark(std::string_view folder_id, std::string_view boot) {
  return boot.empty() ? std::string() : fmt::format("{} {}", folder_id, boot);
}

HostBoot compare_boot(std::string_view recorded, std::string_view now) {
  if (now.empty() || recorded == now) return HostBoot::Same;
  const auto folder = [](std::string_view mark) { return mark.substr(0, mark.find(' ')); };
  return folder(recorded) == folder(now) ? HostBoot::Other : HostBoot::Unrecorded;
}

Sync power_sync(VmState state, PowerState stored, std::optional<PowerState> observed,
                HostBoot boot) {
  const PowerState now = observed.value_or(PowerState::NoState);
  const bool off = now == PowerState::Shutdown || now == PowerState::Crashed;
  switch (state) {
    case VmState::Active:
      // Off since its host started anew: not the guest's wish, nor its user's.
      if (boot == HostBoot::Other && (off || !observed)) return Sync::Resume;
      // Nova only warns when a domain is gone. We own them all: gone is off, and start brings it
      // back with its disk.
      if (off || now == PowerState::Suspended || !observed) return Sync::MarkStopped;
      if (boot != HostBoot::Same) return Sync::Store;  // It runs in this one.
      break;
    case VmState::Stopped:
      if (!off && now != PowerState::NoState) return Sync::ForceStop;
      break;
    case VmState::Building:
    case VmState::Error:
      break;
  }
  return now == stored ? Sync::Nothing : Sync::Store;
}

std::optional<VmState> parse_vm_state(std::string_view text) {
  for (const VmState state :
       {VmState::Building, VmState::Active, VmState::Stopped, VmState::Error}) {
    if (to_string(state) == text) return state;
  }
  return std::nullopt;
}

std::optional<ServerTask> parse_server_task(std::string_view text) {
  for (unsigned i = 1; i <= static_cast<unsigned>(ServerTask::Deleting); ++i) {
    if (to_string(static_cast<ServerTask>(i)) == text) return static_cast<ServerTask>(i);
  }
  return std::nullopt;
}

Result<void> check_access_ips(const std::string& ipv4, const std::string& ipv6) {
  in6_addr bytes{};
  if (!ipv4.empty() && inet_pton(AF_INET, ipv4.c_str(), &bytes) != 1)
    return fail(ErrorCode::InvalidArgument, "accessIPv4: is no IPv4 address");
  if (!ipv6.empty() && inet_pton(AF_INET6, ipv6.c_str(), &bytes) != 1)
    return fail(ErrorCode::InvalidArgument, "accessIPv6: is no IPv6 address");
  return Result<void>();
}

Result<void> check_lock(const Context& ctx, const Server& server) {
  if (!server.locked || ctx.is_admin) return Result<void>();
  return fail(ErrorCode::Conflict, fmt::format("Instance {} is locked", server.id.value));
}

std::string host_name_for(std::string_view name, std::string_view fallback) {
  std::string label;
  for (const char c : name) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if ((lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9') || lower == '-') {
      label += lower;
    } else if (lower == ' ' || lower == '_' || lower == '.') {
      label += '-';
    }
  }
  const auto begin = label.find_first_not_of('-');
  label = begin == label.npos ? std::string() : label.substr(begin, 63);
  while (!label.empty() && label.back() == '-') label.pop_back();
  return label.empty() ? std::string(fallback) : label;
}

namespace {

/// One element of a pattern, the rest of the pattern behind it, and how often it may come.
struct Element {
  std::string_view text;  ///< "a", ".", "\\x", "[a-z]"
  char repeat = 0;        ///< 0, '*', '+', '?'
};

Element take_element(std::string_view& pattern) {
  std::size_t size = 1;
  if (pattern[0] == '\\' && pattern.size() > 1) size = 2;
  if (pattern[0] == '[') {
    const auto close = pattern.find(']', 2);
    if (close != pattern.npos) size = close + 1;
  }
  Element element{pattern.substr(0, size), 0};
  pattern.remove_prefix(size);
  if (!pattern.empty() && (pattern[0] == '*' || pattern[0] == '+' || pattern[0] == '?')) {
    element.repeat = pattern[0];
    pattern.remove_prefix(1);
  }
  return element;
}

bool element_matches(std::string_view element, char c) {
  if (element == ".") return true;
  if (element.size() < 3 || element[0] != '[') return element.back() == c;
  std::string_view set = element.substr(1, element.size() - 2);
  const bool negated = set[0] == '^';
  if (negated) set.remove_prefix(1);
  bool in = false;
  for (std::size_t i = 0; i < set.size(); ++i) {
    if (i + 2 < set.size() && set[i + 1] == '-') {
      in = in || (c >= set[i] && c <= set[i + 2]);
      i += 2;
    } else {
      in = in || set[i] == c;
    }
  }
  return in != negated;
}

bool match_here(std::string_view pattern, std::string_view text, std::size_t& budget) {
  if (budget == 0) return false;
  --budget;
  if (pattern.empty()) return true;
  if (pattern == "$") return text.empty();
  const Element element = take_element(pattern);
  if (element.repeat == 0) {
    return !text.empty() && element_matches(element.text, text[0]) &&
           match_here(pattern, text.substr(1), budget);
  }
  std::size_t most = 0;
  const std::size_t limit = element.repeat == '?' ? 1 : text.size();
  while (most < limit && most < text.size() && element_matches(element.text, text[most])) ++most;
  const std::size_t least = element.repeat == '+' ? 1 : 0;
  for (std::size_t n = most + 1; n-- > least;) {
    if (match_here(pattern, text.substr(n), budget)) return true;
  }
  return false;
}

}  // namespace

bool pattern_found(std::string_view pattern, std::string_view text) {
  std::size_t budget = 20'000;
  if (!pattern.empty() && pattern[0] == '^') return match_here(pattern.substr(1), text, budget);
  for (std::size_t from = 0; from <= text.size(); ++from) {
    if (match_here(pattern, text.substr(from), budget)) return true;
  }
  return false;
}

}  // namespace compute
}  // namespace cloudos
