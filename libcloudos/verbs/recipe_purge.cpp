// What a project has, taken away in the order in which one thing lets go of the next.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "verbs/recipes.hpp"

namespace cloudos::verbs {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds kFirstLook{50};
constexpr milliseconds kLongestLook{1'000};
constexpr std::int64_t kPatienceSeconds = 600;

/// Things of one kind: how they are found and deleted.
struct Sort {
  std::string_view word, noun;
};
constexpr Sort kServers{"server", "servers"};
constexpr Sort kRouters{"router", "routers"};
constexpr Sort kPorts{"port", "ports"};
constexpr Sort kGroups{"security group", "security_groups"};
constexpr Sort kImages{"image", "images"};
/// They hold on to routers and ports.
constexpr Sort kBeforeRouters[] = {{"floating ip", "floating_ips"}, {"trunk", "trunks"}};
/// Nothing holds on to these once ports are gone, each in front of what it hangs on.
constexpr Sort kBehindPorts[] = {
    {"subnet", "subnets"},
    {"network", "networks"},
    {"network rbac", "rbac_policies"},
    {"subnet pool", "subnet_pools"},
    {"address scope", "address_scopes"},
    {"network qos policy", "qos_policies"},
    {"network meter", "metering_labels"},
};
constexpr Sort kBehindGroups[] = {{"address group", "address_groups"}};

/// Whose a thing is, as its service says it.
std::string owner_of(const json& thing) {
  for (const char* const member : {"project_id", "tenant_id", "owner"})
    if (std::string owner = text_of(thing, member); !owner.empty()) return owner;
  return {};
}

std::string verb_of(const Sort& sort, std::string_view what) {
  return fmt::format("{}.{}", sort.noun, what);
}

/// A date, or a date and a time, as services write them: then texts compare as times do.
bool is_time(std::string_view text) {
  constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:dd";
  if (text.ends_with('Z')) text.remove_suffix(1);
  if (text.size() != 10 && text.size() != kShape.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kShape[i] == 'd' ? !digit : text[i] != kShape[i]) return false;
  }
  return true;
}

class Purge {
 public:
  Purge(Doer& doer, const json& parameters, bool keep_project)
      : doer_(doer), given_(parameters), keep_project_(keep_project) {}

  Result<json> run() {
    for (const char* const name : {"created_before", "updated_before"})
      if (const std::string time = text_of(given_, name); !time.empty() && !is_time(time))
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("{}: '{}' is no time such as 2027-01-31T12:00:00", name,
                                time.substr(0, 64)));
    CLOUDOS_TRY(const json project, doer_.perform("projects.show", {{"id", given_["id"]}}));
    project_ = text_of(project, "id");
    servers();
    hold_ports();
    for (const Sort& sort : kBeforeRouters) plain(sort);
    routers();
    ports();
    for (const Sort& sort : kBehindPorts) plain(sort);
    groups();
    for (const Sort& sort : kBehindGroups) plain(sort);
    images();
    if (!keep_project_) the_project(project);
    return std::move(rows_);
  }

 private:
  bool dry() const { return given_.value("dry_run", json(false)) == true; }

  void note(std::string_view word, const json& thing, std::string_view status,
            std::string_view reason = {}) {
    std::string name = text_of(thing, "name");
    if (name.empty()) name = text_of(thing, "floating_ip_address");
    rows_.push_back({{"type", word},
                     {"id", text_of(thing, "id")},
                     {"name", name},
                     {"status", status},
                     {"reason", reason}});
    if (status != "deleted" && status != "to delete") complete_ = false;
  }

  /// What does not say when it was made may be younger than what was asked for.
  bool old_enough(const json& thing) const {
    const auto time_of = [&](const char* member, const char* other) {
      std::string time = text_of(thing, member);
      return time.empty() ? text_of(thing, other) : time;
    };
    const auto before = [&](const char* limit, const std::string& time) {
      const std::string wanted = text_of(given_, limit);
      return wanted.empty() || (!time.empty() && time.substr(0, wanted.size()) < wanted);
    };
    const std::string made = time_of("created_at", "created");
    const std::string changed = time_of("updated_at", "updated");
    return before("created_before", made) &&
           before("updated_before", changed.empty() ? made : changed);
  }

  void stays(const json& thing) { staying_.insert(text_of(thing, "id")); }
  /// Whether it is a part of something that stays, which would be cut off without it.
  bool is_held(const json& thing) const {
    return staying_.contains(text_of(thing, "device_id")) ||
           staying_.contains(text_of(thing, "port_id"));
  }
  /// With a server stay its ports, and what leads to them.
  void hold_ports() {
    if (staying_.empty()) return;
    const auto all = doer_.list(verb_of(kPorts, "list"), {{"project_id", project_}});
    if (!all) return;
    for (const json& port : *all)
      if (is_held(port)) stays(port);
  }

  /// What the project has of this kind. Never another project's, whatever a service lists.
  std::vector<json> own(const Sort& sort, const json& query) {
    auto all = doer_.list(verb_of(sort, "list"), query);
    // The caller sees the own project's only, then.
    if (!all && all.error().code == ErrorCode::Forbidden && query.contains("all_tenants"))
      all = doer_.list(verb_of(sort, "list"));
    if (!all) {
      // A cloud without that service has nothing of it; and who may not look has made nothing.
      const auto code = all.error().code;
      const bool has_none = code == ErrorCode::NotFound || code == ErrorCode::Unsupported ||
                            (code == ErrorCode::Forbidden && keep_project_);
      if (!has_none)
        note(sort.word, json::object(), "refused", all.error().message);
      return {};
    }
    std::erase_if(*all, [&](const json& thing) {
      if (owner_of(thing) != project_ || is_held(thing)) return true;
      if (old_enough(thing)) return false;
      stays(thing);
      return true;
    });
    return std::move(*all);
  }

  /// Whether it is on its way out: noted later, where that is waited for.
  bool remove(const Sort& sort, const json& thing, bool waits = false) {
    if (dry()) {
      note(sort.word, thing, "to delete");
      return false;
    }
    const auto done = doer_.perform(verb_of(sort, "delete"), {{"id", text_of(thing, "id")}});
    if (!done && done.error().code != ErrorCode::NotFound) {
      note(sort.word, thing, "refused", done.error().message);
      stays(thing);
      return false;
    }
    if (!waits) note(sort.word, thing, "deleted");
    return true;
  }

  void plain(const Sort& sort) {
    for (const json& thing : own(sort, {{"project_id", project_}})) remove(sort, thing);
  }

  /// Their ports and disks are gone only when they are.
  void servers() {
    std::vector<json> leaving;
    for (const json& server : own(kServers, {{"all_tenants", "1"}, {"project_id", project_}}))
      if (remove(kServers, server, true)) leaving.push_back(server);
    const auto began = std::chrono::steady_clock::now();
    milliseconds look = kFirstLook;
    bool hope = true;
    for (const json& server : leaving) {
      while (hope && there(server)) {
        hope = doer_.pause(look) && std::chrono::steady_clock::now() - began < patience();
        look = std::min(look * 2, kLongestLook);
      }
      const bool gone = hope || !there(server);
      note(kServers.word, server, gone ? "deleted" : "deleting", gone ? "" : "it takes its time");
      if (!gone) stays(server);
    }
  }
  bool there(const json& server) {
    const auto found = doer_.perform("servers.show", {{"id", text_of(server, "id")}});
    return found || found.error().code != ErrorCode::NotFound;
  }
  std::chrono::seconds patience() const {
    const auto given = given_.find("timeout");
    return std::chrono::seconds(given != given_.end() && given->is_number_integer()
                                    ? given->get<std::int64_t>()
                                    : kPatienceSeconds);
  }

  /// Their routes and legs first; what refuses that refuses their end as well, and says why.
  void routers() {
    for (const json& router : own(kRouters, {{"project_id", project_}})) {
      const std::string id = text_of(router, "id");
      if (!dry()) {
        (void)doer_.perform("routers.update", {{"id", id},
                                               {"routes", json::array()},
                                               {"external_gateway_info", nullptr}});
        const auto legs = doer_.list("ports.list", {{"device_id", id}});
        if (legs)
          for (const json& leg : *legs) (void)remove_leg(leg);
      }
      remove(kRouters, router);
    }
  }
  static bool is_leg(const json& port) {
    return text_of(port, "device_owner").starts_with("network:router_interface");
  }
  Result<json> remove_leg(const json& port) {
    if (!is_leg(port)) return json();
    return doer_.perform("routers.remove_port", {{"id", text_of(port, "device_id")},
                                                 {"port_id", text_of(port, "id")}});
  }

  void ports() {
    for (const json& port : own(kPorts, {{"project_id", project_}})) {
      // The networks' own go with them; of legs only those are left that another's router has.
      const bool of_network = text_of(port, "device_owner").starts_with("network:");
      if (of_network && (!is_leg(port) || dry())) continue;
      if (!is_leg(port)) {
        remove(kPorts, port);
        continue;
      }
      const auto done = remove_leg(port);
      note(kPorts.word, port, done ? "deleted" : "refused", done ? "" : done.error().message);
    }
  }

  /// Projects have a default group as long as they are there.
  void groups() {
    for (const json& group : own(kGroups, {{"project_id", project_}}))
      if (text_of(group, "name") != "default" || !keep_project_) remove(kGroups, group);
  }

  void images() {
    for (const char* const hidden : {"false", "true"})
      for (const json& image :
           own(kImages, {{"owner", project_}, {"visibility", "all"}, {"os_hidden", hidden}}))
        remove(kImages, image);
  }

  void the_project(const json& project) {
    if (dry()) {
      note("project", project, "to delete");
      return;
    }
    if (!complete_) {
      note("project", project, "kept", "it is not empty");
      return;
    }
    // Who has no limits of its own has nothing to be taken away.
    for (const char* const quota : {"quotas.delete", "network_quotas.delete"})
      (void)doer_.perform(quota, {{"id", project_}});
    remove({"project", "projects"}, project);
  }

  Doer& doer_;
  const json& given_;
  const bool keep_project_;
  std::string project_;
  bool complete_ = true;
  std::set<std::string> staying_;  // Ids of what is too young, or could not be deleted.
  json rows_ = json::array();
};

}  // namespace

Result<json> purge_project(Doer& doer, const json& parameters) {
  const bool keep = parameters.value("keep_project", json(false)) == true;
  return Purge(doer, parameters, keep).run();
}

Result<json> clean_up_project(Doer& doer, const json& parameters) {
  return Purge(doer, parameters, true).run();
}

}  // namespace cloudos::verbs
