#include <cstdlib>
#include <new>
#include <nlohmann/json.hpp>

#include "handle.hpp"
#include "verbs/commands.hpp"

namespace cloudos::c {
namespace {

// Text that the caller ends by cloudos_free.
Result<char*> copy_out(std::string_view text) {
  char* copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (copy == nullptr) return fail(ErrorCode::TooLarge, "there is no memory for the reply");
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  return copy;
}

std::string_view kind_name(verbs::Kind kind) {
  using verbs::Kind;
  switch (kind) {
    case Kind::Integer:
      return "integer";
    case Kind::Flag:
      return "boolean";
    case Kind::TextList:
    case Kind::ReferenceList:
    case Kind::ObjectList:
    case Kind::PairList:
      return "array";
    case Kind::Map:
    case Kind::CommaLists:
    case Kind::ReferenceIn:
      return "object";
    case Kind::Constant:
      return "constant";
    case Kind::Members:
      return "members";
    default:
      return "string";
  }
}

nlohmann::json described(const verbs::Verb& verb) {
  auto parameters = nlohmann::json::array();
  for (const verbs::Parameter& p : verb.parameters) {
    // Several switches of the command line may stand for one member.
    if (p.name.empty()) continue;
    parameters.push_back({{"name", p.name},
                          {"type", kind_name(p.kind)},
                          {"required", p.required},
                          {"help", p.help}});
  }
  const verbs::Noun* noun = verbs::find_noun(verb.name.substr(0, verb.name.find('.')));
  return {{"name", verb.name},       {"key", noun == nullptr ? "id" : noun->key},
          {"method", verb.method},   {"path", verb.path},
          {"wrapper", verb.wrapper}, {"reply", verb.reply},
          {"help", verb.help},       {"parameters", std::move(parameters)}};
}

}  // namespace
}  // namespace cloudos::c

using cloudos::c::copy_out;
using cloudos::c::described;
using cloudos::c::guarded;
using cloudos::c::need;
using cloudos::c::text_of;

extern "C" {

cloudos_code cloudos_call(cloudos_cloud* cloud, const char* verb, const char* parameters,
                          char** reply, cloudos_error** error) {
  return guarded(error, [&]() -> cloudos::Result<void> {
    CLOUDOS_CHECK(need(cloud, "cloudos_call: cloud"));
    CLOUDOS_CHECK(need(verb, "cloudos_call: verb"));
    // What only looks, too: the handle's time is over, or it was cancelled.
    CLOUDOS_CHECK(check_call(cloud->caller, cloud->shared->cloud->clock()));
    // A cloud without workers does what a verb waits for on this thread.
    cloudos::Cloud& c = *cloud->shared->cloud;
    const auto pause = [&c](std::chrono::milliseconds time) {
      if (c.options().workers == 0) c.run_pending(c.clock().mono() + time);
    };
    CLOUDOS_TRY(const std::string json,
                cloudos::verbs::call(cloud->shared->router, cloud->caller, verb,
                                     text_of(parameters), pause));
    if (reply == nullptr) return cloudos::Result<void>();
    CLOUDOS_TRY(*reply, copy_out(json));
    return cloudos::Result<void>();
  });
}

char* cloudos_verbs(void) {
  char* text = nullptr;
  guarded(nullptr, [&]() -> cloudos::Result<void> {
    auto all = nlohmann::json::array();
    for (const cloudos::verbs::Verb& verb : cloudos::verbs::all()) all.push_back(described(verb));
    CLOUDOS_TRY(text, copy_out(all.dump()));
    return cloudos::Result<void>();
  });
  return text;
}

}  // extern "C"
