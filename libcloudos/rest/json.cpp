#include "rest/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text.hpp"
#include "cloudos/limits.hpp"

namespace cloudos::rest {
namespace {

/// Builds the value as it is read, and stops at what nlohmann's own parser lets pass: too deep, and
/// members named twice (which reader wins differs between programs: a way round checks).
class StrictBuilder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return put(nullptr); }
  bool boolean(bool v) override { return put(v); }
  bool number_integer(number_integer_t v) override { return put(v); }
  bool number_unsigned(number_unsigned_t v) override { return put(v); }
  bool number_float(number_float_t v, const string_t&) override { return put(v); }
  bool string(string_t& v) override { return put(std::move(v)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(nlohmann::json::object()); }
  bool start_array(std::size_t) override { return open(nlohmann::json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    nlohmann::json& object = *open_.back();
    if (object.contains(name)) {
      reason = fmt::format("a member is named twice: '{}'", name.substr(0, 40));
      return false;
    }
    next_ = &object[name];
    return true;
  }
  bool parse_error(std::size_t at, const std::string&,
                   const nlohmann::detail::exception& e) override {
    position = at;
    // 4xx: numbers out of range; all others are syntax.
    reason = e.id >= 400 ? "a number is too large" : "this is not JSON";
    return false;
  }

  nlohmann::json root;
  std::string reason;
  std::optional<std::size_t> position;

 private:
  nlohmann::json* place(nlohmann::json value) {
    if (open_.empty()) {
      root = std::move(value);
      return &root;
    }
    if (open_.back()->is_array()) {
      open_.back()->push_back(std::move(value));
      return &open_.back()->back();
    }
    *next_ = std::move(value);
    return next_;
  }
  bool put(nlohmann::json value) {
    place(std::move(value));
    return true;
  }
  bool open(nlohmann::json container) {
    if (open_.size() == limits::kJsonDepth) {
      reason = fmt::format("more than {} levels deep", limits::kJsonDepth);
      return false;
    }
    open_.push_back(place(std::move(container)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  std::vector<nlohmann::json*>
      open_;  // Stable: a container is not touched while one inside it is open.
  nlohmann::json* next_ = nullptr;
};

std::string position_text(std::string_view text, std::size_t at) {
  at = std::min(at, text.size());
  const std::string_view before = text.substr(0, at);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const auto start = before.rfind('\n');
  const auto column = start == std::string_view::npos ? at : at - start - 1;
  return fmt::format("line {}, column {}", line, std::max<std::size_t>(column, 1));
}

std::string shown_name(std::string_view name) {
  if (name.size() <= 64) return std::string(name);
  std::string_view cut = name.substr(0, 64);
  while (!cut.empty() && !utf8_length(cut)) cut.remove_suffix(1);
  return std::string(cut) + "...";
}

}  // namespace

Result<nlohmann::json> parse_json(std::string_view text) {
  if (!utf8_length(text))
    return fail(ErrorCode::InvalidArgument, "The body is not valid UTF-8 text.");
  // The lexer takes a zero byte for the end, and whatever comes behind it for nothing.
  if (const auto zero = text.find('\0'); zero != text.npos)
    return fail(ErrorCode::InvalidArgument,
                "The body is not valid JSON: " + position_text(text, zero) + ": a zero byte.");
  StrictBuilder builder;
  if (nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) return std::move(builder.root);
  std::string message = "The body is not valid JSON: ";
  if (builder.position) message += position_text(text, *builder.position) + ": ";
  return fail(ErrorCode::InvalidArgument, message + builder.reason + ".");
}

Members::Members(const nlohmann::json& object, std::string_view where)
    : object_(object), where_(where) {}

const nlohmann::json* Members::find(std::string_view name) const {
  if (!object_.is_object()) return nullptr;
  const auto it = object_.find(name);
  if (it == object_.end()) return nullptr;
  asked_.push_back(&*it);
  return asked_.back();
}

std::string Members::where(std::string_view name) const {
  return where_.empty() ? shown_name(name) : where_ + "." + shown_name(name);
}

Failure Members::wrong(std::string_view name, std::string_view rule) const {
  return fail(ErrorCode::InvalidArgument, fmt::format("{} {}", where(name), rule));
}

bool Members::has(std::string_view name) const {
  return find(name) != nullptr;
}

bool Members::is_empty() const {
  return object_.is_object() && object_.empty();
}

bool Members::is_null(std::string_view name) const {
  const nlohmann::json* member = find(name);
  return member && member->is_null();
}

const nlohmann::json* Members::raw(std::string_view name) const {
  return find(name);
}

Result<std::optional<std::string>> Members::maybe_text(std::string_view name) const {
  const nlohmann::json* member = find(name);
  if (!member || member->is_null()) return std::optional<std::string>();
  if (!member->is_string()) return wrong(name, "must be text");
  return std::optional<std::string>(member->get_ref<const std::string&>());
}

Result<std::string> Members::text(std::string_view name) const {
  CLOUDOS_TRY(auto value, maybe_text(name));
  if (!value) return wrong(name, "is required");
  return std::move(*value);
}

Result<std::optional<std::int64_t>> Members::maybe_integer(std::string_view name,
                                                           std::int64_t least,
                                                           std::int64_t most) const {
  const nlohmann::json* member = find(name);
  if (!member || member->is_null()) return std::optional<std::int64_t>();
  std::optional<std::int64_t> value;
  if (member->is_number_unsigned()) {
    const auto number = member->get<std::uint64_t>();
    if (number <= static_cast<std::uint64_t>(INT64_MAX)) value = static_cast<std::int64_t>(number);
  } else if (member->is_number_integer()) {
    value = member->get<std::int64_t>();
  } else if (member->is_string()) {
    value = parse_signed(member->get_ref<const std::string&>());
  } else {
    return wrong(name, "must be a whole number");
  }
  if (value && *value >= least && *value <= most) return value;
  if (!value && member->is_string()) return wrong(name, "must be a whole number");
  if (least == INT64_MIN && most == INT64_MAX) return wrong(name, "is out of range");
  if (most == INT64_MAX) return wrong(name, fmt::format("must be at least {}", least));
  return wrong(name, fmt::format("must be between {} and {}", least, most));
}

Result<std::int64_t> Members::integer(std::string_view name, std::int64_t least,
                                      std::int64_t most) const {
  CLOUDOS_TRY(const auto value, maybe_integer(name, least, most));
  if (!value) return wrong(name, "is required");
  return *value;
}

Result<std::optional<bool>> Members::maybe_flag(std::string_view name) const {
  const nlohmann::json* member = find(name);
  if (!member || member->is_null()) return std::optional<bool>();
  if (member->is_boolean()) return std::optional<bool>(member->get<bool>());
  if (member->is_number_integer()) {
    if (*member == 0) return std::optional<bool>(false);
    if (*member == 1) return std::optional<bool>(true);
  }
  if (member->is_string()) {
    const auto& given = member->get_ref<const std::string&>();
    for (const std::string_view yes : {"true", "yes", "on", "1", "t", "y"})
      if (equals_ignore_case(given, yes)) return std::optional<bool>(true);
    for (const std::string_view no : {"false", "no", "off", "0", "f", "n"})
      if (equals_ignore_case(given, no)) return std::optional<bool>(false);
  }
  return wrong(name, "must be true or false");
}

Result<void> Members::flag(std::string_view name, bool& out) const {
  CLOUDOS_TRY(const auto value, maybe_flag(name));
  if (value) out = *value;
  return Result<void>();
}

Result<const nlohmann::json*> Members::maybe_object(std::string_view name) const {
  const nlohmann::json* member = find(name);
  if (!member || member->is_null()) return nullptr;
  if (!member->is_object()) return wrong(name, "must be an object");
  return member;
}

Result<const nlohmann::json*> Members::object(std::string_view name) const {
  CLOUDOS_TRY(const nlohmann::json* member, maybe_object(name));
  if (!member) return wrong(name, "is required");
  return member;
}

Result<const nlohmann::json*> Members::maybe_array(std::string_view name) const {
  const nlohmann::json* member = find(name);
  if (!member || member->is_null()) return nullptr;
  if (!member->is_array()) return wrong(name, "must be a list");
  return member;
}

Result<const nlohmann::json*> Members::array(std::string_view name) const {
  CLOUDOS_TRY(const nlohmann::json* member, maybe_array(name));
  if (!member) return wrong(name, "is required");
  return member;
}

Result<std::optional<std::vector<std::string>>> Members::maybe_text_list(
    std::string_view name) const {
  CLOUDOS_TRY(const nlohmann::json* member, maybe_array(name));
  if (!member) return std::optional<std::vector<std::string>>();
  std::vector<std::string> out;
  for (const nlohmann::json& item : *member) {
    if (!item.is_string()) return wrong(name, "must be a list of texts");
    out.push_back(item.get<std::string>());
  }
  return std::optional<std::vector<std::string>>(std::move(out));
}

Result<std::optional<std::map<std::string, std::string>>> Members::maybe_text_map(
    std::string_view name) const {
  CLOUDOS_TRY(const nlohmann::json* member, maybe_object(name));
  if (!member) return std::optional<std::map<std::string, std::string>>();
  std::map<std::string, std::string> out;
  for (const auto& [key, item] : member->items()) {
    if (!item.is_string())
      return wrong(name, fmt::format("must have text under '{}'", shown_name(key)));
    out.emplace(key, item.get<std::string>());
  }
  return std::optional<std::map<std::string, std::string>>(std::move(out));
}

Result<void> Members::no_others() const {
  if (!object_.is_object()) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} must be an object", where_.empty() ? "the body" : where_));
  }
  for (auto it = object_.begin(); it != object_.end(); ++it)
    if (std::find(asked_.begin(), asked_.end(), &*it) == asked_.end())
      return wrong(it.key(), "is not known here");
  return Result<void>();
}

void JsonWriter::before_value() {
  if (comma_) out_ += ',';
  comma_ = true;
}

JsonWriter& JsonWriter::open() {
  before_value();
  out_ += '{';
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::close() {
  out_ += '}';
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::open_list() {
  before_value();
  out_ += '[';
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::close_list() {
  out_ += ']';
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  before_value();
  append_json_string(out_, name);
  out_ += ':';
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  before_value();
  append_json_string(out_, text);
  return *this;
}

JsonWriter& JsonWriter::value(std::initializer_list<std::string_view> pieces) {
  before_value();
  out_ += '"';
  for (const std::string_view piece : pieces) append_json_text(out_, piece);
  out_ += '"';
  return *this;
}

JsonWriter& JsonWriter::value(const std::vector<std::string>& texts) {
  open_list();
  for (const std::string& text : texts) value(std::string_view(text));
  return close_list();
}

JsonWriter& JsonWriter::value(const std::map<std::string, std::string>& texts) {
  open();
  for (const auto& [name, text] : texts) member(name, std::string_view(text));
  return close();
}

JsonWriter& JsonWriter::literal(std::string_view text) {
  before_value();
  out_ += text;
  return *this;
}

}  // namespace cloudos::rest
