#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/text.hpp"
#include "cloudos/limits.hpp"
#include "image/metadefs/metadefs_room.hpp"

// What metadata definitions may say. Their schemas are kept as text, so it must be JSON for sure.
namespace cloudos::image {
namespace {

constexpr std::array<std::string_view, 6> kMetadefTypes{"array",  "boolean", "integer",
                                                        "number", "object",  "string"};

/// Looks whether text is JSON (RFC 8259), without making anything of it.
class JsonScan {
 public:
  explicit JsonScan(std::string_view text) : text_(text) {}
  bool object_alone() {
    blanks();
    if (peek() != '{' || !value(0)) return false;
    blanks();
    return at_ == text_.size();
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void blanks() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string::npos)
      ++at_;
  }
  bool take(char wanted) {
    if (peek() != wanted || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }
  bool word(std::string_view wanted) {
    if (text_.substr(at_, wanted.size()) != wanted) return false;
    at_ += wanted.size();
    return true;
  }
  bool digits() {
    const std::size_t from = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ > from;
  }
  bool number() {
    (void)take('-');
    if (!take('0') && !digits()) return false;
    if (take('.') && !digits()) return false;
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (!take('+')) (void)take('-');
      return digits();
    }
    return true;
  }
  bool escape() {
    if (take('u')) {
      for (int i = 0; i < 4; ++i, ++at_)
        if (at_ >= text_.size() ||
            std::string_view("0123456789abcdefABCDEF").find(text_[at_]) == std::string::npos)
          return false;
      return true;
    }
    if (at_ >= text_.size() || std::string_view("\"\\/bfnrt").find(peek()) == std::string::npos)
      return false;
    ++at_;
    return true;
  }
  bool string() {
    if (!take('"')) return false;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c == '\\' && !escape()) return false;
    }
    return false;
  }
  /// The members or elements up to `end`, behind the opening bracket.
  bool items(char end, std::size_t depth) {
    blanks();
    if (take(end)) return true;
    do {
      blanks();
      if (end == '}') {
        if (!string()) return false;
        blanks();
        if (!take(':')) return false;
        blanks();
      }
      if (!value(depth + 1)) return false;
      blanks();
    } while (take(','));
    return take(end);
  }
  bool value(std::size_t depth) {
    if (depth >= limits::kJsonDepth / 2) return false;  // It will be a part of something.
    switch (peek()) {
      case '{': ++at_; return items('}', depth);
      case '[': ++at_; return items(']', depth);
      case '"': return string();
      case 't': return word("true");
      case 'f': return word("false");
      case 'n': return word("null");
      default: return number();
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

Result<void> check_metadef_text(std::string_view what, std::string_view text, std::size_t most) {
  const auto chars = utf8_length(text);
  if (!chars || text.find('\0') != std::string_view::npos)
    return fail(ErrorCode::InvalidArgument, fmt::format("{}: not valid UTF-8 text", what));
  if (*chars > most) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{}: {} characters, at most {} allowed", what, *chars, most));
  }
  return Result<void>();
}

Result<void> check_item_count(std::string_view what, std::size_t count) {
  if (count <= limits::kMetadefItems) return Result<void>();
  return fail(ErrorCode::TooLarge, fmt::format("{} {}, at most {} allowed", count, what,
                                               limits::kMetadefItems));
}

/// A key that is not what the item is called would make two names of one thing.
template <class Item>
Result<void> check_items(std::string_view what, const std::map<std::string, Item>& items) {
  CLOUDOS_CHECK(check_item_count(what, items.size()));
  for (const auto& [name, item] : items) {
    if (name != item.name) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("{}: '{}' is kept under another name", what, item.name));
    }
    if constexpr (std::is_same_v<Item, MetadefTag>) {
      CLOUDOS_CHECK(check_metadef_name("tag", item.name));
    } else {
      CLOUDOS_CHECK(check_metadef(item));
    }
  }
  return Result<void>();
}

}  // namespace

bool is_json_object(std::string_view text) {
  return utf8_length(text).has_value() && JsonScan(text).object_alone();
}

Result<void> check_metadef_name(std::string_view what, std::string_view name) {
  return check_name(what, name, 1, limits::kMetadefNameChars);
}

Result<void> check_metadef(const MetadefProperty& property) {
  CLOUDOS_CHECK(check_metadef_name("property name", property.name));
  CLOUDOS_CHECK(check_metadef_text("title", property.title, limits::kMetadefTextChars));
  if (std::find(kMetadefTypes.begin(), kMetadefTypes.end(), property.type) == kMetadefTypes.end()) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("property '{}': type must be array, boolean, integer, number, object "
                            "or string",
                            property.name));
  }
  if (property.schema.size() > limits::kMetadefBytes) {
    return fail(ErrorCode::TooLarge, fmt::format("property '{}': its schema has {} bytes, at most "
                                                 "{} allowed", property.name,
                                                 property.schema.size(), limits::kMetadefBytes));
  }
  if (!is_json_object(property.schema)) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("property '{}': its schema is no JSON object", property.name));
  }
  return Result<void>();
}

Result<void> check_metadef(const MetadefObject& object) {
  CLOUDOS_CHECK(check_metadef_name("object name", object.name));
  CLOUDOS_CHECK(check_metadef_text("description", object.description, limits::kImagePropertyChars));
  CLOUDOS_CHECK(check_item_count("required properties", object.required.size()));
  for (const std::string& name : object.required)
    CLOUDOS_CHECK(check_metadef_name("required", name));
  return check_items("properties", object.properties);
}

Result<void> check_metadef(const MetadefAssociation& association) {
  CLOUDOS_CHECK(check_metadef_name("resource type", association.resource_type));
  CLOUDOS_CHECK(check_name("prefix", association.prefix, 0, limits::kMetadefNameChars));
  return check_name("properties_target", association.properties_target, 0,
                    limits::kMetadefNameChars);
}

Result<void> check_metadef(const MetadefNamespace& space) {
  CLOUDOS_CHECK(check_metadef_name("namespace", space.name));
  CLOUDOS_CHECK(check_name("display_name", space.display_name, 0, limits::kMetadefNameChars));
  CLOUDOS_CHECK(check_metadef_text("description", space.description, limits::kMetadefTextChars));
  CLOUDOS_CHECK(check_name("owner", space.owner.value, 0, limits::kNameChars));
  CLOUDOS_CHECK(check_items("properties", space.properties));
  CLOUDOS_CHECK(check_items("objects", space.objects));
  CLOUDOS_CHECK(check_items("tags", space.tags));
  CLOUDOS_CHECK(check_item_count("resource types", space.associations.size()));
  for (const auto& [type, association] : space.associations) {
    CLOUDOS_CHECK(check_metadef(association));
    if (type != association.resource_type) {
      return fail(ErrorCode::InvalidArgument, "an association is kept under another type's name");
    }
  }
  return Result<void>();
}

}  // namespace cloudos::image
