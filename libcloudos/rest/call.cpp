#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "rest/json.hpp"
#include "rest/router.hpp"

namespace cloudos::rest {

struct Call::Parsed {
  ParsedTarget target;
  std::optional<std::string> text;
  std::optional<nlohmann::json> body;
};

Call::Call(Cloud& the_cloud, const Context& caller, Request& the_request, ParsedTarget target)
    : cloud(the_cloud), ctx(caller), request(the_request), parsed_(std::make_unique<Parsed>()) {
  parsed_->target = std::move(target);
}

Call::~Call() = default;

const std::string& Call::path(std::string_view name) const {
  const auto& values = parsed_->target.path;
  const auto it = std::find_if(values.begin(), values.end(),
                               [&](const auto& value) { return value.first == name; });
  CLOUDOS_ASSERT(it != values.end());  // A handler asks for what its own pattern names.
  return it->second;
}

std::optional<std::string_view> Call::query(std::string_view name) const {
  for (const auto& [key, value] : parsed_->target.query)
    if (key == name) return std::string_view(value);
  return std::nullopt;
}

const std::vector<std::pair<std::string, std::string>>& Call::query_all() const {
  return parsed_->target.query;
}

Result<Call::Page> Call::page(std::size_t most) const {
  Page page;
  page.limit = most;
  if (const auto marker = query("marker")) page.marker = *marker;
  if (const auto text = query("limit"); text && !text->empty()) {
    const auto limit = parse_unsigned(*text);
    if (!limit)
      return fail(ErrorCode::InvalidArgument, "limit must be a number that is not negative");
    // 0 asks for "as many as you give": what Network means by it; the others' clients never send
    // it.
    if (*limit > 0) page.limit = std::min<std::size_t>(*limit, most);
  }
  return page;
}

Result<std::string_view> Call::text() {
  if (parsed_->text) return std::string_view(*parsed_->text);
  std::string text;
  if (request.body) {
    const auto size = request.body->size();
    if (size && *size > limits::kJsonBodyBytes)
      return fail(ErrorCode::TooLarge,
                  fmt::format("The body is larger than {} bytes.", limits::kJsonBodyBytes));
    if (size) text.reserve(*size);
    char buffer[16 << 10];
    while (true) {
      CLOUDOS_TRY(const std::size_t count,
                  request.body->read(std::as_writable_bytes(std::span(buffer))));
      if (count == 0) break;
      if (text.size() + count > limits::kJsonBodyBytes)
        return fail(ErrorCode::TooLarge,
                    fmt::format("The body is larger than {} bytes.", limits::kJsonBodyBytes));
      text.append(buffer, count);
    }
  }
  parsed_->text = std::move(text);
  return std::string_view(*parsed_->text);
}

Result<const nlohmann::json*> Call::json() {
  if (parsed_->body) return &*parsed_->body;
  CLOUDOS_TRY(const std::string_view text, this->text());
  if (trim(text).empty())
    return fail(ErrorCode::InvalidArgument, "The request needs a JSON body and has none.");
  CLOUDOS_TRY(parsed_->body, parse_json(text));
  return &*parsed_->body;
}

Result<const nlohmann::json*> Call::json_object(std::string_view name) {
  CLOUDOS_TRY(const nlohmann::json* body, json());
  if (!body->is_object())
    return fail(ErrorCode::InvalidArgument, "The body must be a JSON object.");
  return Members(*body, "").object(name);
}

}  // namespace cloudos::rest
