#pragma once
#include <array>
#include <charconv>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "cloudos/ids.hpp"
#include "cloudos/result.hpp"

/// JSON for decoders and encoders of the service routes.
namespace cloudos::rest {

/// Parses a body: valid UTF-8, at most limits::kJsonDepth deep, no member named twice.
/// Errors: InvalidArgument, with line, column and reason.
Result<nlohmann::json> parse_json(std::string_view text);

/// Reads the members of one object with errors that name them. A view: the object outlives it.
///
///   Members in(*body, "server");
///   CLOUDOS_TRY(spec.name, in.text("name"));                       // required
///   CLOUDOS_TRY(auto count, in.maybe_integer("min_count", 1, 64)); // optional
///   CLOUDOS_CHECK(in.no_others());                                 // anything not read is refused
///
/// "maybe" means: nothing when the member is absent or null. Without it, absent and null are
/// InvalidArgument. Every error is InvalidArgument and reads "server.name must be text".
class Members {
 public:
  /// `where` names the object in errors; empty for the body itself. A json that is not an object
  /// behaves as one without members; no_others() refuses it.
  Members(const nlohmann::json& object, std::string_view where);

  /// There, even if null.
  bool has(std::string_view name) const;
  /// An object without any member.
  bool is_empty() const;
  /// There and null.
  bool is_null(std::string_view name) const;
  /// The member as it is, read by name; null when absent.
  const nlohmann::json* raw(std::string_view name) const;

  Result<std::string> text(std::string_view name) const;
  Result<std::optional<std::string>> maybe_text(std::string_view name) const;
  /// A number without fraction, or a text of decimal digits (Compute and Network accept both).
  Result<std::int64_t> integer(std::string_view name, std::int64_t least = INT64_MIN,
                               std::int64_t most = INT64_MAX) const;
  Result<std::optional<std::int64_t>> maybe_integer(std::string_view name,
                                                    std::int64_t least = INT64_MIN,
                                                    std::int64_t most = INT64_MAX) const;
  /// true, false, 0, 1, or "true", "yes", "on", "1", "false", "no", "off", "0" in any case.
  Result<std::optional<bool>> maybe_flag(std::string_view name) const;
  /// The same with a default for absent and null.
  Result<void> flag(std::string_view name, bool& out) const;
  /// A text in its own id type.
  template <class IdType>
  Result<IdType> id(std::string_view name) const {
    CLOUDOS_TRY(std::string value, text(name));
    return IdType{std::move(value)};
  }
  template <class IdType>
  Result<std::optional<IdType>> maybe_id(std::string_view name) const {
    CLOUDOS_TRY(auto value, maybe_text(name));
    if (!value) return std::optional<IdType>();
    return std::optional<IdType>(IdType{std::move(*value)});
  }
  /// Null pointer when absent or null.
  Result<const nlohmann::json*> maybe_object(std::string_view name) const;
  Result<const nlohmann::json*> object(std::string_view name) const;
  Result<const nlohmann::json*> maybe_array(std::string_view name) const;
  Result<const nlohmann::json*> array(std::string_view name) const;
  Result<std::optional<std::vector<std::string>>> maybe_text_list(std::string_view name) const;
  /// {"key": "value", ...}, as metadata is sent.
  Result<std::optional<std::map<std::string, std::string>>> maybe_text_map(
      std::string_view name) const;

  /// Refuses members that none of the calls above asked for. Errors: InvalidArgument.
  Result<void> no_others() const;
  /// "server.name", for errors of one's own.
  std::string where(std::string_view name) const;

 private:
  const nlohmann::json* find(std::string_view name) const;
  Failure wrong(std::string_view name, std::string_view rule) const;

  const nlohmann::json& object_;
  std::string where_;
  mutable std::vector<const nlohmann::json*> asked_;  // Of those that are there.
};

/// Writes JSON text straight away, commas and quotes in their places: for replies, hot lists above
/// all. The caller opens and closes in order.
///
///   JsonWriter w;
///   w.open().key("server").open().member("id", server.id.value).close().close();
///   return json_response(200, std::move(w).take());
class JsonWriter {
 public:
  JsonWriter() = default;
  /// Makes room for a text of about that size at once.
  explicit JsonWriter(std::size_t expected) { out_.reserve(expected); }
  /// Goes on behind what is there, which ends where a value may stand.
  explicit JsonWriter(std::string begun) : out_(std::move(begun)) {}

  JsonWriter& open();                      ///< {
  JsonWriter& close();                     ///< }
  JsonWriter& open_list();                 ///< [
  JsonWriter& close_list();                ///< ]
  JsonWriter& key(std::string_view name);  ///< "name":
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  /// One text of several pieces.
  JsonWriter& value(std::initializer_list<std::string_view> pieces);
  template <class Number>
  requires std::is_arithmetic_v<Number> JsonWriter& value(Number number) {
    if constexpr (std::is_same_v<Number, bool>) {
      return literal(number ? "true" : "false");
    } else if constexpr (std::is_integral_v<Number>) {
      std::array<char, 24> digits;
      const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), +number).ptr;
      return literal({digits.data(), static_cast<std::size_t>(end - digits.data())});
    } else {
      return literal(std::to_string(number));
    }
  }
  template <class T>
  JsonWriter& value(const std::optional<T>& maybe) {
    return maybe ? value(*maybe) : null();
  }
  template <class Tag>
  JsonWriter& value(const Id<Tag>& id) {
    return value(std::string_view(id.value));
  }
  JsonWriter& value(const std::vector<std::string>& texts);
  JsonWriter& value(const std::map<std::string, std::string>& texts);
  JsonWriter& null() { return literal("null"); }
  /// JSON text made elsewhere.
  JsonWriter& literal(std::string_view json);
  template <class T>
  JsonWriter& member(std::string_view name, const T& what) {
    key(name);
    return value(what);
  }
  JsonWriter& member_null(std::string_view name) {
    key(name);
    return null();
  }
  /// Text, or null when it is empty.
  JsonWriter& member_or_null(std::string_view name, std::string_view text) {
    key(name);
    return text.empty() ? null() : value(text);
  }
  /// How much is written so far.
  std::size_t size() const { return out_.size(); }
  std::string take() && { return std::move(out_); }

 private:
  void before_value();
  std::string out_;
  bool comma_ = false;  // The next key or value needs one before it.
};

}  // namespace cloudos::rest
