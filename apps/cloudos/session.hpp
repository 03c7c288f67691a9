#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "transport.hpp"
#include "verbs/commands.hpp"

namespace cli {

/// Verbs done over a transport, and things found by their names. One thread at a time.
class Session {
 public:
  explicit Session(std::unique_ptr<Transport> transport) : transport_(std::move(transport)) {}

  /// One request; the reply out of its wrapper, null when there is none.
  cloudos::Result<json> perform(const cloudos::verbs::Verb& verb, const json& parameters);
  cloudos::Result<json> perform(std::string_view verb, const json& parameters);
  /// Every thing of a list, page after page, at most `limit`.
  cloudos::Result<std::vector<json>> list(const cloudos::verbs::Verb& verb, json parameters,
                                          std::size_t limit = SIZE_MAX);
  /// The one thing with this id or name, of that domain where its id is given. Errors: NotFound,
  /// Conflict (several of that name).
  cloudos::Result<json> find(const cloudos::verbs::Noun& noun, const std::string& name_or_id,
                             const std::string& domain = {});
  /// What its paths end with.
  cloudos::Result<std::string> key_of(const cloudos::verbs::Noun& noun,
                                      const std::string& name_or_id,
                                      const std::string& domain = {});
  /// A member of a thing, for people; the id itself when the thing is gone.
  std::string member_of(std::string_view noun, const std::string& id, const std::string& member);

  Transport& transport() { return *transport_; }

 private:
  cloudos::Result<json> find_by_name(const cloudos::verbs::Noun& noun, const std::string& wanted,
                                     const std::string& domain);

  std::unique_ptr<Transport> transport_;
  std::map<std::string, json> known_;  // member_of's memory: noun and id to the thing.
};

std::string text_member(const json& object, std::string_view name);

}  // namespace cli
