#pragma once
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "cloudos/networks.hpp"
#include "network/errors.hpp"
#include "network/record.hpp"

/// Who sees and changes what, with the names the API has for it.
namespace cloudos::network {

template <class T>
constexpr std::string_view noun() {
  if constexpr (std::is_same_v<T, Network>) return "Network";
  else if constexpr (std::is_same_v<T, Subnet>) return "Subnet";
  else if constexpr (std::is_same_v<T, Port>) return "Port";
  else if constexpr (std::is_same_v<T, SecurityGroup>) return "SecurityGroup";
  else return "SecurityGroupRule";
}

template <class T>
tl::unexpected<Error> missing(std::string_view id) {
  std::string words;
  for (const char c : noun<T>()) {
    if (c >= 'A' && c <= 'Z' && !words.empty()) words += ' ';
    words += words.empty() ? c : static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  }
  return fail_as(std::string(noun<T>()) + "NotFound", ErrorCode::NotFound,
                 fmt::format("{} {} could not be found.", words, id.substr(0, 64)));
}

/// Reads from a snapshot or a transaction. Errors: NotFound, by the API's name.
template <class T, class Source, class Tag>
Result<T> load(Source& source, const Id<Tag>& id) {
  auto found = records::get<T>(source, id.value);
  if (!found && found.error().code == ErrorCode::NotFound) return missing<T>(id.value);
  return found;
}

inline bool sees(const Context& ctx, const Network& n) {
  return ctx.may_see(n.project) || n.shared || n.external;
}
inline bool sees(const Context& ctx, const Subnet& s) { return ctx.may_see(s.project) || s.shared; }
inline bool sees(const Context& ctx, const Port& p) { return ctx.may_see(p.project); }
inline bool sees(const Context& ctx, const SecurityGroup& g) { return ctx.may_see(g.project); }
inline bool sees(const Context& ctx, const SecurityGroupRule& r) { return ctx.may_see(r.project); }

/// What the caller may read; what others own looks like nothing. Errors: NotFound.
template <class T, class Source, class Tag>
Result<T> load_seen(Source& source, const Context& ctx, const Id<Tag>& id) {
  CLOUDOS_TRY(T record, load<T>(source, id));
  if (!sees(ctx, record)) return missing<T>(id.value);
  return record;
}

/// What the caller may change. Errors: NotFound, Forbidden (seen, because shared, but another's).
template <class T, class Source, class Tag>
Result<T> load_owned(Source& source, const Context& ctx, const Id<Tag>& id) {
  CLOUDOS_TRY(T record, load_seen<T>(source, ctx, id));
  if (!ctx.may_see(record.project))
    return forbidden(fmt::format("{} {} belongs to another project", noun<T>(), id.value));
  return record;
}

/// The project that will own what is made. Errors: Forbidden, InvalidArgument.
Result<ProjectId> owner_of_new(const Context& ctx, const std::optional<ProjectId>& asked);
/// Only an admin sets `attribute`. Errors: Forbidden.
Result<void> admin_only(const Context& ctx, bool used, std::string_view attribute);
Result<void> check_texts(std::string_view name, std::string_view description);

}  // namespace cloudos::network
