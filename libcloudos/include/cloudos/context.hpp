#pragma once
#include <string>
#include <vector>

#include "cloudos/ids.hpp"

namespace cloudos {

/// Who calls, for which project, under which request id. A plain value: made by
/// Identity::authenticate for a token, or by Context::system() for the program that embeds us.
struct Context {
  UserId user;
  DomainId user_domain;
  ProjectId project;               ///< Empty: unscoped, or the system itself.
  DomainId project_domain;
  std::vector<std::string> roles;  ///< Names, implied roles included, sorted.
  bool is_admin = false;           ///< Holds role `admin`: sees and changes every project's things.
  std::string request_id;          ///< "req-<uuid>"; goes to every log line and task.

  /// The host program itself: admin, no user.
  static Context system(std::string request_id = {}) {
    Context context;
    context.is_admin = true;
    context.roles = {"admin", "member", "reader"};
    context.request_id = std::move(request_id);
    return context;
  }
  /// May this caller see something of `owner`?
  bool may_see(const ProjectId& owner) const { return is_admin || owner == project; }
};

}  // namespace cloudos
