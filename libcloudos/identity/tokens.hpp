#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cloudos/identity.hpp"
#include "codec/fields.hpp"

/// What is inside a token, and what is remembered about tokens seen.
namespace cloudos::identity {

/// Longer texts are no tokens of ours.
inline constexpr std::size_t kTokenBytes = 4'096;

/// The sealed content. It names records and the state they were in; what they say is read when the
/// token is used, so that a token never says more than its user may do now.
struct TokenPayload {
  enum class Method : std::uint32_t { Password = 1, Token = 2 };
  enum class Target : std::uint8_t { None, Project, Domain };

  std::uint32_t methods = 0;
  UserId user;
  Target target = Target::None;
  std::string target_id;
  WallTime issued_at, expires_at;
  std::vector<std::string> audit_ids;  ///< 16 raw bytes each: its own, then its first ancestor's.
  std::uint64_t user_epoch = 0, user_domain_epoch = 0;
  std::uint64_t target_epoch = 0;         ///< Of the project or domain.
  std::uint64_t target_domain_epoch = 0;  ///< Of the project's domain.
  std::vector<std::uint64_t> stamps;      ///< Of the grants it rests on.
  std::string unknown;
};
void fields(codec::FieldVisitor& v, TokenPayload& p);

std::vector<std::string> method_names(std::uint32_t methods);

/// Tokens seen lately: what they hold and what that meant in which state of the store.
///
/// Bounded: two generations of entries; when the younger is full the older is dropped. Nothing in
/// here is believed without comparing the state. Thread-safe.
class TokenCache final {
 public:
  struct Entry {
    // Shared with the callers that use an entry while it is being dropped.
    std::shared_ptr<const TokenPayload> payload;
    std::shared_ptr<const Token> token;
    std::string state;  ///< Identity's state when `token` was made.
  };
  explicit TokenCache(std::size_t entries_per_generation) : most_(entries_per_generation) {}

  std::optional<Entry> find(std::string_view text);
  void put(std::string_view text, Entry entry);
  std::size_t size() const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  using Map = std::unordered_map<std::string, Entry, Hash, std::equal_to<>>;

  const std::size_t most_;
  mutable std::mutex mutex_;
  Map young_, old_;  // Guarded by mutex_.
};

}  // namespace cloudos::identity
