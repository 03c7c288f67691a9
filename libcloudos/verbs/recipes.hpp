#pragma once
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "verbs/request.hpp"

/// Verbs that are several requests: what they ask for, whoever carries it.
namespace cloudos::verbs {

/// Does verbs, by whatever carries them. One thread at a time.
class Doer {
 public:
  virtual ~Doer() = default;

  /// Sends the verb's request, or follows its recipe; the reply out of its wrapper, null when there
  /// is none. Errors: the service's own, Internal (no such verb, no JSON).
  Result<nlohmann::json> perform(const Verb& verb, const nlohmann::json& parameters);
  Result<nlohmann::json> perform(std::string_view verb, const nlohmann::json& parameters);
  /// Every thing of a list, page after page, at most `limit`.
  Result<std::vector<nlohmann::json>> list(const Verb& verb, const nlohmann::json& parameters,
                                           std::size_t limit = SIZE_MAX);
  Result<std::vector<nlohmann::json>> list(std::string_view verb,
                                           const nlohmann::json& parameters = {});
  /// Lets time pass for what is waited for; false: nobody does the cloud's work, so it is in vain.
  virtual bool pause(std::chrono::milliseconds time) = 0;

 private:
  virtual Result<Answer> carry(const Verb& verb, const Request& request) = 0;
};

/// A member as text, whatever it is; empty when there is none.
std::string text_of(const nlohmann::json& object, std::string_view member);

// The recipes. Each takes its verb's parameters by their names in the table.

Result<nlohmann::json> purge_project(Doer& doer, const nlohmann::json& parameters);
Result<nlohmann::json> clean_up_project(Doer& doer, const nlohmann::json& parameters);
Result<nlohmann::json> list_project_users(Doer& doer, const nlohmann::json& parameters);
Result<nlohmann::json> list_project_keypairs(Doer& doer, const nlohmann::json& parameters);
Result<nlohmann::json> list_quotas(Doer& doer, const nlohmann::json& parameters);
Result<nlohmann::json> list_versions(Doer& doer, const nlohmann::json& parameters);
Result<nlohmann::json> add_floating_ip(Doer& doer, const nlohmann::json& parameters);
Result<nlohmann::json> remove_floating_ip(Doer& doer, const nlohmann::json& parameters);
Result<nlohmann::json> detach_network(Doer& doer, const nlohmann::json& parameters);
Result<nlohmann::json> create_qos_rule(Doer& doer, const nlohmann::json& parameters);
Result<nlohmann::json> list_qos_rules(Doer& doer, const nlohmann::json& parameters);
Result<nlohmann::json> show_qos_rule(Doer& doer, const nlohmann::json& parameters);
Result<nlohmann::json> update_qos_rule(Doer& doer, const nlohmann::json& parameters);
Result<nlohmann::json> delete_qos_rule(Doer& doer, const nlohmann::json& parameters);

}  // namespace cloudos::verbs
