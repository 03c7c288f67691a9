#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "transport.hpp"
#include "verbs/commands.hpp"
#include "verbs/recipes.hpp"

namespace cli {

/// Verbs done over a transport, and things found by their names. One thread at a time.
class Session final : public cloudos::verbs::Doer {
 public:
  explicit Session(std::unique_ptr<Transport> transport) : transport_(std::move(transport)) {}

  bool pause(std::chrono::milliseconds time) override { return transport_->pause(time); }
  /// Names are looked for in every project from now on, where a service lists one's own otherwise.
  void look_everywhere() { everywhere_ = true; }
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
  cloudos::Result<cloudos::verbs::Answer> carry(const cloudos::verbs::Verb& verb,
                                                const cloudos::verbs::Request& request) override {
    return transport_->send(verb, request);
  }
  cloudos::Result<json> find_by_name(const cloudos::verbs::Noun& noun, const std::string& wanted,
                                     const std::string& domain);

  std::unique_ptr<Transport> transport_;
  bool everywhere_ = false;
  std::map<std::string, json> known_;  // member_of's memory: noun and id to the thing.
};

inline std::string text_member(const json& object, std::string_view name) {
  return cloudos::verbs::text_of(object, name);
}

}  // namespace cli
